package tracer_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/otelpool/pgx/tracer"
)

func TestHolder_HasItsDurationsInSecondsInJSON(t *testing.T) {
	for _, test := range []struct {
		value any
		want  map[string]any // some of the fields
		keys  int
	}{
		{
			tracer.Holder{
				PID: 7, Waited: 250 * time.Millisecond, Age: time.Minute, Idle: 1500 * time.Millisecond, QueryTime: time.Nanosecond,
				Evidence: tracer.EvidenceOrphaned, NestedAcquire: true,
			},
			map[string]any{
				"pid": 7.0, "waited_seconds": 0.25, "age_seconds": 60.0, "idle_seconds": 1.5, "query_time_seconds": 1e-9,
				"evidence": "orphaned", "nested_acquire": true,
			},
			12,
		},
		{tracer.Waiter{Age: 2 * time.Second, NestedAcquire: true}, map[string]any{"age_seconds": 2.0, "nested_acquire": true}, 2},
	} {
		text, err := json.Marshal(test.value)
		fail(t, err)
		var got map[string]any
		fail(t, json.Unmarshal(text, &got))
		if len(got) != test.keys {
			t.Errorf("fields %v", slices.Sorted(maps.Keys(got)))
		}
		for key, want := range test.want {
			if got[key] != want {
				t.Errorf("%s is %v, want %v", key, got[key], want)
			}
		}
	}
}

func TestHolder_SaysWhereThereIsNoDeadline(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{}, nil, func(t *testing.T, w *watch) {
		cancelable, cancel := context.WithCancel(context.Background())
		defer cancel()
		limited, giveUp := context.WithTimeout(context.Background(), time.Hour)
		defer giveUp()
		for _, tt := range []struct {
			name string
			ctx  context.Context
			want bool
		}{{"none", context.Background(), true}, {"one that can be cancelled", cancelable, true}, {"a deadline", limited, false}} {
			conn := w.acquire(tt.ctx)
			if held := w.sweep().Holders; len(held) != 1 || held[0].NoDeadline != tt.want {
				t.Errorf("%s: %+v", tt.name, held)
			}
			if tt.ctx == limited {
				giveUp() // the deadline is not known any more when the request is over
			}
			if held := w.sweep().Holders; len(held) != 1 || held[0].NoDeadline != tt.want {
				t.Errorf("%s, later: %+v", tt.name, held)
			}
			conn.Release()
		}
	})
}
