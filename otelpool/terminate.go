package otelpool

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
)

// end closes the Monitor and has its last report say that the pool is gone.
func (m *Monitor) end() error {
	err := m.close(m.terminate)
	m.terminate() // the Monitor may have been closed before the pool was
	return err
}

// terminate makes the last report say that the pool is gone. The loop has ended: nobody else judges.
func (m *Monitor) terminate() {
	m.ending.Do(func() {
		last := *m.last.Load()
		last.report = m.tick.judge.Terminated(time.Now())
		if last.report.State != m.last.Load().report.State {
			last.tally.transitions++
		}
		last.health = m.tick.snapshot(&last)
		m.last.Store(&last)
	})
}

// flushFor bounds the last flush: a collector that is away must not keep a program from ending.
const flushFor = 2 * time.Second

// flush has the MeterProvider collect and export the last observation, if it can: once the callback is unregistered, no
// collection sees it any more. What fails is the provider's to tell.
func (m *Monitor) flush() {
	provider := m.config.meterProvider
	if m.config.globalMeters {
		provider = otel.GetMeterProvider() // the one of the start may have been a stand-in for one not set yet
	}
	flusher, ok := provider.(interface{ ForceFlush(context.Context) error })
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushFor)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.guarded("metrics were flushed", func() { _ = flusher.ForceFlush(ctx) })
	}()
	select {
	case <-done:
	case <-ctx.Done(): // not every provider looks at it
	}
}
