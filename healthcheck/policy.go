package healthcheck

import "time"

// Rules names the set of rules by which a [Policy] finds the tier.
type Rules string

// The sets of rules. Under each of them a pool that cannot connect and has nothing left to serve with is unhealthy.
const (
	// RulesEvidence asks whether callers are served: a busy pool is not a broken one.
	RulesEvidence Rules = "evidence"
	// RulesIdleRatio asks how many of the open connections are idle.
	RulesIdleRatio Rules = "idle_ratio"
	// RulesUsage asks how much of the pool's maximum is in use.
	RulesUsage Rules = "usage"
)

// Policy says what is well, degraded and unhealthy. It is a value: take one from [Evidence], [IdleRatio] or [Usage] and
// change its fields. The zero Policy has no rules and is refused. Ratios are from 0 to 1.
type Policy struct {
	Rules Rules

	// Of RulesIdleRatio, idle / total: at least IdleHealthy is healthy, at least IdleDegraded degraded, less unhealthy.
	IdleHealthy  float64 // default 0.80
	IdleDegraded float64 // default 0.50

	// Of used / max. UsageWarning only raises [Report.UsageHigh]. RulesEvidence degrades at UsageDegraded if somebody has
	// waited longer than WaitTarget (default 0.75 and 0.90); RulesUsage degrades at UsageDegraded and is unhealthy at
	// UsageUnhealthy, whoever waits (default 0.75 and 0.90, warning at 0.80).
	UsageWarning   float64
	UsageDegraded  float64
	UsageUnhealthy float64

	WaitTarget    time.Duration // a wait this short is good; the goal of the sizing advice. Default 10 ms
	PeakWait      time.Duration // one wait above it is bad. Default 100 ms
	QueueInterval time.Duration // a queue stands if every acquire waited longer than WaitTarget for this long. Default 1 s
	StuckAfter    time.Duration // full, waiters and no release for this long is unhealthy. Default 10 s
	ErrorWindow   time.Duration // how long an error counts. Default 60 s
	SlowQuery     time.Duration // query time of a hold that is slow whatever it was before. Default 500 ms
	LateAfter     time.Duration // a sample this late says that the process was starved. Default 500 ms

	WorsenAfter      int           // samples in a row that make a status worse. Default 2
	ImproveAfter     int           // samples in a row that make it better. Default 3
	MinStateDuration time.Duration // the least time before it gets better. Default 5 s

	// RecoveryGrace is how long after the server was reached again the errors of the outage still count. Default 5 s.
	RecoveryGrace time.Duration

	// Of RulesEvidence: once everybody has been served within WaitTarget for this long, failed acquires from before count no
	// longer. A pool that nobody uses proves nothing: there they count for ErrorWindow. Default 10 s.
	ProofOfService time.Duration
}

// common are the thresholds that all policies share.
func common(r Rules) Policy {
	return Policy{
		Rules:            r,
		IdleHealthy:      0.80,
		IdleDegraded:     0.50,
		UsageWarning:     0.75,
		UsageDegraded:    0.90,
		UsageUnhealthy:   1,
		WaitTarget:       10 * time.Millisecond,
		PeakWait:         100 * time.Millisecond,
		QueueInterval:    time.Second,
		StuckAfter:       10 * time.Second,
		ErrorWindow:      time.Minute,
		SlowQuery:        500 * time.Millisecond,
		LateAfter:        500 * time.Millisecond,
		WorsenAfter:      2,
		ImproveAfter:     3,
		MinStateDuration: 5 * time.Second,
		RecoveryGrace:    5 * time.Second,
		ProofOfService:   10 * time.Second,
	}
}

// Evidence is the default policy. A pool that cannot serve is unhealthy: the database is unreachable or refuses us, or
// the pool is stuck. One that serves badly is degraded: a standing queue, leaks, errors, long waits. Saturation alone is
// neither.
func Evidence() Policy { return common(RulesEvidence) }

// IdleRatio judges by the share of open connections that are idle: 80 % healthy, 50 % degraded, less unhealthy, and no
// connection at all unhealthy. An error within 60 s or a wait above 100 ms degrades.
func IdleRatio() Policy { return common(RulesIdleRatio) }

// Usage judges by the share of the maximum that is in use: 75 % degraded, 90 % unhealthy, a warning at 80 %.
func Usage() Policy {
	p := common(RulesUsage)
	p.UsageWarning, p.UsageDegraded, p.UsageUnhealthy = 0.80, 0.75, 0.90
	return p
}
