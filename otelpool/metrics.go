package otelpool

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// metrics is everything asynchronous: one callback over a table of instruments, fed by the latest observation and the hook's
// counters.
type metrics struct {
	registration metric.Registration
	observables  []observable
	common       []attribute.KeyValue

	mu     sync.Mutex // guards rising: each reader has a goroutine of its own
	rising rising
}

// observable is one instrument of the table, created.
type observable struct {
	*instrument
	i metric.Int64Observable   // one of the two is nil
	f metric.Float64Observable // the other
}

// registerMetrics creates every asynchronous instrument and registers the one callback that feeds them. The callback
// flushes the hook first and reads its counters then, so that what has ended is in the histograms and the counters of the same
// collection; apart from that it only reads the latest observation. It runs once for each reader and collection, so nothing in
// it may be a difference.
func registerMetrics(m *Monitor, conn *pgx.ConnConfig) (*metrics, error) {
	meter := newMeter(m.config.meterProvider)
	out := &metrics{common: commonAttributes(m.name, conn)}
	var handles []metric.Observable
	var errs []error
	for i := range instruments {
		if instruments[i].kind == histogram || instruments[i].hook && m.tracer == nil {
			continue
		}
		o, err := instruments[i].create(meter)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out.observables = append(out.observables, o)
		handles = append(handles, o.handle())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("otelpool: create instruments: %w", err)
	}
	var err error
	out.registration, err = meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		if !m.guarded("metrics were collected", func() { out.collect(m, to) }) {
			return errPanicked
		}
		return nil
	}, handles...)
	if err != nil {
		return nil, fmt.Errorf("otelpool: register callback: %w", err)
	}
	return out, nil
}

// collect passes on the latest observation, with the hook's counters as of now; there is none yet while Instrument is at work.
func (x *metrics) collect(m *Monitor, to metric.Observer) {
	last := m.last.Load()
	if last == nil {
		return
	}
	seen := *last
	if m.tracer != nil {
		m.tracer.Flush()
		x.mu.Lock()
		seen.snap.Counters = m.tracer.Counters()
		x.rising = x.rising.next(&seen.snap.Counters)
		seen.rising = x.rising
		x.mu.Unlock()
	}
	for _, o := range x.observables {
		o.feed(to, &seen, x.common)
	}
}

func (x *metrics) unregister() error {
	if x.registration == nil {
		return nil // what a provider returned
	}
	if err := x.registration.Unregister(); err != nil {
		return fmt.Errorf("otelpool: unregister callback: %w", err)
	}
	return nil
}

// commonAttributes are on every asynchronous series: the pool, and the configured target it leads to.
func commonAttributes(name string, conn *pgx.ConnConfig) []attribute.KeyValue {
	attrs := []attribute.KeyValue{semconv.DBClientConnectionPoolName(name), semconv.DBSystemNamePostgreSQL}
	if database := plausible(&conn.Config, conn.Database); database != "" {
		attrs = append(attrs, semconv.DBNamespace(database))
	}
	servers := plausible(&conn.Config, targets(conn))
	if servers == "" {
		return attrs
	}
	attrs = append(attrs, semconv.ServerAddress(servers))
	if conn.Port != 0 && conn.Port != 5432 {
		attrs = append(attrs, semconv.ServerPort(int(conn.Port)))
	}
	return attrs
}

// targets names the configured servers: the host, or all of them where there are fallbacks.
func targets(conn *pgx.ConnConfig) string {
	names, last := conn.Host, conn.Host
	for _, f := range conn.Fallbacks {
		if f.Host != "" && f.Host != last {
			names, last = names+","+f.Host, f.Host
		}
	}
	return names
}

// create makes the instrument. Its unit and description come from the table.
func (in *instrument) create(meter metric.Meter) (o observable, err error) {
	o.instrument = in
	unit, description := metric.WithUnit(in.unit), metric.WithDescription(in.description)
	switch {
	case in.kind == counter && in.float:
		o.f, err = meter.Float64ObservableCounter(in.name, unit, description)
	case in.kind == counter:
		o.i, err = meter.Int64ObservableCounter(in.name, unit, description)
	case in.kind == upDownCounter:
		o.i, err = meter.Int64ObservableUpDownCounter(in.name, unit, description)
	case in.float:
		o.f, err = meter.Float64ObservableGauge(in.name, unit, description)
	default:
		o.i, err = meter.Int64ObservableGauge(in.name, unit, description)
	}
	return o, err
}

func (o observable) handle() metric.Observable {
	if o.f != nil {
		return o.f
	}
	return o.i
}

// feed passes each point of the instrument on, with the common attributes added.
func (o observable) feed(to metric.Observer, seen *observation, common []attribute.KeyValue) {
	o.points(seen, func(value float64, attrs ...attribute.KeyValue) {
		set := metric.WithAttributeSet(attribute.NewSet(append(attrs, common...)...))
		if o.f != nil {
			to.ObserveFloat64(o.f, value, set)
			return
		}
		to.ObserveInt64(o.i, int64(value), set)
	})
}
