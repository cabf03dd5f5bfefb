// Package web serves a pool over HTTP, read-only.
package web

import (
	"encoding/json"
	"net/http"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/healthcheck/httphealth"
	"github.com/otelpool/pgx/tracer"
)

// Config is what is served.
type Config struct {
	Pool    string
	Health  healthcheck.Source
	Holders func() []tracer.Holder // of this moment
	Waiters func() []tracer.Waiter // of this moment
}

// Handler serves the health endpoints and, below /debug/pool, who holds and who waits.
func Handler(c Config) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", httphealth.Handler(c.Health))
	mux.Handle("/debug/pool/holders", readOnly(c.serveHolders))
	mux.Handle("/debug/pool/holders.pb.gz", readOnly(c.serveProfile))
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

func (c Config) serveHolders(w http.ResponseWriter, _ *http.Request) {
	body := map[string]any{"pool": c.Pool, "holders": c.Holders(), "waiters": c.Waiters()}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(body) // the client is gone: nobody to tell
}
