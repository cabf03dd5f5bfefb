package tracer_test

import (
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
