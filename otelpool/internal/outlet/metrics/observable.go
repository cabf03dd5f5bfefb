package metrics

import (
	"math"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelpool/pgx/otelpool/internal/view"
)

// observable is one asynchronous instrument of the table, created. Making an attribute set costs more than all the rest of a
// collection, so each is made once.
type observable struct {
	*Instrument
	i metric.Int64Observable   // one of the two is nil
	f metric.Float64Observable // the other

	common []attribute.KeyValue
	mu     sync.RWMutex                      // guards sets: each reader has a goroutine of its own
	sets   map[string][]metric.ObserveOption // by the value of the instrument's own attribute
}

// newObservable makes the instrument. Its unit and description come from the table.
func newObservable(in *Instrument, meter metric.Meter, common []attribute.KeyValue) (o *observable, err error) {
	o = &observable{Instrument: in, common: common, sets: make(map[string][]metric.ObserveOption)}
	unit, description := metric.WithUnit(in.Unit), metric.WithDescription(in.Description)
	switch {
	case in.Kind == Counter && in.Float:
		o.f, err = meter.Float64ObservableCounter(in.Name, unit, description)
	case in.Kind == Counter:
		o.i, err = meter.Int64ObservableCounter(in.Name, unit, description)
	case in.Kind == UpDownCounter:
		o.i, err = meter.Int64ObservableUpDownCounter(in.Name, unit, description)
	case in.Float:
		o.f, err = meter.Float64ObservableGauge(in.Name, unit, description)
	default:
		o.i, err = meter.Int64ObservableGauge(in.Name, unit, description)
	}
	return o, err
}

func (o *observable) handle() metric.Observable {
	if o.f != nil {
		return o.f
	}
	return o.i
}

// feed passes the points of instruments on to one collection. Tables emit to it by a function that is made once a collection.
type feed struct {
	to   metric.Observer
	of   *observable // whose turn it is
	emit emit        // passes one point of it on
}

func newFeed(to metric.Observer) *feed {
	f := &feed{to: to}
	f.emit = f.point
	return f
}

// pass passes each point of the instrument on.
func (f *feed) pass(o *observable, seen *view.View) {
	f.of = o
	if o.value != nil {
		f.point(o.value(seen), "")
		return
	}
	o.points(seen, f.emit)
}

// point passes one value on. NaN says that there is none.
func (f *feed) point(value float64, of string) {
	o := f.of
	switch {
	case math.IsNaN(value):
	case o.f != nil:
		f.to.ObserveFloat64(o.f, value, o.options(of)...)
	default:
		f.to.ObserveInt64(o.i, int64(value), o.options(of)...)
	}
}

// options are the common attributes and the instrument's own, of is its value.
func (o *observable) options(of string) []metric.ObserveOption {
	o.mu.RLock()
	options, known := o.sets[of]
	o.mu.RUnlock()
	if known {
		return options
	}
	attrs := slices.Clone(o.common) // NewSet sorts what it is given
	if o.Attribute != "" {
		attrs = append(attrs, o.Attribute.String(of))
	}
	options = []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sets[of] = options
	return options
}
