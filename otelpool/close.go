package otelpool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/otelpool/pgx/otelpool/internal/view"
)

// A Monitor is open; then draining, while its pool is being closed; then closed. The application may close the pool itself,
// which the sampler follows, or have Shutdown do it. Whoever it is, finish is the one way to closed.

// ending is what is left of a Monitor's end.
type ending struct {
	once sync.Once
	err  error // of unregistering the callback
}

const (
	// closeWithin bounds what the end waits for: a log handler, an exporter, a probe that hangs up. A collector that is
	// away must not keep a program from ending.
	closeWithin = 2 * time.Second
	// detachWithin bounds each call that takes us out of a metrics library.
	detachWithin = 500 * time.Millisecond
	// shutdownGrace is how long after a context's end something is waited for that ends by itself, as a rule at once.
	shutdownGrace = 100 * time.Millisecond
)

// Close stops observing: the callback is unregistered, the sampler and the probe end, and the name is free again. The pool
// lives on. What had happened by then is recorded first, and exported if the MeterProvider can be told to (ForceFlush, as the
// SDK's can): so close the Monitor before the provider is shut down. Log handlers and exporters are waited for 2 s at most.
// Closing twice is harmless.
//
// A pool that its application closes by [pgxpool.Pool.Close] is followed to its end, with a warning that names who it waits
// for, and then the Monitor closes itself.
func (m *Monitor) Close() error {
	if m.absent() {
		return nil
	}
	return m.finish(false)
}

// Shutdown closes the pool: new acquires fail at once, readiness ends, and held connections are waited for with progress
// in the log. It returns when the pool is drained, or when ctx is done, whichever comes first; then the error is a
// *[ShutdownError] that names every holder. pgxpool's own Close, which has no way to give up, goes on in the background
// until they release. The Monitor is closed in either case, as by [Monitor.Close], with terminated as the last state that is
// exported. A ctx that is done already still closes a pool of which nothing is held.
func (m *Monitor) Shutdown(ctx context.Context) error {
	switch {
	case m.absent():
		return nil
	case ctx == nil:
		return fmt.Errorf("otelpool: Shutdown: %w", ErrNilContext)
	}
	m.sampler.Drain()
	held, began := int(m.pool.Stat().AcquiredConns()), time.Now()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		m.guard.Do("the pool was closed", m.pool.Close)
	}()
	m.logs.Post(view.Drain{Step: view.DrainStarted, Held: held})
	var blocked error
	if m.awaitDrained(ctx, drained) {
		m.logs.Post(view.Drain{Step: view.DrainCompleted, Took: time.Since(began)})
	} else {
		e := &ShutdownError{Holders: m.Holders(), Held: int(m.pool.Stat().AcquiredConns()), Cause: context.Cause(ctx), err: ctx.Err()}
		m.logs.Post(view.Drain{Step: view.DrainCompleted, TimedOut: true, Held: e.Held, Holders: e.Holders})
		blocked = e
	}
	return errors.Join(blocked, m.finishWithin(ctx))
}

// awaitDrained reports progress once a second until the pool is drained or ctx is done, and says whether it was drained. A
// pool of which nothing is held is given a grace: callers often shut down with a context that is done already.
func (m *Monitor) awaitDrained(ctx context.Context, drained <-chan struct{}) bool {
	progress := time.NewTicker(time.Second)
	defer progress.Stop()
	for {
		select {
		case <-drained:
			return true
		case <-ctx.Done():
			return m.pool.Stat().AcquiredConns() == 0 && waitClosed(drained, shutdownGrace)
		case <-progress.C:
			step := view.Drain{Step: view.DrainWaiting, Held: int(m.pool.Stat().AcquiredConns()), Holders: m.Holders()}
			if deadline, limited := ctx.Deadline(); limited {
				step.Left = time.Until(deadline)
			}
			m.logs.Post(step)
		}
	}
}

// finishWithin closes the Monitor, but does not wait longer than ctx and a grace. What goes on after that has nothing to say
// that is worth waiting for.
func (m *Monitor) finishWithin(ctx context.Context) error {
	finished := make(chan error, 1)
	go func() { finished <- m.finish(true) }()
	select {
	case err := <-finished:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-finished:
		return err
	case <-time.After(shutdownGrace):
		return nil
	}
}

// finish ends everything, once. Terminated says that the pool is closed, which the last view is to say.
func (m *Monitor) finish(terminated bool) error {
	m.ending.once.Do(func() {
		defer live.release(m.pool, m.name)
		m.sampler.Stop()
		if terminated {
			m.sampler.Terminate()
		}
		ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		var outlets sync.WaitGroup
		outlets.Go(func() { m.probe.Close(ctx.Done()) })
		outlets.Go(func() { m.spans.Close(ctx.Done()) })
		outlets.Go(func() { m.ending.err = m.closeMetrics(ctx) })
		outlets.Wait()
		m.logs.Close(ctx.Done()) // last: the others may have panicked
	})
	if terminated {
		m.sampler.Terminate() // the Monitor may have been closed before the pool was
	}
	return m.ending.err
}

// closeMetrics exports what has happened, and ends the callback.
func (m *Monitor) closeMetrics(ctx context.Context) error {
	m.metrics.Close(ctx.Done())
	m.waitFor(closeWithin, "metrics were flushed", func() { m.forceFlush(ctx) })
	if m.hook != nil {
		m.hook.SetConnectionEvents(nil)
		m.waitFor(detachWithin, "the last durations were recorded", m.hook.Flush)
		m.hook.SetRecorder(nil)
	}
	var unregistered atomic.Pointer[error]
	m.waitFor(detachWithin, "the callback was unregistered", func() {
		err := m.metrics.Unregister()
		unregistered.Store(&err)
	})
	if result := unregistered.Load(); result != nil {
		return *result
	}
	return nil
}

// waitFor runs f, which may hang in code that is not ours, and waits for it no longer than d.
func (m *Monitor) waitFor(d time.Duration, while string, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.guard.Do(while, f)
	}()
	waitClosed(done, d)
}

// forceFlush has the MeterProvider collect and export, if it can: once the callback is unregistered, no collection sees the
// last view any more. What fails is the provider's to tell.
func (m *Monitor) forceFlush(ctx context.Context) {
	provider := m.config.meterProvider
	if m.config.globalMeters {
		provider = otel.GetMeterProvider() // the one of the start may have been a stand-in for one not set yet
	}
	if flusher, ok := provider.(interface{ ForceFlush(context.Context) error }); ok {
		_ = flusher.ForceFlush(ctx)
	}
}

// waitClosed reports whether done is closed before d has passed.
func waitClosed(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
