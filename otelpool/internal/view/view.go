// Package view is what one look at a pool saw and concluded. The sampler makes views, every outlet reads them, and nobody
// changes one.
package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/tracer"
)

// View is one sample with its judgement. It is immutable, and everything that it points to is too.
type View struct {
	Pool      string        // its name in telemetry
	At        time.Time     // of the look and the judgement
	ReadAt    time.Time     // of Stat and of the hook's counters: At, or later
	StartedAt time.Time     // when the pool was instrumented
	Interval  time.Duration // between views

	Stat   Stat
	Limits Limits

	HasHook bool            // without a hook Hook is zero
	Hook    tracer.Snapshot // its Events are among Events

	Probe   Probe
	Outages Outages

	Report      *healthcheck.Report
	Health      *healthcheck.Snapshot // the report with the figures beside it, for health endpoints
	Transitions int64                 // changes of state so far

	Notices map[healthcheck.NoticeKind]int64 // episodes so far; a kind that was never raised is absent

	IdleRatio      float64       // share of the held time of the last minute without a query
	IdleRatioKnown bool          // false while nothing was held
	MeanWait       time.Duration // of the acquires that ended in the last minute, failed ones included

	History []Point // oldest first, bounded
	Events  []Event // since the view before
}

// Stat is what pgxpool.Pool.Stat said.
type Stat struct {
	Total, Idle, Used, Constructing, Max int

	Acquires      int64 // that got a connection
	EmptyAcquires int64 // of these, the ones that found no idle connection: they waited or connected
	Canceled      int64
	NewConns      int64 // attempts to connect
	AcquireTime   time.Duration
}

// Limits are the pool's lower bounds. They never change.
type Limits struct{ MinConns, MinIdle int }

// Usage is the share of the pool's connections that are in use, from 0 to 1.
func (s *Stat) Usage() float64 {
	if s.Max <= 0 {
		return 0
	}
	return float64(s.Used) / float64(s.Max)
}

// Point is what a history keeps of a view.
type Point struct {
	At                         time.Time
	Total, Idle, Used, Waiting int
	PeakWait                   time.Duration // longest wait that ended since the point before
	Status                     healthcheck.Status
}

// Waiting is how many acquires have not ended.
func (v *View) Waiting() int { return int(v.Hook.Counters.Waiting) }

// Judgement is the report as it is to be believed at now: unknown once it is older than three intervals.
func (v *View) Judgement(now time.Time) *healthcheck.Report { return v.Report.AsOf(now, v.Interval) }

// LastError is the latest failure of an acquire or a connect, or the loss of a connection. Without a hook, which alone sees
// these, it is the probe's.
func (v *View) LastError() (text string, at time.Time) {
	if !v.HasHook {
		return v.Probe.Error, v.Probe.ErrorAt
	}
	f := &v.Hook.Faults
	text, at = f.Acquire.Text, f.Acquire.At
	if f.Connect.At.After(at) {
		text, at = f.Connect.Text, f.Connect.At
	}
	if f.Lost.At.After(at) {
		text, at = "a connection was lost: "+f.Lost.Type, f.Lost.At
		if f.Lost.Text != "" {
			text += ", " + f.Lost.Text
		}
	}
	return text, at
}

// FormatStack is a stack as Go prints it.
func FormatStack(frames []tracer.Frame) string {
	var b strings.Builder
	for _, f := range frames {
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}
