package httphealth

import (
	"net/http"
	"net/url"

	"github.com/otelpool/pgx/healthcheck"
)

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
	status := code(e.report(snap).Status, snap.Draining())
	if wantsHealthJSON(r) {
		writeJSON(w, r, status, healthJSON, e.draft([]*healthcheck.Snapshot{snap}))
		return
	}
	writeJSON(w, r, status, plainJSON, e.document(snap))
}

// find returns the pool of that name, or without a name the worst of all; nil if there is none.
func (e *Endpoints) find(name string) (found *healthcheck.Snapshot) {
	worst := healthcheck.Healthy
	for _, s := range e.Sources {
		snap := s.Load()
		if name != "" {
			if snap.Report.Pool == name {
				return snap
			}
			continue
		}
		if rank := e.rank(snap); found == nil || healthcheck.Worst(worst, rank) != worst {
			found, worst = snap, rank
		}
	}
	return found
}

// rank counts a pool that is draining among those that cannot serve: both are 503.
func (e *Endpoints) rank(s *healthcheck.Snapshot) healthcheck.Status {
	if s.Draining() {
		return healthcheck.Unhealthy
	}
	return e.report(s).Status
}

func (e *Endpoints) serveAll(w http.ResponseWriter, r *http.Request) {
	snaps := make([]*healthcheck.Snapshot, len(e.Sources))
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
func (e *Endpoints) summary(snaps []*healthcheck.Snapshot) (worst healthcheck.Status, draining bool) {
	if len(snaps) == 0 {
		return healthcheck.Unknown, false
	}
	worst = healthcheck.Healthy
	for i, s := range e.Sources {
		snaps[i] = s.Load()
		worst = healthcheck.Worst(worst, e.report(snaps[i]).Status)
		draining = draining || snaps[i].Draining()
	}
	return worst, draining
}
