package httphealth

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pool is a source of one snapshot in the given state.
func pool(name string, state healthcheck.State, findings ...healthcheck.Finding) healthcheck.Source {
	snap := &healthcheck.Snapshot{
		Report: &healthcheck.Report{
			Pool: name, State: state, Status: state.Status(), At: epoch, Since: epoch.Add(-time.Minute), Findings: findings,
			Started: state != healthcheck.Initializing, Usage: 0.3,
			History: []healthcheck.Change{{At: epoch, From: healthcheck.Initializing, To: state}},
		},
		Total: 5, Idle: 2, Used: 3, Waiting: 1, Max: 10,
		Latency: 1500 * time.Microsecond, StartedAt: epoch.Add(-90 * time.Second),
	}
	return func() *healthcheck.Snapshot { return snap }
}

func endpoints(pools ...healthcheck.Source) *Endpoints {
	return &Endpoints{Sources: pools, now: func() time.Time { return epoch.Add(time.Second) }}
}

func get(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for _, accept := range header {
		r.Header.Add("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEndpoints_AnswerByState(t *testing.T) {
	for state, want := range map[healthcheck.State]struct{ live, started, ready, gated, health int }{
		healthcheck.Initializing:   {200, 503, 503, 503, 200},
		healthcheck.StateHealthy:   {200, 200, 200, 200, 200},
		healthcheck.StateDegraded:  {200, 200, 200, 200, 200},
		healthcheck.StateUnhealthy: {200, 200, 200, 503, 503},
		healthcheck.Recovering:     {200, 200, 200, 200, 200},
		healthcheck.ShuttingDown:   {200, 200, 503, 503, 503},
		healthcheck.Terminated:     {200, 200, 503, 503, 503},
	} {
		e := endpoints(pool("orders", state))
		gated := endpoints(pool("orders", state))
		gated.GateReadiness = true
		for what, c := range map[string]struct {
			h            http.Handler
			path, accept string
			want         int
		}{
			"livez":           {e, "/livez", "", want.live},
			"startupz":        {e, "/startupz", "", want.started},
			"readyz":          {e, "/readyz", "", want.ready},
			"readyz, gated":   {gated, "/readyz", "", want.gated},
			"livez, gated":    {gated, "/livez", "", want.live},
			"health":          {e, "/health", "", want.health},
			"health/database": {e, "/health/database", "", want.health},
			"draft":           {e, "/health", healthJSON, want.health},
			"draft of one":    {e, "/health/database", healthJSON, want.health},
		} {
			w := get(c.h, c.path, c.accept)
			if w.Code != c.want {
				t.Errorf("%s, %s: %d, want %d", state, what, w.Code, c.want)
			}
			if kind := w.Header().Get("Content-Type"); (kind == healthJSON) != (c.accept == healthJSON) {
				t.Errorf("%s, %s: %s", state, what, kind)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be cached", what)
			}
		}
	}
}

func TestHealth_TheWorstPoolWins(t *testing.T) {
	for _, c := range []struct {
		pools []healthcheck.State
		want  string
		code  int
	}{
		{nil, "unknown", 200},
		{[]healthcheck.State{healthcheck.StateHealthy, healthcheck.StateHealthy}, "healthy", 200},
		{[]healthcheck.State{healthcheck.StateHealthy, healthcheck.Initializing}, "unknown", 200},
		{[]healthcheck.State{healthcheck.Initializing, healthcheck.StateDegraded}, "degraded", 200},
		{[]healthcheck.State{healthcheck.StateHealthy, healthcheck.StateUnhealthy, healthcheck.StateDegraded}, "unhealthy", 503},
		{[]healthcheck.State{healthcheck.StateHealthy, healthcheck.ShuttingDown}, "unknown", 503},
		{[]healthcheck.State{healthcheck.StateDegraded, healthcheck.ShuttingDown}, "degraded", 503},
	} {
		var pools []healthcheck.Source
		for _, s := range c.pools {
			pools = append(pools, pool(string(s), s))
		}
		w := get(endpoints(pools...), "/health")
		var doc struct {
			Status string
			Pools  []struct{ Pool, Status string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Status != c.want || w.Code != c.code || len(doc.Pools) != len(c.pools) {
			t.Errorf("%v: %d %s", c.pools, w.Code, w.Body)
		}
		if one := get(endpoints(pools...), "/health/database"); one.Code != c.code {
			t.Errorf("%v: the worst alone is %d", c.pools, one.Code)
		}
	}
}

func TestHealthDatabase_FindsAPoolByName(t *testing.T) {
	e := endpoints(pool("orders", healthcheck.StateHealthy), pool("users", healthcheck.StateDegraded))
	for path, want := range map[string]string{
		"/health/database": "users", "/health/database?pool=orders": "orders", "/health/database?pool=users": "users",
	} {
		if w := get(e, path); !strings.Contains(w.Body.String(), `"pool": "`+want+`"`) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	for _, path := range []string{"/health/database?pool=nobody", "/health/", "/livez/x", "/", "/healthz"} {
		if w := get(e, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestEndpoints_HeadHasNoBodyAndOtherMethodsAreRefused(t *testing.T) {
	e := endpoints(pool("orders", healthcheck.StateHealthy))
	for _, path := range []string{"/livez", "/startupz", "/readyz", "/health", "/health/database"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodHead, path, nil))
		if w.Code != 200 || w.Body.Len() != 0 {
			t.Errorf("HEAD %s: %d %q", path, w.Code, w.Body)
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}

func TestEndpoints_ASourceWithNothingToTellIsUnknown(t *testing.T) {
	for _, s := range []healthcheck.Source{func() *healthcheck.Snapshot { return nil }, func() *healthcheck.Snapshot { return &healthcheck.Snapshot{} }} {
		e := endpoints(s)
		if w := get(e, "/health/database"); w.Code != 200 || !strings.Contains(w.Body.String(), `"status": "unknown"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := get(e, "/startupz"); w.Code != 503 {
			t.Error(w.Code)
		}
	}
}

func TestEndpoints_ReadingTheStatusAllocatesNothing(t *testing.T) {
	var current atomic.Pointer[healthcheck.Snapshot]
	current.Store(pool("orders", healthcheck.StateDegraded)())
	e := endpoints(current.Load)
	if n := testing.AllocsPerRun(100, func() {
		v, _ := e.find("")
		if ok, _ := e.ready(); !ok || !e.started() || v.report.Status != healthcheck.Degraded {
			t.Error("not ready")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHealthDatabase(b *testing.B) {
	h := Handler(pool("orders", healthcheck.StateUnhealthy, healthcheck.Finding{Cause: healthcheck.CauseUnreachable, Summary: "s", Evidence: []string{"e"}}))
	r := httptest.NewRequest(http.MethodGet, "/health/database", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
