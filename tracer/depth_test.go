package tracer_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/tracer"
)

//go:noinline
func acquireDeep(w *watch, depth int) *pgxpool.Conn {
	if depth == 0 {
		conn, _ := w.pool.Acquire(w.t.Context())
		return conn
	}
	return acquireDeep(w, depth-1)
}

func TestStack_HasAsManyApplicationFramesAsWereAskedFor(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{}, nil, func(t *testing.T, w *watch) {
		var first tracer.Frame
		for _, depth := range []int{1, 2, 7, 3, tracer.MaxStackDepth, 7, 0} { // of one path: each its own
			w.hook.Adjust(tracer.Options{StackDepth: depth})
			conn := acquireDeep(w, 2*tracer.MaxStackDepth)
			stack := w.hook.Holders()[0].Stack
			if len(stack) != depth {
				t.Errorf("%d frames, want %d", len(stack), depth)
			}
			if first == (tracer.Frame{}) {
				first = stack[0]
			}
			if depth > 0 && stack[0] != first {
				t.Errorf("depth %d begins at %v, want %v", depth, stack[0], first)
			}
			conn.Release()
		}
	})
}

func TestStack_IsCutAnewWhenTheDepthIsAdjusted(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{StackDepth: 1}, nil, func(t *testing.T, w *watch) {
		for _, depth := range []int{1, 3} {
			w.hook.Adjust(tracer.Options{StackDepth: depth})
			conn := acquireDeep(w, 3)
			if n := len(w.hook.Holders()[0].Stack); n != depth {
				t.Errorf("%d frames, want %d", n, depth)
			}
			conn.Release()
		}
	})
}
