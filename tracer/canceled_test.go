package tracer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/otelpool/pgx/tracer"
)

func TestCanceled_TellsWhereWhyAndWhen(t *testing.T) {
	onWire(t, "pool_max_conns=2", tracer.Options{StackDepth: 4}, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context())
		sleepUntilDeadline(t, conn)
		conn.Release()
		conn = w.acquire(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		_, _ = conn.Exec(ctx, "SELECT pg_sleep(60)")
		conn.Release()

		got := w.sweep().Canceled
		if len(got) != 2 {
			t.Fatalf("%+v", got)
		}
		for i, want := range []tracer.CanceledHold{{Query: time.Second, Deadline: true}, {Query: 2 * time.Second}} {
			if got[i].Query != want.Query || got[i].Deadline != want.Deadline || !strings.Contains(got[i].Site, "helpers_test.go") {
				t.Errorf("%+v, want %+v", got[i], want)
			}
		}
		if !got[0].At.Before(got[1].At) {
			t.Errorf("not the oldest first: %+v", got)
		}
	})
}

func TestCanceled_RemembersTheLastOnly(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{}, nil, func(t *testing.T, w *watch) {
		const most = 64
		for range most + 3 {
			conn := w.acquire(t.Context())
			sleepUntilDeadline(t, conn)
			conn.Release()
		}
		if got := w.sweep().Canceled; len(got) != most {
			t.Errorf("%d are remembered", len(got))
		}
	})
}
