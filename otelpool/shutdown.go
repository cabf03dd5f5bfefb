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
	Cause   error           // the context's
}

// Error names each holder and the place it was taken at.
func (e *ShutdownError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "otelpool: Shutdown: %v: %v: %d connections are still held", ErrShutdown, e.Cause, len(e.Holders))
	for _, h := range e.Holders {
		fmt.Fprintf(&b, "\nbackend %d, held for %v, idle for %v, taken at\n%s",
			h.PID, h.Age.Round(time.Millisecond), h.Idle.Round(time.Millisecond), stackText(h.Stack))
	}
	return b.String()
}

// Unwrap makes the error match ErrShutdown and the context's error.
func (e *ShutdownError) Unwrap() []error { return []error{ErrShutdown, e.Cause} }

// Shutdown closes the pool: new acquires fail at once, readiness ends, and held connections are waited for with progress
// in the log. It returns when the pool is drained, or when ctx is done, whichever comes first; then the error is a
// *[ShutdownError] that names every holder. pgxpool's own Close, which has no way to give up, goes on in the background
// until they release. The Monitor is closed in either case.
func (m *Monitor) Shutdown(ctx context.Context) error {
	m.draining.Store(true)
	select {
	case m.nudge <- struct{}{}: // readiness ends now, not at the next tick
	default:
	}
	m.log.info(telemetry.EventShutdownStarted, "closing the pool", slog.Int("active", int(m.pool.Stat().AcquiredConns())))
	started := time.Now()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		m.pool.Close()
	}()
	cause := m.await(ctx, drained)
	var blocked *ShutdownError
	if cause != nil {
		blocked = &ShutdownError{Holders: m.Holders(), Cause: cause}
		m.log.warn(telemetry.EventShutdownCompleted, "gave up waiting for held connections", slog.Int("held", len(blocked.Holders)))
	} else {
		m.log.info(telemetry.EventShutdownCompleted, "pool is closed", seconds("took", time.Since(started)))
	}
	err := m.Close()
	m.terminate()
	if blocked != nil {
		return errors.Join(blocked, err)
	}
	return err
}

// await reports progress once a second until the pool is drained (nil) or ctx is done (its error).
func (m *Monitor) await(ctx context.Context, drained <-chan struct{}) error {
	progress := time.NewTicker(time.Second)
	defer progress.Stop()
	for {
		select {
		case <-drained:
			return nil
		case <-ctx.Done():
			select {
			case <-drained: // both at once: the work is done
				return nil
			default:
				return context.Cause(ctx)
			}
		case <-progress.C:
			m.log.info(telemetry.EventShutdownWaiting, m.progress(ctx))
		}
	}
}

// progress is one line: "waiting for 3 connections, 12s left".
func (m *Monitor) progress(ctx context.Context) string {
	text := fmt.Sprintf("waiting for %d connections", m.pool.Stat().AcquiredConns())
	if deadline, ok := ctx.Deadline(); ok {
		text += fmt.Sprintf(", %v left", time.Until(deadline).Round(time.Second))
	}
	return text
}
