package otelpool

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// metrics is everything asynchronous: one callback over a table of instruments, fed by the latest observation.
type metrics struct {
	registration metric.Registration
}

// observable is one instrument of the table, created.
type observable struct {
	*instrument
	i metric.Int64Observable   // one of the two is nil
	f metric.Float64Observable // the other
}

// registerMetrics creates every asynchronous instrument and registers the one callback that feeds them. The callback
// flushes the hook first, so that what has ended is in the histograms of the same collection; apart from that it only
// reads. It runs once for each reader and collection, so nothing in it may be a difference.
func registerMetrics(m *Monitor, conn *pgx.ConnConfig) (*metrics, error) {
	meter := newMeter(m.config.meterProvider)
	var observables []observable
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
		observables = append(observables, o)
		handles = append(handles, o.handle())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("otelpool: create instruments: %w", err)
	}
	common := commonAttributes(m.name, conn)
	registration, err := meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		if !m.guarded("metrics were collected", func() { m.collect(to, observables, common) }) {
			return errPanicked
		}
		return nil
	}, handles...)
	if err != nil {
		return nil, fmt.Errorf("otelpool: register callback: %w", err)
	}
	return &metrics{registration}, nil
}

// collect passes on the latest observation; there is none yet while Instrument is at work.
func (m *Monitor) collect(to metric.Observer, observables []observable, common []attribute.KeyValue) {
	seen := m.last.Load()
	if seen == nil {
		return
	}
	if m.tracer != nil {
		m.tracer.Flush()
	}
	for _, o := range observables {
		o.feed(to, seen, common)
	}
}

func (m *metrics) unregister() error {
	if m.registration == nil {
		return nil // what a provider returned
	}
	if err := m.registration.Unregister(); err != nil {
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
