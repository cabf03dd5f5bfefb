package otelpool

import (
	"encoding/json"
	"net/http"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/healthcheck/httphealth"
)

// Handler serves the pool over HTTP, read-only. Mount it where only operators and probes can reach it: it shows call
// sites, though never credentials or arguments.
//
//	/livez /startupz /readyz       probes; see [httphealth.Endpoints]
//	/health /health/database       the last judgement
//	/debug/pool/holders            who holds connections and who waits, as JSON
//	/debug/pool/holders.pb.gz      the holders as a profile, for go tool pprof
//
// Requests for health read one pointer. Those below /debug look at the holders at that moment; neither acquires a
// connection. To aggregate several pools, give their [Monitor.Source] to [httphealth.Handler].
func (m *Monitor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", httphealth.Handler(m.Source()))
	mux.Handle("/debug/pool/holders", readOnly(m.serveHolders))
	mux.Handle("/debug/pool/holders.pb.gz", readOnly(m.serveHoldersProfile))
	return mux
}

// readOnly answers GET and HEAD, and keeps what it says out of caches.
func readOnly(serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "read-only", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		serve(w, r)
	})
}

// Source is what the health endpoints read of this pool: the load of one pointer. That of a Monitor that observes nothing
// has nothing to tell.
func (m *Monitor) Source() healthcheck.Source {
	return func() *healthcheck.Snapshot {
		if m.absent() {
			return nil
		}
		return m.last.Load().health
	}
}

func (m *Monitor) serveHolders(w http.ResponseWriter, _ *http.Request) {
	body := map[string]any{"pool": m.Name(), "holders": m.Holders(), "waiters": m.Waiters()}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(body) // the client is gone: nobody to tell
}

// snapshot puts an observation into the words of the health endpoints.
func (t *ticker) snapshot(o *observation) *healthcheck.Snapshot {
	text, at := t.monitor.lastError(&o.snap.Faults, &o.probe.probe)
	return &healthcheck.Snapshot{
		Report: o.report,
		Total:  int(o.stat.TotalConns()), Idle: int(o.stat.IdleConns()), Used: int(o.stat.AcquiredConns()),
		Waiting: int(o.snap.Counters.Waiting), Max: int(o.stat.MaxConns()),
		Latency: o.snap.Counters.LastCreate, LatencyAt: o.snap.Counters.LastOpenedAt, LastError: text, LastErrorAt: at, StartedAt: t.started,
		ErrorWindow: t.monitor.config.policy.ErrorWindow, Interval: t.monitor.config.healthInterval,
	}
}
