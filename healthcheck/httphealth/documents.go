package httphealth

import (
	"math"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

// aggregate is what /health says.
type aggregate struct {
	Status    healthcheck.Status `json:"status"`
	Timestamp time.Time          `json:"timestamp"` // of the oldest judgement
	Pools     []document         `json:"pools"`
}

// document is what /health/database says. Of a report that is stale it tells the figures and the history, not the judgement.
type document struct {
	Status     healthcheck.Status `json:"status"`
	State      healthcheck.State  `json:"state,omitempty"`
	Pool       string             `json:"pool"`
	Timestamp  time.Time          `json:"timestamp"` // of the judgement
	Since      time.Time          `json:"since,omitzero"`
	StaleSince time.Time          `json:"stale_since,omitzero"`

	Database databaseDocument `json:"database"`

	UptimeSeconds float64               `json:"uptime_seconds"`
	UsagePercent  float64               `json:"usage_percent"`
	Flaps         int                   `json:"flaps"`
	Findings      []healthcheck.Finding `json:"findings"`
	Notices       []healthcheck.Notice  `json:"notices"`
	Sizing        *sizingDocument       `json:"sizing,omitempty"`
	RecentHistory []healthcheck.Change  `json:"recent_history"`
}

type databaseDocument struct {
	Status      healthcheck.Status `json:"status"`
	Pool        poolDocument       `json:"pool"`
	LatencyMS   *float64           `json:"latency_ms"` // null while nothing has connected
	LastError   *string            `json:"last_error"` // null unless there was one lately
	LastErrorAt *time.Time         `json:"last_error_at"`
}

type poolDocument struct {
	Total   int `json:"total"`
	Idle    int `json:"idle"`
	Active  int `json:"active"`
	Waiting int `json:"waiting"`
	Max     int `json:"max"`
}

type sizingDocument struct {
	ArrivalRate float64 `json:"arrivals_per_second"`
	MeanHold    float64 `json:"mean_hold_seconds"`
	Offered     float64 `json:"offered_load"`
	Recommended int     `json:"recommended,omitempty"`
	Why         string  `json:"why"`
}

func (v *view) document() document {
	r := v.report
	d := document{
		Status: r.Status, State: r.State, Pool: r.Pool, Timestamp: r.At, Since: r.Since, StaleSince: r.StaleSince, Database: v.database(),
		UsagePercent: round3(r.Usage * 100), Flaps: r.Flaps, Findings: orEmpty(r.Findings),
		Notices: orEmpty(r.Notices), RecentHistory: orEmpty(r.History),
	}
	if !v.snap.StartedAt.IsZero() {
		d.UptimeSeconds = round3(max(0, v.now.Sub(v.snap.StartedAt).Seconds()))
	}
	if a := r.Advice; a.Known {
		d.Sizing = &sizingDocument{round3(a.ArrivalRate), a.MeanHold.Round(time.Microsecond).Seconds(), round3(a.Offered), a.Recommended, a.Why}
	}
	return d
}

func (v *view) database() databaseDocument {
	s := v.snap
	d := databaseDocument{
		Status: v.report.Status,
		Pool:   poolDocument{Total: s.Total, Idle: s.Idle, Active: s.Used, Waiting: s.Waiting, Max: s.Max},
	}
	if s.Latency > 0 {
		d.LatencyMS = new(millis(s.Latency))
	}
	if text, at := s.RecentError(v.now); text != "" {
		d.LastError = &text
		if !at.IsZero() {
			d.LastErrorAt = &at
		}
	}
	return d
}

// orEmpty makes [] of what would be null in JSON.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// round3 keeps three decimals, and JSON from NaN and infinity.
func round3(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return math.Round(v*1000) / 1000
}

func millis(d time.Duration) float64 { return round3(d.Seconds() * 1000) }
