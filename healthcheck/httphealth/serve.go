package httphealth

import (
	"net/http"
	"net/url"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

// view is one pool as one request sees it: status code and document are of the same instant.
type view struct {
	snap   *healthcheck.Snapshot
	report *healthcheck.Report // no verdict if its judge has stopped
	now    time.Time
}

func (e *Endpoints) view(s healthcheck.Source, now time.Time) view {
	snap := s.Load()
	return view{snap, snap.AsOf(now, e.StaleAfter), now}
}

func (e *Endpoints) views() []view {
	now, views := e.clock(), make([]view, 0, len(e.Sources))
	for _, s := range e.Sources {
		views = append(views, e.view(s, now))
	}
	return views
}

// cannotServe says that the pool is known not to serve, or is draining: both are 503.
func (v *view) cannotServe() bool {
	return v.report.Status == healthcheck.Unhealthy || v.snap.Draining()
}

// summary says what the pools amount to. No pools at all are nothing known.
func summary(views []view) (worst healthcheck.Status, cannotServe bool) {
	if len(views) == 0 {
		return healthcheck.Unknown, false
	}
	worst = healthcheck.Healthy
	for _, v := range views {
		worst, cannotServe = healthcheck.Worst(worst, v.report.Status), cannotServe || v.cannotServe()
	}
	return worst, cannotServe
}

func (e *Endpoints) serveAll(w http.ResponseWriter, r *http.Request) {
	views := e.views()
	status, cannotServe := summary(views)
	if wantsHealthJSON(r) {
		writeJSON(w, r, code(cannotServe), healthJSON, draft(views))
		return
	}
	doc := aggregate{Status: status, Pools: make([]document, 0, len(views))}
	for _, v := range views {
		doc.Pools = append(doc.Pools, v.document())
		if at := v.report.At; doc.Timestamp.IsZero() || at.Before(doc.Timestamp) {
			doc.Timestamp = at
		}
	}
	writeJSON(w, r, code(cannotServe), plainJSON, doc)
}

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
	v, found := e.find(name)
	switch {
	case !found:
		http.Error(w, "no pool of that name", http.StatusNotFound)
	case wantsHealthJSON(r):
		writeJSON(w, r, code(v.cannotServe()), healthJSON, draft([]view{v}))
	default:
		writeJSON(w, r, code(v.cannotServe()), plainJSON, v.document())
	}
}

// find returns the pool of that name, or without a name the worst of all.
func (e *Endpoints) find(name string) (found view, ok bool) {
	now := e.clock()
	for _, s := range e.Sources {
		v := e.view(s, now)
		switch {
		case name == "" && (!ok || healthcheck.Worst(found.rank(), v.rank()) != found.rank()):
			found, ok = v, true
		case name != "" && v.report.Pool == name:
			return v, true
		}
	}
	return found, ok
}

// rank counts a pool that is draining among those that cannot serve.
func (v *view) rank() healthcheck.Status {
	if v.cannotServe() {
		return healthcheck.Unhealthy
	}
	return v.report.Status
}

func code(cannotServe bool) int {
	if cannotServe {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}
