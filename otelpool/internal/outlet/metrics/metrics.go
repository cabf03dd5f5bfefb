// Package metrics exports views as OpenTelemetry metrics: everything asynchronous by one callback over a table of
// instruments, and the three duration histograms of the semantic conventions.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/mailbox"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// Config is where an Outlet exports to, and what it exports.
type Config struct {
	Provider   metric.MeterProvider
	Attributes []attribute.KeyValue // of every series
	HasHook    bool
	Read       func() *view.View // the latest view with the counts of now; nil if there is none yet
	Replay     func()            // passes the hook's durations to the Recorder; may be nil
	Guard      *guard.Guard
}

// Outlet feeds the instruments of one pool.
type Outlet struct {
	*mailbox.Mailbox
	Recorder *Recorder

	config       Config
	registration metric.Registration
	observables  []*observable
}

// errPanicked is what became of a collection that a panic cut short.
var errPanicked = errors.New("otelpool: a panic was caught, the log has it")

// New creates every instrument and registers the one callback that feeds the asynchronous ones.
//
// The callback replays the hook's durations first and reads its counts then, so that what has ended is in the histograms and
// the counters of the same collection. It runs once for each reader and collection, so nothing in it may be a difference.
func New(c Config) (*Outlet, error) {
	meter := c.Provider.Meter(telemetry.ScopeName,
		metric.WithInstrumentationVersion(telemetry.Version()), metric.WithSchemaURL(semconv.SchemaURL))
	recorder, err := newRecorder(meter, c.Attributes)
	if err != nil {
		return nil, err
	}
	o := &Outlet{Recorder: recorder, config: c}
	var handles []metric.Observable
	var errs []error
	for i := range Table {
		if Table[i].Kind == Histogram || Table[i].Hook && !c.HasHook {
			continue
		}
		in, err := newObservable(&Table[i], meter, c.Attributes)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		o.observables = append(o.observables, in)
		handles = append(handles, in.handle())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("otelpool: create instruments: %w", err)
	}
	o.registration, err = meter.RegisterCallback(o.collect, handles...)
	if err != nil {
		return nil, fmt.Errorf("otelpool: register callback: %w", err)
	}
	o.Mailbox = mailbox.New("durations were recorded", c.Guard, func(mailbox.Batch) { o.replay() })
	return o, nil
}

// replay is done once a view, and not only when metrics are collected: a minute's durations take a while.
func (o *Outlet) replay() {
	if o.config.Replay != nil {
		o.config.Replay()
	}
}

func (o *Outlet) collect(_ context.Context, to metric.Observer) error {
	if !o.config.Guard.Do("metrics were collected", func() { o.observe(to) }) {
		return errPanicked
	}
	return nil
}

func (o *Outlet) observe(to metric.Observer) {
	o.replay()
	seen := o.config.Read()
	if seen == nil {
		return
	}
	seen.Report = seen.Judgement(time.Now())
	feed := newFeed(to)
	for _, in := range o.observables {
		feed.pass(in, seen)
	}
}

// Unregister ends the callback.
func (o *Outlet) Unregister() error {
	if o.registration == nil {
		return nil // what a provider returned
	}
	if err := o.registration.Unregister(); err != nil {
		return fmt.Errorf("otelpool: unregister callback: %w", err)
	}
	return nil
}
