package goroutines

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

//go:noinline
func wait(depth int, until <-chan struct{}) int {
	if depth == 0 {
		<-until
		return 0
	}
	return wait(depth-1, until) + 1
}

// BenchmarkLook is for how long the world stands still, with twelve frames a goroutine, and how long the parser takes, which
// stops nobody.
func BenchmarkLook(b *testing.B) {
	for _, n := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			var all sync.WaitGroup
			until := make(chan struct{})
			for range n {
				all.Go(func() { wait(10, until) })
			}
			runtime.Gosched()
			var stopped time.Duration
			for b.Loop() {
				d, err := look(n + 10)
				if err != nil {
					b.Fatal(err)
				}
				stopped += d.Took
			}
			b.ReportMetric(float64(stopped.Microseconds())/float64(b.N), "stop-µs/op")
			close(until)
			all.Wait()
		})
	}
}
