package tracer

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// depth is the key of a value in a deep context.
type depth int

// BenchmarkSweep measures one sweep over holders that all look like leaks, their contexts ten values deep.
func BenchmarkSweep(b *testing.B) {
	for _, holders := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("holders=%d", holders), func(b *testing.B) {
			tr := New(Options{StackDepth: 32, LeakThreshold: time.Nanosecond})
			ctx := b.Context()
			for i := range 10 {
				ctx = context.WithValue(ctx, depth(i), i)
			}
			pretend(tr, ctx, holders)
			used := func() int { return holders }
			b.ReportAllocs()
			for b.Loop() {
				tr.Sweep(used, 0)
			}
		})
	}
}

// BenchmarkCallers is what a stack costs at each depth.
func BenchmarkCallers(b *testing.B) {
	for _, depth := range []int{1, 8, 32, MaxStackDepth} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			var st sites
			recurse(depth, func() {
				for b.Loop() {
					st.caller(depth)
				}
			})
		})
	}
}

//go:noinline
func recurse(depth int, f func()) {
	if depth == 0 {
		f()
		return
	}
	recurse(depth-1, f)
}
