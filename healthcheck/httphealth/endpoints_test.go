package httphealth

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
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

func TestDocument_HasTheAgreedShape(t *testing.T) {
	finding := healthcheck.Finding{Cause: healthcheck.CauseLeak, Summary: "s", Evidence: []string{"e"}, Advice: "a", Runbook: "leak"}
	w := get(endpoints(pool("orders", healthcheck.StateDegraded, finding)), "/health/database")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	_ = json.Unmarshal([]byte(`{
		"status": "degraded", "state": "degraded", "pool": "orders",
		"timestamp": "2026-03-01T12:00:00Z", "since": "2026-03-01T11:59:00Z",
		"database": {"status": "degraded", "pool": {"total": 5, "idle": 2, "active": 3, "waiting": 1, "max": 10},
			"latency_ms": 1.5, "last_error": null, "last_error_at": null},
		"uptime_seconds": 91, "usage_percent": 30, "flaps": 0,
		"findings": [{"cause": "leak", "summary": "s", "evidence": ["e"], "advice": "a", "runbook": "leak"}],
		"notices": [],
		"recent_history": [{"at": "2026-03-01T12:00:00Z", "from": "initializing", "to": "degraded"}]
	}`), &want)
	g, _ := json.MarshalIndent(got, "", " ")
	x, _ := json.MarshalIndent(want, "", " ")
	if string(g) != string(x) {
		t.Errorf("got %s\nwant %s", g, x)
	}
	if kind := w.Header().Get("Content-Type"); kind != "application/json" {
		t.Error(kind)
	}
}

func TestDraft_ComesByAccept(t *testing.T) {
	finding := healthcheck.Finding{Cause: healthcheck.CauseUnreachable, Summary: "no way", Advice: "go"}
	e := endpoints(pool("orders", healthcheck.StateHealthy), pool("users", healthcheck.StateUnhealthy, finding))
	for _, path := range []string{"/health", "/health/database"} {
		w := get(e, path, "text/html, application/health+json;q=0.9")
		var doc draftDocument
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Status != "fail" || doc.Output != "no way" || w.Code != 503 || !slices.Equal(doc.Notes, []string{"users: go"}) {
			t.Errorf("%s: %d %+v", path, w.Code, doc)
		}
		if w.Header().Get("Content-Type") != healthJSON || w.Header().Get("Vary") != "Accept" {
			t.Errorf("%v", w.Header())
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

func TestDocument_AStaleReportIsUnknown(t *testing.T) {
	for _, c := range []struct {
		interval, staleAfter, age time.Duration
		want                      string
	}{
		{0, 0, 30 * time.Second, "healthy"}, // nobody says how often it is judged
		{0, 0, 31 * time.Second, "unknown"},
		{time.Second, 0, 3 * time.Second, "healthy"},
		{time.Second, 0, 4 * time.Second, "unknown"},
		{time.Minute, 0, 3 * time.Minute, "healthy"},
		{time.Minute, 0, 4 * time.Minute, "unknown"},
		{time.Second, time.Minute, 60 * time.Second, "healthy"},
		{time.Second, time.Minute, 61 * time.Second, "unknown"},
		{time.Second, -1, time.Hour, "healthy"},
	} {
		snap := *pool("orders", healthcheck.StateHealthy)()
		snap.Interval = c.interval
		e := endpoints(func() *healthcheck.Snapshot { return &snap })
		e.now, e.StaleAfter = func() time.Time { return epoch.Add(c.age) }, c.staleAfter
		if w := get(e, "/health/database"); !strings.Contains(w.Body.String(), `"status": "`+c.want+`"`) {
			t.Errorf("%+v: %s", c, w.Body)
		}
	}
}

func TestDocument_ForgetsAnErrorThatIsOld(t *testing.T) {
	for _, c := range []struct {
		window, age time.Duration
		want        any
	}{
		{0, 60 * time.Second, "refused"}, {0, 61 * time.Second, nil},
		{time.Hour, 61 * time.Second, "refused"}, {time.Second, 2 * time.Second, nil},
	} {
		snap := *pool("orders", healthcheck.StateHealthy)()
		snap.LastError, snap.LastErrorAt, snap.ErrorWindow = "refused", epoch.Add(time.Second-c.age), c.window
		var at any
		if c.want != nil {
			at = snap.LastErrorAt.Format(time.RFC3339)
		}
		if got := database(t, &snap); got["last_error"] != c.want || got["last_error_at"] != at {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestDocument_WhatIsNotKnownIsNull(t *testing.T) {
	snap := *pool("orders", healthcheck.Initializing)()
	snap.Latency = 0
	if got := database(t, &snap); got["latency_ms"] != nil || got["last_error"] != nil {
		t.Errorf("%v", got)
	}
	snap.LastError = "refused"
	if got := database(t, &snap); got["last_error"] != "refused" || got["last_error_at"] != nil {
		t.Errorf("an error of which nobody says when: %v", got)
	}
}

// database is what the document of a pool says of its database.
func database(t *testing.T, snap *healthcheck.Snapshot) map[string]any {
	t.Helper()
	var doc struct{ Database map[string]any }
	w := get(endpoints(func() *healthcheck.Snapshot { return snap }), "/health/database")
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Database
}

func TestDocument_TheMeanHoldIsInSeconds(t *testing.T) {
	snap := *pool("orders", healthcheck.StateHealthy)()
	report := *snap.Report
	report.Advice = healthcheck.Sizing{Known: true, ArrivalRate: 100, MeanHold: 250 * time.Microsecond, Offered: 0.025, Recommended: 1, Why: "w"}
	snap.Report = &report
	w := get(endpoints(func() *healthcheck.Snapshot { return &snap }), "/health/database")
	if want := `"mean_hold_seconds": 0.00025`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("%s is not in %s", want, w.Body)
	}
}

// Whatever the figures are, they make a document.
func TestDocument_AbsurdFiguresAreValidJSON(t *testing.T) {
	report := healthcheck.Report{Status: healthcheck.Degraded, At: epoch, Usage: math.NaN(), Findings: []healthcheck.Finding{{Summary: "\x00ÿ"}},
		Advice: healthcheck.Sizing{Known: true, ArrivalRate: math.Inf(1), MeanHold: math.MinInt64, Offered: math.NaN()}}
	snap := healthcheck.Snapshot{Report: &report, Total: -1, Latency: math.MaxInt64, LastError: "\xff", StartedAt: epoch.AddDate(500, 0, 0)}
	for _, accept := range []string{plainJSON, healthJSON} {
		w := get(endpoints(func() *healthcheck.Snapshot { return &snap }), "/health", accept)
		if w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", accept, w.Code, w.Body)
		}
	}
}

func TestDocument_AStaleReportDoesNotContradictItself(t *testing.T) {
	e := endpoints(pool("orders", healthcheck.StateUnhealthy, healthcheck.Finding{Cause: healthcheck.CauseUnreachable, Summary: "no way", Advice: "go"}))
	e.now = func() time.Time { return epoch.Add(31 * time.Second) }
	w := get(e, "/health/database")
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if w.Code != 200 || doc["status"] != "unknown" || doc["state"] != nil || doc["since"] != nil ||
		doc["stale_since"] != "2026-03-01T12:00:30Z" || len(doc["findings"].([]any)) > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = get(e, "/health", healthJSON)
	var draft draftDocument
	if err := json.Unmarshal(w.Body.Bytes(), &draft); err != nil {
		t.Fatal(err)
	}
	if w.Code != 200 || draft.Status != "warn" || draft.Output != "stale since 2026-03-01T12:00:30Z" || len(draft.Notes) > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
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
