package otelpool

import (
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/tracer"
)

// What options add up to, without what cannot be compared.
type Settings struct {
	PoolName                      string
	LeakThreshold, HealthInterval time.Duration
	Policy                        healthcheck.Policy
	StackDepth                    int
	ServerProbe, SQLText          bool
}

func Resolved(t testing.TB, opts ...Option) Settings {
	t.Helper()
	c, err := newConfig(nil, opts)
	if err != nil {
		t.Fatal(err)
	}
	return Settings{c.poolName, c.leakThreshold, c.healthInterval, c.policy, c.stackDepth, c.serverProbe, c.sqlText}
}

func WantsQuerySpans(t testing.TB, opts ...Option) bool {
	t.Helper()
	c, err := newConfig(nil, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c.querySpans != nil
}

// Instrument is one row of the table of metrics.
type InstrumentRow struct {
	Name, Unit, Description, Kind string
	Float, Hook                   bool
	Attributes                    []attribute.Key
}

func Instruments() []InstrumentRow {
	var rows []InstrumentRow
	for _, in := range instruments {
		rows = append(rows, InstrumentRow{in.name, in.unit, in.description, string(in.kind), in.float, in.hook, in.attributes})
	}
	return rows
}

var (
	DerivedName      = derivedName
	CommonAttributes = commonAttributes
)

// Teller is a log that is told the events of one tick, and of the end.
func Teller(logger *slog.Logger) (tell func(at time.Time, events []tracer.Event), end func()) {
	l := newEventLog(logger, "told")
	return func(at time.Time, events []tracer.Event) {
		l.tellEvents(&observation{at: at, snap: tracer.Snapshot{Events: events}})
	}, l.tellSuppressed
}

// Rising puts counters through what the callback sees of them, and returns the clean releases and the hijacked connections.
func Rising(counters ...tracer.Counters) (clean, hijacked []int64) {
	var r rising
	for i := range counters {
		r = r.next(&counters[i])
		clean, hijacked = append(clean, r.clean), append(hijacked, r.hijacked)
	}
	return clean, hijacked
}
