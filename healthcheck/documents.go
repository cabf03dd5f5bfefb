package healthcheck

import (
	"math"
	"net/http"
	"net/url"
	"time"
)

const (
	plainJSON  = "application/json"
	healthJSON = "application/health+json"
)

// document is what /health/database says. Of a report that is stale it tells the figures and the history, not the judgement.
type document struct {
	Status     Status    `json:"status"`
	State      State     `json:"state,omitempty"`
	Pool       string    `json:"pool"`
	Timestamp  time.Time `json:"timestamp"` // of the judgement
	Since      time.Time `json:"since,omitzero"`
	StaleSince time.Time `json:"stale_since,omitzero"`

	Database databaseDocument `json:"database"`

	UptimeSeconds float64         `json:"uptime_seconds"`
	UsagePercent  float64         `json:"usage_percent"`
	Flaps         int             `json:"flaps"`
	Findings      []Finding       `json:"findings"`
	Sizing        *sizingDocument `json:"sizing,omitempty"`
	RecentHistory []Change        `json:"recent_history"`
}

type databaseDocument struct {
	Status    Status       `json:"status"`
	Pool      poolDocument `json:"pool"`
	LatencyMS float64      `json:"latency_ms"`
	LastError *string      `json:"last_error"` // null if there was none
}

type poolDocument struct {
	Total   int `json:"total"`
	Idle    int `json:"idle"`
	Active  int `json:"active"`
	Waiting int `json:"waiting"`
}

type sizingDocument struct {
	ArrivalRate float64 `json:"arrivals_per_second"`
	MeanHoldMS  float64 `json:"mean_hold_ms"`
	Offered     float64 `json:"offered_load"`
	Recommended int     `json:"recommended,omitempty"`
	Why         string  `json:"why"`
}

func (e *Endpoints) document(s *Snapshot) document {
	r := s.Report
	d := document{
		Status: e.status(s), State: r.State, Pool: r.Pool, Timestamp: r.At, Since: r.Since,
		UsagePercent: round3(r.Usage * 100), Flaps: r.Flaps, Findings: r.Findings, RecentHistory: r.History,
	}
	d.Database = databaseDocument{
		Status: d.Status, LatencyMS: millis(s.Latency),
		Pool: poolDocument{Total: s.Total, Idle: s.Idle, Active: s.Active, Waiting: s.Waiting},
	}
	if stale := s.staleSince(e.clock(), e.StaleAfter); !stale.IsZero() {
		d.State, d.Since, d.StaleSince, d.Findings = "", time.Time{}, stale, nil
	}
	if s.LastError != "" {
		d.Database.LastError = &s.LastError
	}
	if !s.StartedAt.IsZero() {
		d.UptimeSeconds = round3(max(0, e.clock().Sub(s.StartedAt).Seconds()))
	}
	if a := r.Advice; a.Known {
		d.Sizing = &sizingDocument{round3(a.ArrivalRate), millis(a.MeanHold), round3(a.Offered), a.Recommended, a.Why}
	}
	if d.Findings == nil {
		d.Findings = []Finding{}
	}
	if d.RecentHistory == nil {
		d.RecentHistory = []Change{}
	}
	return d
}

// round3 keeps three decimals, and JSON from NaN and infinity.
func round3(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return math.Round(v*1000) / 1000
}

func millis(d time.Duration) float64 { return round3(d.Seconds() * 1000) }

func (e *Endpoints) serveOne(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, "the query cannot be read", http.StatusBadRequest)
		return
	}
	name := query.Get("pool")
	if name == "" && len(e.Sources) == 0 {
		e.serveAll(w, r) // nothing is known, and nothing was asked for that does not exist
		return
	}
	snap := e.find(name)
	if snap == nil {
		http.Error(w, "no pool of that name", http.StatusNotFound)
		return
	}
	status := code(e.status(snap), snap.Draining())
	if wantsHealthJSON(r) {
		writeJSON(w, r, status, healthJSON, e.draft([]*Snapshot{snap}))
		return
	}
	writeJSON(w, r, status, plainJSON, e.document(snap))
}

// find returns the pool of that name, or without a name the worst of all; nil if there is none.
func (e *Endpoints) find(name string) (worst *Snapshot) {
	for _, s := range e.Sources {
		snap := s.Load()
		switch {
		case name != "":
			if snap.Report.Pool == name {
				return snap
			}
		case worst == nil || e.severity(snap) > e.severity(worst):
			worst = snap
		}
	}
	return worst
}

// severity ranks a pool that is draining with those that cannot serve: both are 503.
func (e *Endpoints) severity(s *Snapshot) int {
	if s.Draining() {
		return severity(Unhealthy)
	}
	return severity(e.status(s))
}

// aggregate is what /health says.
type aggregate struct {
	Status    Status     `json:"status"`
	Timestamp time.Time  `json:"timestamp"` // of the oldest judgement
	Pools     []document `json:"pools"`
}

func (e *Endpoints) serveAll(w http.ResponseWriter, r *http.Request) {
	snaps := make([]*Snapshot, len(e.Sources))
	status, draining := e.summary(snaps)
	if wantsHealthJSON(r) {
		writeJSON(w, r, code(status, draining), healthJSON, e.draft(snaps))
		return
	}
	doc := aggregate{Status: status, Pools: make([]document, 0, len(snaps))}
	for _, s := range snaps {
		doc.Pools = append(doc.Pools, e.document(s))
		if at := s.Report.At; doc.Timestamp.IsZero() || at.Before(doc.Timestamp) {
			doc.Timestamp = at
		}
	}
	writeJSON(w, r, code(status, draining), plainJSON, doc)
}

// summary loads every source into snaps and says what they amount to. No pools at all are nothing known.
func (e *Endpoints) summary(snaps []*Snapshot) (worst Status, draining bool) {
	for i, s := range e.Sources {
		snaps[i] = s.Load()
		if i == 0 {
			worst = e.status(snaps[i])
		}
		worst = Worst(worst, e.status(snaps[i]))
		draining = draining || snaps[i].Draining()
	}
	if len(snaps) == 0 {
		worst = Unknown
	}
	return worst, draining
}
