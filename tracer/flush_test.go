package tracer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// recording is a Recorder that keeps count.
type recording struct {
	mu      sync.Mutex // guards the rest
	kinds   map[string]int
	uses    int
	created []time.Duration
	waited  []time.Duration
	used    []time.Duration
}

func (r *recording) RecordWait(ctx context.Context, wait time.Duration, errorType string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds == nil {
		r.kinds = make(map[string]int)
	}
	r.kinds[errorType] += n
	r.waited = append(r.waited, slices.Repeat([]time.Duration{wait}, n)...)
}

func (r *recording) RecordUse(_ context.Context, use time.Duration, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.uses += n
	r.used = append(r.used, slices.Repeat([]time.Duration{use}, n)...)
}

func (r *recording) RecordCreate(_ context.Context, create time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.created = append(r.created, create)
}

func (r *recording) waits(kind string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kinds[kind]
}

func (r *recording) allWaits() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kinds {
		n += k
	}
	return n
}

func TestFlush_RecordsFailuresOfBeforeThereWasARecorder(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		w.srv.RefuseWith("28P01", "no")
		for range 3 {
			_, _ = w.pool.Acquire(t.Context())
		}
		w.srv.Accept()
		w.acquire(t.Context()).Release()
		w.hook.Flush()
		w.sweep()
		var r recording
		w.hook.SetRecorder(&r)
		w.hook.Flush()
		w.hook.Flush()
		if r.waits("28P01") != 3 || r.waits("") != 1 || r.uses != 1 || len(r.created) != 1 {
			t.Errorf("recorded %v, %d uses, %d creates", r.kinds, r.uses, len(r.created))
		}
		w.hook.SetRecorder(nil)
		w.acquire(t.Context()).Release()
	})
}

// stuck is a recorder that never returns.
type stuck struct{ forever chan struct{} }

func (s stuck) RecordWait(context.Context, time.Duration, string, int) { <-s.forever }
func (s stuck) RecordUse(context.Context, time.Duration, int)          { <-s.forever }
func (s stuck) RecordCreate(context.Context, time.Duration)            { <-s.forever }

func TestFlush_ThatBlocksHoldsUpNoHookAndNoSweep(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		recorder := stuck{make(chan struct{})}
		w.hook.SetRecorder(recorder)
		w.acquire(t.Context()).Release()
		var flush sync.WaitGroup
		flush.Go(w.hook.Flush)
		synctest.Wait()
		conn := w.acquire(t.Context())
		time.Sleep(time.Second)
		conn.Release()
		if snap := w.sweep(); snap.Counters.Counts[counts.Released] != 2 || snap.Ended != 2 {
			t.Errorf("%+v", snap)
		}
		w.checkRest(0)
		close(recorder.forever)
		flush.Wait()
	})
}

// fragile is a recorder that panics at every second call, and records what it is given at the others.
type fragile struct {
	recording
	calls int
}

func (f *fragile) panics() bool {
	f.calls++
	return f.calls%2 == 0
}

func (f *fragile) RecordWait(ctx context.Context, wait time.Duration, errorType string, n int) {
	f.recording.RecordWait(ctx, wait, errorType, n)
	if f.panics() {
		panic("on purpose")
	}
}

func (f *fragile) RecordUse(ctx context.Context, use time.Duration, n int) {
	f.recording.RecordUse(ctx, use, n)
	if f.panics() {
		panic("on purpose")
	}
}

func (f *fragile) RecordCreate(ctx context.Context, create time.Duration) {
	f.recording.RecordCreate(ctx, create)
	if f.panics() {
		panic("on purpose")
	}
}

func TestFlush_ThatPanicsLeavesTheRestToTheNext(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		const cycles = 10
		w.srv.RefuseWith("28P01", "no")
		for range cycles {
			_, _ = w.pool.Acquire(t.Context())
		}
		w.srv.Accept()
		for i := range cycles {
			conn := w.acquire(t.Context())
			time.Sleep(time.Duration(i) * time.Second)
			conn.Release()
		}
		var r fragile
		w.hook.SetRecorder(&r)
		panics := 0
		for range 4 * cycles {
			func() {
				defer func() {
					if recover() != nil {
						panics++
					}
				}()
				w.hook.Flush()
			}()
		}
		if panics == 0 || r.waits("") != cycles || r.waits("28P01") != cycles || r.uses != cycles || len(r.created) != 1 {
			t.Errorf("%d panics; recorded %v, %d uses, %d creates", panics, r.kinds, r.uses, len(r.created))
		}
	})
}

func TestSweep_AndFlushEachSeeTheLongestWait(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		var r recording
		w.hook.SetRecorder(&r)
		const wait = 7*time.Second + 7
		for _, sweepFirst := range []bool{true, false} {
			w.sweep()
			w.hook.Flush()
			r.waited = nil
			conn := w.acquire(t.Context())
			time.AfterFunc(wait, conn.Release)
			w.acquire(t.Context()).Release()
			if !sweepFirst {
				w.hook.Flush()
			}
			if snap := w.sweep(); snap.PeakWait != wait || snap.MinWait != 0 && snap.MinWait > time.Microsecond || snap.Ended != 2 {
				t.Errorf("sweep: least %s, most %s of %d", snap.MinWait, snap.PeakWait, snap.Ended)
			}
			w.hook.Flush()
			if slices.Max(r.waited) != wait {
				t.Errorf("flush: most %s, want %s", slices.Max(r.waited), wait)
			}
		}
		if c := w.hook.Counters(); c.MaxWait != wait {
			t.Errorf("longest of all %s, want %s", c.MaxWait, wait)
		}
	})
}
