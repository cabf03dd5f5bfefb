package healthcheck

import "time"

// DefaultStaleAfter is how old a report may be before its status is called unknown.
const DefaultStaleAfter = 30 * time.Second

// Snapshot is what the endpoints show of one pool: its report and the figures beside it. It is immutable.
type Snapshot struct {
	Report *Report

	Total, Idle, Active, Waiting, Max int

	Latency     time.Duration // of the last connect that succeeded, whatever failed since; 0 if none did
	LatencyAt   time.Time     // when that connect ended; zero if it is not known
	LastError   string        // text without secrets; empty if there was none
	LastErrorAt time.Time
	StartedAt   time.Time // when the pool was instrumented: uptime counts from here

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

// Status returns the tier at now. A report older than stale comes from a judge that has stopped and says nothing any more; 0 is
// [DefaultStaleAfter] or three intervals, whichever is longer, a negative value believes reports of any age.
func (s *Snapshot) Status(now time.Time, stale time.Duration) Status {
	if !s.staleSince(now, stale).IsZero() {
		return Unknown
	}
	return s.Report.Status
}

// staleSince is since when a tier of the report is not believed any more, or zero if it is, or says nothing anyway.
func (s *Snapshot) staleSince(now time.Time, stale time.Duration) time.Time {
	if stale == 0 {
		stale = max(DefaultStaleAfter, 3*s.Interval)
	}
	end := s.Report.At.Add(stale)
	if stale < 0 || s.Report.At.IsZero() || s.Report.Status == Unknown || !now.After(end) {
		return time.Time{}
	}
	return end
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
