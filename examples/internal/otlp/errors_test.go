package otlp

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestErrorHandler_WarnsOnceAMinuteOfAMissingCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := newErrorHandler(slog.New(slog.NewTextHandler(&out, nil)))
		for range 2*60 + 1 { // an export a second for two minutes
			h.Handle(errors.New("connection refused"))
			time.Sleep(time.Second)
		}
		for _, want := range []string{"errors=1\n", "errors=60\n", "errors=60\n"} {
			line, err := out.ReadString('\n')
			if err != nil || !strings.HasSuffix(line, want) || !strings.Contains(line, "connection refused") {
				t.Errorf("got %q, %v, want %q", line, err, want)
			}
		}
		if out.Len() > 0 {
			t.Errorf("more was said: %s", out.String())
		}
	})
}
