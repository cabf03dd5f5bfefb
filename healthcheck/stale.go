package healthcheck

import "time"

// DefaultStaleAfter is how old a report may be where the interval of its judge is not known.
const DefaultStaleAfter = 30 * time.Second

const (
	// staleIntervals is how many intervals a report may be old: by then two more should have been made.
	staleIntervals = 3
	// minStale keeps a busy scheduler from making reports stale that come every few milliseconds.
	minStale = time.Second
)

// StaleAt says whether r is too old at now to be believed: its judge, which should make a report each interval, has stopped.
// That is so after three intervals, but not before a second, or after [DefaultStaleAfter] where the interval is not known (0).
func (r *Report) StaleAt(now time.Time, interval time.Duration) bool {
	return !r.staleSince(now, maxAge(interval)).IsZero()
}

// AsOf returns r as it reads at now: r itself, or if it is stale by then, a copy that gives no verdict. Its Status is
// [Unknown], State, Since, Findings and Notices are empty, and StaleSince is set; what it says of the past stays.
func (r *Report) AsOf(now time.Time, interval time.Duration) *Report {
	return r.asOf(now, maxAge(interval))
}

// AsOf returns the report of s as it reads at now, see [Report.AsOf]. It is stale after staleAfter, or by default (0) after
// three intervals; a negative value believes reports of any age.
func (s *Snapshot) AsOf(now time.Time, staleAfter time.Duration) *Report {
	if staleAfter == 0 {
		staleAfter = maxAge(s.Interval)
	}
	return s.Report.asOf(now, staleAfter)
}

func maxAge(interval time.Duration) time.Duration {
	if interval <= 0 {
		return DefaultStaleAfter
	}
	return max(staleIntervals*interval, minStale)
}

func (r *Report) asOf(now time.Time, maxAge time.Duration) *Report {
	since := r.staleSince(now, maxAge)
	if since.IsZero() {
		return r
	}
	stale := *r
	stale.State, stale.Status, stale.Verdict, stale.Since = "", Unknown, Unknown, time.Time{}
	stale.Findings, stale.Notices, stale.Outage, stale.StaleSince = nil, nil, false, since
	return &stale
}

// staleSince is since when r is not believed any more, or zero if it is, or says nothing anyway.
func (r *Report) staleSince(now time.Time, maxAge time.Duration) time.Time {
	end := r.At.Add(maxAge)
	if maxAge < 0 || r.At.IsZero() || r.Status == Unknown || !now.After(end) {
		return time.Time{}
	}
	return end
}
