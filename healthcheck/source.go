package healthcheck

import "time"

// DefaultErrorWindow is how long a snapshot tells of an error.
const DefaultErrorWindow = time.Minute

// Snapshot is what the endpoints show of one pool: its report and the figures beside it. It is immutable.
type Snapshot struct {
	Report *Report

	Total, Idle, Used, Waiting, Max int

	Latency   time.Duration // of the last connect that succeeded, whatever failed since; 0 if none did
	LatencyAt time.Time     // when that connect ended; zero if it is not known
	StartedAt time.Time     // when the pool was instrumented: uptime counts from here

	// The last error, until it is older than ErrorWindow: see [Snapshot.RecentError].
	LastError   string        // text without secrets; empty if there was none
	LastErrorAt time.Time     // zero if it is not known
	ErrorWindow time.Duration // 0 is [DefaultErrorWindow]

	Interval time.Duration // between judgements; 0 if that is not known
}

// Source returns the current snapshot of one pool. Handlers call it once a request, from many goroutines: it should be no
// more than the load of an atomic pointer. It may return nil as long as there is nothing to tell.
type Source func() *Snapshot

// Load reads s. A source that is nil or has nothing to tell is an initializing pool without a name; the result is never nil,
// nor is its Report.
func (s Source) Load() *Snapshot {
	if s == nil {
		return &noSnapshot
	}
	if snap := s(); snap != nil && snap.Report != nil {
		return snap
	}
	return &noSnapshot
}

var noSnapshot = Snapshot{Report: &Report{State: Initializing, Status: Unknown}}

// Draining says that the pool is closing or closed.
func (s *Snapshot) Draining() bool { return s.Report.State.draining() }

// RecentError returns the last error and when it happened, or nothing if that is longer ago than ErrorWindow.
func (s *Snapshot) RecentError(now time.Time) (text string, at time.Time) {
	window := s.ErrorWindow
	if window <= 0 {
		window = DefaultErrorWindow
	}
	if !s.LastErrorAt.IsZero() && now.Sub(s.LastErrorAt) > window {
		return "", time.Time{}
	}
	return s.LastError, s.LastErrorAt
}

// severity orders tiers for aggregation: not to know is worse than to be healthy, and better than to be degraded.
func severity(s Status) int {
	switch s {
	case Healthy:
		return 0
	case Degraded:
		return 2
	case Unhealthy:
		return 3
	default:
		return 1
	}
}

// Worst returns the worse of two tiers: healthy, unknown, degraded, unhealthy.
func Worst(a, b Status) Status {
	if severity(b) > severity(a) {
		return b
	}
	return a
}
