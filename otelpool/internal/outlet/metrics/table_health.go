package metrics

import (
	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

var leaks = []Instrument{
	{
		Name: "otelpool.leaks", Unit: "{connection}", Kind: Counter, Hook: true,
		Description: "Leaks suspected, by the evidence with which they were reported.",
		Attribute:   telemetry.KeyEvidence,
		points: func(v *view.View, emit emit) {
			for _, e := range [...]tracer.LeakEvidence{tracer.EvidenceIdleHeld, tracer.EvidenceOrphaned} {
				emit(float64(v.Hook.Suspects[e]), e.String())
			}
		},
	},
	{
		Name: "otelpool.leaks.active", Unit: "{connection}", Kind: UpDownCounter, Hook: true,
		Description: "Connections suspected of being leaked now.",
		value:       func(v *view.View) float64 { return float64(v.Hook.Active) },
	},
	{
		Name: "otelpool.leaks.recovered", Unit: "{connection}", Kind: Counter, Hook: true,
		Description: "Suspected leaks that came back after all.",
		value:       func(v *view.View) float64 { return float64(v.Hook.Recovered) },
	},
}

// states are every state. While the last judgement is too old to be believed, the pool is in none of them.
var states = [...]healthcheck.State{
	healthcheck.Initializing, healthcheck.StateHealthy, healthcheck.StateDegraded, healthcheck.StateUnhealthy,
	healthcheck.Recovering, healthcheck.ShuttingDown, healthcheck.Terminated,
}

var health = []Instrument{
	{
		Name: "otelpool.health.status", Unit: "{state}", Kind: UpDownCounter,
		Description: "State of the pool: 1 for the state it is in, 0 for the others; 0 for all while the last judgement is older than three intervals.",
		Attribute:   telemetry.KeyState,
		points: func(v *view.View, emit emit) {
			for _, state := range states {
				emit(one(v.Report.State == state), string(state))
			}
		},
	},
	{
		Name: "otelpool.health.level", Unit: "{level}", Kind: Gauge,
		Description: "Status of the pool: 0 healthy, 1 degraded, 2 unhealthy, -1 unknown, as where the last judgement is older than three intervals.",
		value:       func(v *view.View) float64 { return float64(v.Report.Status) },
	},
	{
		Name: "otelpool.health.cause", Unit: "{cause}", Kind: Gauge,
		Description: "1 for each cause that the last report names, 0 for the others.",
		Attribute:   telemetry.KeyCause,
		points: func(v *view.View, emit emit) {
			for _, cause := range healthcheck.Causes {
				emit(one(v.Report.Names(cause)), string(cause))
			}
		},
	},
	{
		Name: "otelpool.health.notice", Unit: "{notice}", Kind: Gauge,
		Description: "1 for each notice that the last report carries, 0 for the others.",
		Attribute:   telemetry.KeyNotice,
		points: func(v *view.View, emit emit) {
			for _, kind := range healthcheck.NoticeKinds {
				emit(one(v.Report.HasNotice(kind)), string(kind))
			}
		},
	},
	{
		Name: "otelpool.notices", Unit: "{notice}", Kind: Counter,
		Description: "Notices raised, by kind. One that stays is counted once.",
		Attribute:   telemetry.KeyNotice,
		points: func(v *view.View, emit emit) {
			for _, kind := range healthcheck.NoticeKinds {
				emit(float64(v.Notices[kind]), string(kind))
			}
		},
	},
	{
		Name: "otelpool.health.transitions", Unit: "{transition}", Kind: Counter,
		Description: "Changes of state.",
		value:       func(v *view.View) float64 { return float64(v.Transitions) },
	},
	{
		Name: "otelpool.outages", Unit: "{outage}", Kind: Counter,
		Description: "Times the database was lost: the pool could not connect, or every connection broke.",
		value:       func(v *view.View) float64 { return float64(v.Outages.Count) },
	},
	{
		Name: "otelpool.outage.duration", Unit: "s", Kind: Counter, Float: true,
		Description: "Time spent in outages, the present one included.",
		value:       func(v *view.View) float64 { return v.Outages.Duration(v.ReadAt).Seconds() },
	},
	{
		Name: "otelpool.reconnects", Unit: "{attempt}", Kind: Counter,
		Description: "Attempts of the server probe to connect that failed, and those that brought back a database that was lost or had not answered.",
		Attribute:   telemetry.KeyOutcome,
		points: func(v *view.View, emit emit) {
			emit(float64(v.Probe.Succeeded), "ok")
			emit(float64(v.Probe.Failed), "error")
		},
	},
	{
		Name: "otelpool.size.recommended", Unit: "{connection}", Kind: Gauge, Hook: true,
		Description: "Pool size that the traffic asks for; absent while there is too little of it to tell, and where a larger pool would not help.",
		value: func(v *view.View) float64 {
			if a := v.Report.Advice; a.Known && a.Recommended > 0 {
				return float64(a.Recommended)
			}
			return absent
		},
	},
}
