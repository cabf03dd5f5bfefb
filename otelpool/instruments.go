package otelpool

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/tracer"
)

// kind is what an instrument is to OpenTelemetry.
type kind string

const (
	counter       kind = "counter"
	upDownCounter kind = "updowncounter"
	gauge         kind = "gauge"
	histogram     kind = "histogram" // synchronous: fed by the recorder, listed here for the documentation
)

// instrument is one row of the table of metrics: what it is called and how it is read off an observation. The table makes
// the instruments, the callback and docs/metrics.md.
type instrument struct {
	name, unit, description string
	kind                    kind
	float                   bool
	hook                    bool            // needs the hook: left out in stat-only mode
	attributes              []attribute.Key // beyond those on every series
	points                  func(o *observation, point emit)
}

// emit takes one point of an instrument.
type emit func(value float64, attrs ...attribute.KeyValue)

// convention is what package dbconv generates for a metric of the semantic conventions.
type convention interface {
	Name() string
	Unit() string
	Description() string
}

func conv(c convention, k kind, hook bool, points func(*observation, emit), attrs ...attribute.Key) instrument {
	return instrument{
		name: c.Name(), unit: c.Unit(), description: c.Description(), kind: k, hook: hook, attributes: attrs, points: points,
	}
}

var states = [...]healthcheck.State{
	healthcheck.Initializing, healthcheck.StateHealthy, healthcheck.StateDegraded, healthcheck.StateUnhealthy,
	healthcheck.Recovering, healthcheck.ShuttingDown, healthcheck.Terminated,
}

// instruments is every metric there is.
var instruments = append(conventional(), own...)

func conventional() []instrument {
	var connections dbconv.ClientConnectionCountObservable
	return []instrument{
		conv(connections, upDownCounter, false, func(o *observation, point emit) {
			point(float64(o.stat.IdleConns()), connections.AttrClientConnectionState(dbconv.ClientConnectionStateIdle))
			point(float64(o.stat.AcquiredConns()), connections.AttrClientConnectionState(dbconv.ClientConnectionStateUsed))
		}, semconv.DBClientConnectionStateKey),
		conv(dbconv.ClientConnectionIdleMaxObservable{}, upDownCounter, false, func(o *observation, point emit) {
			point(float64(o.stat.MaxConns())) // pgxpool lets every connection idle
		}),
		conv(dbconv.ClientConnectionIdleMinObservable{}, upDownCounter, false, func(o *observation, point emit) {
			point(float64(o.limits.minIdle))
		}),
		conv(dbconv.ClientConnectionMaxObservable{}, upDownCounter, false, func(o *observation, point emit) {
			point(float64(o.stat.MaxConns()))
		}),
		conv(dbconv.ClientConnectionPendingRequestsObservable{}, upDownCounter, true, func(o *observation, point emit) {
			point(float64(o.snap.Counters.Waiting))
		}),
		conv(dbconv.ClientConnectionTimeoutsObservable{}, counter, true, func(o *observation, point emit) {
			point(float64(o.snap.Counters.Counts[counts.TimedOut]))
		}),
		conv(dbconv.ClientConnectionCreateTime{}, histogram, true, nil),
		conv(dbconv.ClientConnectionWaitTime{}, histogram, true, nil, semconv.ErrorTypeKey),
		conv(dbconv.ClientConnectionUseTime{}, histogram, true, nil),
	}
}

var own = []instrument{
	{
		name: "otelpool.acquires", unit: "{request}", kind: counter, hook: true,
		description: "Acquires that ended, by outcome.",
		attributes:  []attribute.Key{telemetry.KeyOutcome},
		points: func(o *observation, point emit) {
			c := &o.snap.Counters
			point(float64(c.Counts[counts.Acquired]), telemetry.KeyOutcome.String("ok"))
			point(float64(c.Counts[counts.TimedOut]), telemetry.KeyOutcome.String("timeout"))
			point(float64(c.Counts[counts.Canceled]), telemetry.KeyOutcome.String("canceled"))
			point(float64(c.Counts[counts.Failed]), telemetry.KeyOutcome.String("error"))
		},
	},
	{
		name: "otelpool.releases", unit: "{request}", kind: counter, hook: true,
		description: "Releases, by the state in which the connection came back: clean, or broken, busy or in a transaction, for which the pool destroys it.",
		attributes:  []attribute.Key{telemetry.KeyOutcome},
		points: func(o *observation, point emit) {
			for i, reason := range tracer.Reasons[:destroyReasons] {
				point(float64(o.snap.Counters.Counts[counts.DestroyedBroken+counts.Name(i)]), telemetry.KeyOutcome.String(string(reason)))
			}
			point(float64(o.rising.clean), telemetry.KeyOutcome.String("clean"))
		},
	},
	{
		name: "otelpool.connections.opened", unit: "{connection}", kind: counter, hook: true,
		description: "Connections established, background ones included.",
		points:      func(o *observation, point emit) { point(float64(o.snap.Counters.Counts[counts.Opened])) },
	},
	{
		name: "otelpool.connections.closed", unit: "{connection}", kind: counter, hook: true,
		description: "Connections that left the pool, by reason. Opened minus closed is the pool's size.",
		attributes:  []attribute.Key{telemetry.KeyReason},
		points: func(o *observation, point emit) {
			for i, reason := range tracer.Reasons {
				point(float64(o.snap.Counters.Counts[counts.ClosedBroken+counts.Name(i)]), telemetry.KeyReason.String(string(reason)))
			}
			point(float64(o.rising.hijacked), telemetry.KeyReason.String("hijacked"))
		},
	},
	{
		name: "otelpool.connect.failures", unit: "{attempt}", kind: counter, hook: true,
		description: "Attempts to connect that failed, background ones and BeforeConnect included; cancelled siblings are not.",
		attributes:  []attribute.Key{semconv.ErrorTypeKey},
		points: func(o *observation, point emit) {
			for kind, n := range o.snap.Faults.ConnectTypes {
				point(float64(n), semconv.ErrorTypeKey.String(kind))
			}
		},
	},
	{
		name: "otelpool.usage", unit: "1", kind: gauge, float: true,
		description: "Share of the pool's connections that are held.",
		points:      func(o *observation, point emit) { point(o.usage()) },
	},
	{
		name: "otelpool.active.peak", unit: "{connection}", kind: gauge, hook: true,
		description: "Most connections held at once since the pool was built.",
		points:      func(o *observation, point emit) { point(float64(o.snap.Counters.MaxHeld)) },
	},
	{
		name: "otelpool.wait.peak", unit: "s", kind: gauge, float: true, hook: true,
		description: "Longest wait for a connection since the pool was built.",
		points:      func(o *observation, point emit) { point(o.snap.Counters.MaxWait.Seconds()) },
	},
	{
		name: "otelpool.holders.oldest_age", unit: "s", kind: gauge, float: true, hook: true,
		description: "Age of the oldest hold; 0 when nobody holds a connection.",
		points: func(o *observation, point emit) {
			if len(o.snap.Holders) > 0 {
				point(o.snap.Holders[0].Age.Seconds())
				return
			}
			point(0)
		},
	},
	{
		name: "otelpool.waiters.oldest_age", unit: "s", kind: gauge, float: true, hook: true,
		description: "Age of the oldest acquire that is still waiting; 0 when nobody waits.",
		points: func(o *observation, point emit) {
			if len(o.snap.Waiters) > 0 {
				point(o.snap.Waiters[0].Age.Seconds())
				return
			}
			point(0)
		},
	},
	{
		name: "otelpool.hold.idle_ratio", unit: "1", kind: gauge, float: true, hook: true,
		description: "Share of the time connections were held in the last minute, by holds under way too, in which the application asked nothing of the server; absent when none were.",
		points: func(o *observation, point emit) {
			if o.busy {
				point(o.idle)
			}
		},
	},
	{
		name: "otelpool.hold.query_time", unit: "s", kind: counter, float: true, hook: true,
		description: "The part of use_time in which a query was under way; for the rest the connection was held idle.",
		points:      func(o *observation, point emit) { point(o.snap.Counters.Counts.Time(counts.QueryTime).Seconds()) },
	},
	{
		name: "otelpool.leaks", unit: "{connection}", kind: counter, hook: true,
		description: "Leaks suspected, by the tier of evidence in which they were reported.",
		attributes:  []attribute.Key{telemetry.KeyTier},
		points: func(o *observation, point emit) {
			for _, tier := range []tracer.LeakEvidence{tracer.EvidenceIdleHeld, tracer.EvidenceOrphaned} {
				point(float64(o.snap.Suspects[tier]), telemetry.KeyTier.String(tier.String()))
			}
		},
	},
	{
		name: "otelpool.leaks.active", unit: "{connection}", kind: upDownCounter, hook: true,
		description: "Connections suspected of being leaked now.",
		points:      func(o *observation, point emit) { point(float64(o.snap.Active)) },
	},
	{
		name: "otelpool.leaks.recovered", unit: "{connection}", kind: counter, hook: true,
		description: "Suspected leaks that came back after all.",
		points:      func(o *observation, point emit) { point(float64(o.snap.Recovered)) },
	},
	{
		name: "otelpool.health.status", unit: "{state}", kind: upDownCounter,
		description: "State of the pool: 1 for the state it is in, 0 for the others.",
		attributes:  []attribute.Key{telemetry.KeyState},
		points: func(o *observation, point emit) {
			for _, state := range states {
				point(one(o.report.State == state), telemetry.KeyState.String(string(state)))
			}
		},
	},
	{
		name: "otelpool.health.level", unit: "{level}", kind: gauge,
		description: "Status of the pool: 0 healthy, 1 degraded, 2 unhealthy, -1 unknown.",
		points:      func(o *observation, point emit) { point(float64(o.report.Status)) },
	},
	{
		name: "otelpool.health.cause", unit: "{cause}", kind: gauge,
		description: "1 for each cause that the last report names, 0 for the others.",
		attributes:  []attribute.Key{telemetry.KeyCause},
		points: func(o *observation, point emit) {
			for _, cause := range healthcheck.Causes {
				point(one(o.report.Names(cause)), telemetry.KeyCause.String(string(cause)))
			}
		},
	},
	{
		name: "otelpool.health.transitions", unit: "{transition}", kind: counter,
		description: "Changes of state.",
		points:      func(o *observation, point emit) { point(float64(o.tally.transitions)) },
	},
	{
		name: "otelpool.outages", unit: "{outage}", kind: counter,
		description: "Times the database was lost: the pool could not connect, or every connection broke.",
		points:      func(o *observation, point emit) { point(float64(o.probe.outages)) },
	},
	{
		name: "otelpool.outage.duration", unit: "s", kind: counter, float: true,
		description: "Time spent in outages, the present one included.",
		points:      func(o *observation, point emit) { point(o.probe.outageTime(o.at).Seconds()) },
	},
	{
		name: "otelpool.reconnects", unit: "{attempt}", kind: counter,
		description: "Attempts of the server probe to connect that failed, and those that brought back a database that was lost or had not answered.",
		attributes:  []attribute.Key{telemetry.KeyOutcome},
		points: func(o *observation, point emit) {
			point(float64(o.probe.succeeded), telemetry.KeyOutcome.String("ok"))
			point(float64(o.probe.failed), telemetry.KeyOutcome.String("error"))
		},
	},
	{
		name: "otelpool.size.recommended", unit: "{connection}", kind: gauge, hook: true,
		description: "Pool size that the traffic asks for; absent while there is too little of it to tell, and where a larger pool would not help.",
		points: func(o *observation, point emit) {
			if o.report.Advice.Known && o.report.Advice.Recommended > 0 {
				point(float64(o.report.Advice.Recommended))
			}
		},
	},
}

// destroyReasons is for how many of tracer.Reasons a release destroys its connection; they come first.
const destroyReasons = 3

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
