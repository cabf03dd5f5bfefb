package otelpool

import (
	"testing"

	"github.com/otelpool/pgx/otelpool/internal/outlet/metrics"
)

// Settings are the options that have a textual value, each as an error would show it.
func Settings(t testing.TB, opts ...Option) map[string]string {
	t.Helper()
	c, err := newConfig(nil, opts)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for i := range settings {
		if settings[i].value != nil {
			out[settings[i].Option] = settings[i].value(c)
		}
	}
	out["WithPolicy"] = string(c.policy.Rules)
	return out
}

// SettingRows is the table of options.
func SettingRows() []setting { return settings }

// Instruments is the table of metrics.
func Instruments() []metrics.Instrument { return metrics.Table }

var (
	DerivedName      = derivedName
	CommonAttributes = commonAttributes
)
