package httphealth

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

// Endpoints serves the health of pools over HTTP; [Handler] is the same with defaults. Set the fields before the first
// request. It reads each [healthcheck.Source] once a request and takes no lock, no connection and no time of the database.
//
//	/livez            200 as long as the process answers; never depends on a database
//	/startupz         200 once every pool has reached its server, 503 before
//	/readyz           200 unless a pool is draining or has not started
//	/health           all pools, the worst status wins
//	/health/database  one pool in full: the worst, or the one named by ?pool=
//
// The last two answer 200 when healthy, degraded or unknown, and 503 when unhealthy or draining: 503 says that a pool is
// known to be unable to serve. They answer in the application/health+json format if the Accept header asks for it. GET
// and HEAD are allowed, nothing is to be cached, and any other path is not found.
type Endpoints struct {
	Sources []healthcheck.Source

	// GateReadiness makes /readyz fail while a pool is unhealthy. Mind the cascade: an outage of one shared database
	// takes every replica out of service at once, also for requests that need no database, and their return at the same
	// moment is a stampede. It is right for a service that can do nothing without its database and has another place to
	// send requests to.
	GateReadiness bool

	// StaleAfter is how old a report may be before its status is unknown: its judge has stopped. 0 is three intervals of
	// the judge, a negative value believes reports of any age.
	StaleAfter time.Duration

	now func() time.Time // for tests
}

// Handler returns the [Endpoints] of the given pools.
func Handler(pools ...healthcheck.Source) http.Handler { return &Endpoints{Sources: pools} }

// ServeHTTP implements [http.Handler].
func (e *Endpoints) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve := e.route(r.URL.Path)
	switch {
	case serve == nil:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Cache-Control", "no-store")
		serve(w, r)
	}
}

func (e *Endpoints) route(path string) http.HandlerFunc {
	switch path {
	case "/livez":
		return func(w http.ResponseWriter, r *http.Request) { answer(w, r, true, "") }
	case "/startupz":
		return func(w http.ResponseWriter, r *http.Request) {
			ok := e.started()
			answer(w, r, ok, "not connected yet")
		}
	case "/readyz":
		return func(w http.ResponseWriter, r *http.Request) {
			ok, why := e.ready()
			answer(w, r, ok, why)
		}
	case "/health":
		return e.serveAll
	case "/health/database":
		return e.serveOne
	}
	return nil
}

// answer writes what a probe reads: the status code. The text is for people.
func answer(w http.ResponseWriter, r *http.Request, ok bool, why string) {
	code, text := http.StatusOK, "ok\n"
	if !ok {
		code, text = http.StatusServiceUnavailable, why+"\n"
	}
	write(w, r, code, "text/plain; charset=utf-8", []byte(text))
}

func write(w http.ResponseWriter, r *http.Request, code int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: nobody to tell
	}
}

func (e *Endpoints) started() bool {
	for _, s := range e.Sources {
		if !s.Load().Report.Started {
			return false
		}
	}
	return true
}

// ready says whether requests should be sent here, and if not, why.
func (e *Endpoints) ready() (ok bool, why string) {
	now := e.clock()
	for _, s := range e.Sources {
		v := e.view(s, now)
		switch {
		case v.snap.Draining():
			return false, "draining"
		case !v.report.Started:
			return false, "not connected yet"
		case e.GateReadiness && v.cannotServe():
			return false, "database unavailable"
		}
	}
	return true, ""
}

func (e *Endpoints) clock() time.Time {
	if e.now != nil {
		return e.now()
	}
	return time.Now()
}

func writeJSON(w http.ResponseWriter, r *http.Request, code int, kind string, doc any) {
	w.Header().Add("Vary", "Accept")
	body, err := json.MarshalIndent(doc, "", "  ")
	if err != nil { // there is nothing in these documents that cannot be encoded
		http.Error(w, "encoding failed", http.StatusInternalServerError)
		return
	}
	write(w, r, code, kind, append(body, '\n'))
}
