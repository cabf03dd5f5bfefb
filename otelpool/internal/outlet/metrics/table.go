package metrics

import (
	"math"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// Kind is what an instrument is to OpenTelemetry.
type Kind string

// The kinds. A histogram is synchronous: the Recorder feeds it, and it is in the table for the documentation.
const (
	Counter       Kind = "counter"
	UpDownCounter Kind = "updowncounter"
	Gauge         Kind = "gauge"
	Histogram     Kind = "histogram"
)

// Instrument is one row of the table of metrics: what it is called and how it is read off a view. The table makes the
// instruments, the callback and docs/metrics.md.
type Instrument struct {
	Name, Unit, Description string
	Kind                    Kind
	Float                   bool
	Hook                    bool          // needs the hook: left out in stat-only mode
	Attribute               attribute.Key // its own, beyond those on every series; "" for none

	value  func(v *view.View) float64    // of an instrument without an own attribute; NaN if there is none
	points func(v *view.View, emit emit) // of one with it
}

// emit takes one point of an instrument: its value, and that of the instrument's own attribute.
type emit func(value float64, of string)

// Table is every metric there is.
var Table = concat(conventional, traffic, connections, leaks, health)

func concat(tables ...[]Instrument) (out []Instrument) {
	for _, t := range tables {
		out = append(out, t...)
	}
	return out
}

// convention is what package dbconv generates for a metric of the semantic conventions.
type convention interface {
	Name() string
	Unit() string
	Description() string
}

func conv(c convention, k Kind, hook bool, value func(v *view.View) float64) Instrument {
	return Instrument{Name: c.Name(), Unit: c.Unit(), Description: c.Description(), Kind: k, Hook: hook, value: value}
}

// with adds the instrument's own attribute.
func (in Instrument) with(key attribute.Key, points func(v *view.View, emit emit)) Instrument {
	in.Attribute, in.points = key, points
	return in
}

var conventional = []Instrument{
	conv(dbconv.ClientConnectionCountObservable{}, UpDownCounter, false, nil).
		with(semconv.DBClientConnectionStateKey, func(v *view.View, emit emit) {
			emit(float64(v.Stat.Idle), string(dbconv.ClientConnectionStateIdle))
			emit(float64(v.Stat.Used), string(dbconv.ClientConnectionStateUsed))
		}),
	conv(dbconv.ClientConnectionIdleMaxObservable{}, UpDownCounter, false, func(v *view.View) float64 {
		return float64(v.Stat.Max) // pgxpool lets every connection idle
	}),
	conv(dbconv.ClientConnectionIdleMinObservable{}, UpDownCounter, false, func(v *view.View) float64 { return float64(v.Limits.MinIdle) }),
	conv(dbconv.ClientConnectionMaxObservable{}, UpDownCounter, false, func(v *view.View) float64 { return float64(v.Stat.Max) }),
	conv(dbconv.ClientConnectionPendingRequestsObservable{}, UpDownCounter, true, func(v *view.View) float64 { return float64(v.Waiting()) }),
	conv(dbconv.ClientConnectionTimeoutsObservable{}, Counter, true, count(counts.TimedOut)),
	conv(dbconv.ClientConnectionCreateTime{}, Histogram, true, nil),
	conv(dbconv.ClientConnectionWaitTime{}, Histogram, true, nil).with(semconv.ErrorTypeKey, nil),
	conv(dbconv.ClientConnectionUseTime{}, Histogram, true, nil),
}

// count reads one count of the hook.
func count(n counts.Name) func(*view.View) float64 {
	return func(v *view.View) float64 { return float64(v.Hook.Counters.Counts[n]) }
}

// countsBy reads one count for each value of an attribute.
func countsBy(values ...countOf) func(*view.View, emit) {
	return func(v *view.View, emit emit) {
		for _, c := range values {
			emit(float64(v.Hook.Counters.Counts[c.name]), c.of)
		}
	}
}

type countOf struct {
	of   string
	name counts.Name
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// absent is the value of a gauge that has none.
var absent = math.NaN()
