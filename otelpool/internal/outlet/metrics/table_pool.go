package metrics

import (
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

var traffic = []Instrument{
	{
		Name: "otelpool.acquires", Unit: "{request}", Kind: Counter, Hook: true,
		Description: "Acquires that ended, by outcome.",
		Attribute:   telemetry.KeyOutcome,
		points: countsBy(countOf{"ok", counts.Acquired}, countOf{"timeout", counts.TimedOut},
			countOf{"canceled", counts.Canceled}, countOf{"error", counts.Failed}),
	},
	{
		Name: "otelpool.acquires.empty", Unit: "{request}", Kind: Counter,
		Description: "Acquires that found no idle connection: they waited for one or connected.",
		value:       func(v *view.View) float64 { return float64(v.Stat.EmptyAcquires) },
	},
	{
		Name: "otelpool.usage", Unit: "1", Kind: Gauge, Float: true,
		Description: "Share of the pool's connections that are in use.",
		value:       func(v *view.View) float64 { return v.Stat.Usage() },
	},
	{
		Name: "otelpool.active.peak", Unit: "{connection}", Kind: Gauge, Hook: true,
		Description: "Most connections in use at once since the pool was built.",
		value:       func(v *view.View) float64 { return float64(v.Hook.Counters.MaxHeld) },
	},
	{
		Name: "otelpool.wait.peak", Unit: "s", Kind: Gauge, Float: true, Hook: true,
		Description: "Longest wait for a connection since the pool was built.",
		value:       func(v *view.View) float64 { return v.Hook.Counters.MaxWait.Seconds() },
	},
	{
		Name: "otelpool.holders.oldest_age", Unit: "s", Kind: Gauge, Float: true, Hook: true,
		Description: "Age of the oldest hold; 0 when nobody holds a connection.",
		value: func(v *view.View) float64 {
			if len(v.Hook.Holders) == 0 {
				return 0
			}
			return v.Hook.Holders[0].Age.Seconds()
		},
	},
	{
		Name: "otelpool.waiters.oldest_age", Unit: "s", Kind: Gauge, Float: true, Hook: true,
		Description: "Age of the oldest acquire that is still waiting; 0 when nobody waits.",
		value: func(v *view.View) float64 {
			if len(v.Hook.Waiters) == 0 {
				return 0
			}
			return v.Hook.Waiters[0].Age.Seconds()
		},
	},
	{
		Name: "otelpool.hold.idle_ratio", Unit: "1", Kind: Gauge, Float: true, Hook: true,
		Description: "Share of the time connections were held in the last minute, by holds under way too, in which the application asked nothing of the server; absent when none were.",
		value: func(v *view.View) float64 {
			if !v.IdleRatioKnown {
				return absent
			}
			return v.IdleRatio
		},
	},
	{
		Name: "otelpool.hold.query_time", Unit: "s", Kind: Counter, Float: true, Hook: true,
		Description: "The part of use_time in which a query was under way; for the rest the connection was held idle.",
		value:       func(v *view.View) float64 { return v.Hook.Counters.Counts.Time(counts.QueryTime).Seconds() },
	},
}

var connections = []Instrument{
	{
		Name: "otelpool.releases", Unit: "{request}", Kind: Counter, Hook: true,
		Description: "Releases, by the state in which the connection came back: clean, or broken, busy, in a transaction or canceled, for which the pool destroys it.",
		Attribute:   telemetry.KeyOutcome,
		points: countsBy(countOf{"clean", counts.ReleasedClean}, countOf{"broken", counts.DestroyedBroken},
			countOf{"busy", counts.DestroyedBusy}, countOf{"in_transaction", counts.DestroyedInTransaction},
			countOf{"canceled", counts.DestroyedCanceled}),
	},
	{
		Name: "otelpool.connections.opened", Unit: "{connection}", Kind: Counter, Hook: true,
		Description: "Connections established, background ones included.",
		value:       count(counts.Opened),
	},
	{
		Name: "otelpool.connections.closed", Unit: "{connection}", Kind: Counter, Hook: true,
		Description: "Connections that left the pool, by reason. Opened minus closed is the pool's size.",
		Attribute:   telemetry.KeyReason,
		points: func(v *view.View, emit emit) {
			for i, reason := range tracer.Reasons {
				emit(float64(v.Hook.Counters.Counts[counts.ClosedBroken+counts.Name(i)]), string(reason))
			}
			emit(float64(v.Hook.Counters.Counts[counts.Hijacked]), "hijacked")
		},
	},
	{
		Name: "otelpool.connect.failures", Unit: "{attempt}", Kind: Counter, Hook: true,
		Description: "Attempts to connect that failed, background ones and BeforeConnect included; cancelled siblings are not.",
		Attribute:   semconv.ErrorTypeKey,
		points: func(v *view.View, emit emit) {
			for kind, n := range v.Hook.Faults.ConnectTypes {
				emit(float64(n), kind)
			}
		},
	},
}
