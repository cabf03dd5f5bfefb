package healthcheck

import "time"

// historySize bounds [Report.History].
const historySize = 64

// Status is the tier that people and machines act on.
type Status int8

const (
	Unknown   Status = iota - 1 // no evidence yet, or the pool was shut down
	Healthy                     // serving, nothing to do
	Degraded                    // serving, but somebody should look
	Unhealthy                   // cannot serve
)

// String returns "unknown", "healthy", "degraded" or "unhealthy".
func (s Status) String() string {
	switch s {
	case Healthy:
		return "healthy"
	case Degraded:
		return "degraded"
	case Unhealthy:
		return "unhealthy"
	default:
		return "unknown"
	}
}

// MarshalText makes a Status its name in JSON.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// State is where a pool is in its life; its [State.Status] is the tier.
type State string

// The states of a pool. The transitions between them are data: see transitions.go.
const (
	Initializing   State = "initializing"
	StateHealthy   State = "healthy"
	StateDegraded  State = "degraded"
	StateUnhealthy State = "unhealthy"
	Recovering     State = "recovering"
	ShuttingDown   State = "shutting_down"
	Terminated     State = "terminated"
)

// Status returns the tier of s. A recovering pool serves and is degraded until it is trusted again; of one that has not
// begun or has been shut down nothing is known.
func (s State) Status() Status {
	switch s {
	case StateHealthy:
		return Healthy
	case StateDegraded, Recovering:
		return Degraded
	case StateUnhealthy:
		return Unhealthy
	default:
		return Unknown
	}
}

func (s State) draining() bool { return s == ShuttingDown || s == Terminated }

// Finding is one thing that is wrong: what, how we know, and what to do.
type Finding struct {
	Cause    Cause    `json:"cause"`
	Summary  string   `json:"summary"`  // one sentence
	Evidence []string `json:"evidence"` // the numbers that decided it
	Advice   string   `json:"advice"`   // the remedy, imperative
	Runbook  string   `json:"runbook"`  // URL of the page about the cause
}

// Report is one judgement. It is immutable: share it freely, change nothing in it. A degraded or unhealthy report carries
// at least one finding, likeliest first; one that is healthy or unknown carries none.
type Report struct {
	Pool     string
	State    State
	Status   Status
	Verdict  Status    // of the newest sample alone; Status follows if the next ones agree, see [Policy]
	Since    time.Time // when this state was entered
	At       time.Time // when this judgement was made
	Findings []Finding
	Notices  []Notice // whatever the status; the most important first, at most one a kind

	StaleSince time.Time // since when the judge is silent, see [Report.AsOf]; zero in what a judge returns

	Outage  bool // the verdict is that the database cannot be reached or refuses us; never true unless Status is Unhealthy
	Flaps   int  // status changes within the last ten minutes, at most 64
	Advice  Sizing
	History []Change // the last transitions, oldest first, at most 64

	Started   bool    // the server was reached at least once; never goes back to false
	Usage     float64 // used / max connections, 0 to 1
	UsageHigh bool    // Usage is at or above [Policy.UsageWarning]: a warning, no verdict
}

// Change is one past transition.
type Change struct {
	At    time.Time `json:"at"`
	From  State     `json:"from"`
	To    State     `json:"to"`
	Cause Cause     `json:"cause,omitempty"`
}

// Sizing is the advice on the pool's size from its own traffic.
type Sizing struct {
	Known       bool          // false: not enough traffic to say
	ArrivalRate float64       // λ, acquire attempts per second
	MeanHold    time.Duration // S
	Offered     float64       // a = λS, the connections busy on average
	Recommended int           // the smallest size whose Erlang-C p99 wait meets the target; 0 when growing would not help
	Why         string        // one sentence
}
