package otelpool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/tracer"
)

// ShutdownError says who kept the pool from being drained. It matches [ErrShutdown] and the context's error.
type ShutdownError struct {
	Holders []tracer.Holder // still out of the pool when time was up, with their stacks
	Held    int             // how many that were by the pool's own count: without the hook nobody knows the holders
	Cause   error           // the context's

	err error // the context's error, which its cause may hide
}

// Error names each holder and the place it was taken at.
func (e *ShutdownError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "otelpool: Shutdown: %v: %v: ", ErrShutdown, e.Cause)
	if held := max(e.Held, len(e.Holders)); held > 0 {
		b.WriteString("still held: " + connections(held))
	} else {
		b.WriteString("none is held, but closing them takes longer")
	}
	for _, h := range e.Holders {
		fmt.Fprintf(&b, "\nbackend %d, held for %v, idle for %v, taken at\n%s",
			h.PID, h.Age.Round(time.Millisecond), h.Idle.Round(time.Millisecond), stackText(h.Stack))
	}
	return b.String()
}

// Unwrap makes the error match ErrShutdown and the context's error.
func (e *ShutdownError) Unwrap() []error { return []error{ErrShutdown, e.Cause, e.err} }

// Shutdown closes the pool: new acquires fail at once, readiness ends, and held connections are waited for with progress
// in the log. It returns when the pool is drained, or when ctx is done, whichever comes first; then the error is a
// *[ShutdownError] that names every holder. pgxpool's own Close, which has no way to give up, goes on in the background
// until they release. The Monitor is closed in either case, as by [Monitor.Close], with terminated as the last state that is
// exported; if a log handler calls, after its record.
func (m *Monitor) Shutdown(ctx context.Context) error {
	switch {
	case m.absent():
		return nil
	case ctx == nil:
		return fmt.Errorf("otelpool: Shutdown: %w", ErrNilContext)
	}
	result, inside := make(chan error, 1), inHandler()
	go func() {
		err := errPanicked
		m.guarded("the pool was shut down", func() { err = m.shutdown(ctx, inside) })
		result <- err
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	select { // it ends by itself, unless a log handler keeps it
	case err := <-result:
		return err
	case <-time.After(10 * moment):
		return m.blocked(ctx)
	}
}

// shutdown does it. inside says that a log handler waits for it, whom nothing may be waited for in turn.
func (m *Monitor) shutdown(ctx context.Context, inside bool) error {
	m.beginDraining()
	active, started := m.pool.Stat().AcquiredConns(), time.Now()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		m.guarded("the pool was closed", m.pool.Close)
	}()
	m.log.info(telemetry.EventShutdownStarted, "closing the pool", slog.Int("active", int(active)))
	var blocked error
	if m.await(ctx, drained) {
		m.log.info(telemetry.EventShutdownCompleted, "pool is closed", seconds("took", time.Since(started)))
	} else {
		blocked = m.blocked(ctx)
		m.log.warn(telemetry.EventShutdownCompleted, "gave up waiting for held connections",
			slog.Int("held", int(m.pool.Stat().AcquiredConns())), m.heldBy())
	}
	if inside {
		go m.end()
		return blocked
	}
	return errors.Join(blocked, m.closeWithin(ctx))
}

func (m *Monitor) blocked(ctx context.Context) *ShutdownError {
	return &ShutdownError{Holders: m.Holders(), Held: int(m.pool.Stat().AcquiredConns()), Cause: context.Cause(ctx), err: ctx.Err()}
}

// beginDraining has the loop look at once: readiness must not wait for the next tick.
func (m *Monitor) beginDraining() {
	m.draining.Store(true)
	select {
	case m.nudge <- struct{}{}:
	default:
	}
}

// moment is how long after ctx's end something is waited for that is about to end by itself, as a rule at once.
const moment = 100 * time.Millisecond

// await reports progress once a second until the pool is drained or ctx is done, and says whether it was drained. A pool that
// nobody holds anything of is given a moment more: callers often shut down with a context that is done already.
func (m *Monitor) await(ctx context.Context, drained <-chan struct{}) bool {
	progress := time.NewTicker(time.Second)
	defer progress.Stop()
	for {
		select {
		case <-drained:
			return true
		case <-ctx.Done():
			return m.pool.Stat().AcquiredConns() == 0 && within(moment, drained)
		case <-progress.C:
			m.log.info(telemetry.EventShutdownWaiting, m.progress(ctx), m.heldBy())
		}
	}
}

// closeWithin closes the Monitor, but does not wait longer than ctx and a moment for the probe to hang up and
// for the metrics to be exported.
func (m *Monitor) closeWithin(ctx context.Context) error {
	var err error
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		err = m.end()
	}()
	select {
	case <-closed:
		return err
	case <-ctx.Done():
	}
	if within(moment, closed) {
		return err
	}
	return nil // it goes on; what it may have to say is not worth waiting for
}

// within reports whether done is closed before d has passed.
func within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// heldBy is where the connections that are out were taken, as a log attribute.
func (m *Monitor) heldBy() slog.Attr {
	return slog.Any("holders", sentences(inWords(bySite(m.Holders()))))
}

// progress is one line: "waiting for 3 connections, 12s left".
func (m *Monitor) progress(ctx context.Context) string {
	text := "waiting for " + connections(int(m.pool.Stat().AcquiredConns()))
	if deadline, ok := ctx.Deadline(); ok {
		text += fmt.Sprintf(", %v left", time.Until(deadline).Round(time.Second))
	}
	return text
}

func connections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}
