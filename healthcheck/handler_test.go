package healthcheck

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pool is a source of one snapshot in the given state.
func pool(name string, state State, findings ...Finding) Source {
	snap := &Snapshot{
		Report: &Report{
			Pool: name, State: state, Status: state.Status(), At: epoch, Since: epoch.Add(-time.Minute), Findings: findings,
			Started: state != Initializing, Usage: 0.3,
			History: []Change{{At: epoch, From: Initializing, To: state}},
		},
		Total: 5, Idle: 2, Active: 3, Waiting: 1, Max: 10,
		Latency: 1500 * time.Microsecond, StartedAt: epoch.Add(-90 * time.Second),
	}
	return func() *Snapshot { return snap }
}

func endpoints(pools ...Source) *Endpoints {
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

func TestProbesAnswerByState(t *testing.T) {
	for state, want := range map[State]struct{ live, started, ready, gated, health int }{
		Initializing:   {200, 503, 503, 503, 200},
		StateHealthy:   {200, 200, 200, 200, 200},
		StateDegraded:  {200, 200, 200, 200, 200},
		StateUnhealthy: {200, 200, 200, 503, 503},
		Recovering:     {200, 200, 200, 200, 200},
		ShuttingDown:   {200, 200, 503, 503, 503},
		Terminated:     {200, 200, 503, 503, 503},
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

func TestTheWorstPoolWins(t *testing.T) {
	for _, c := range []struct {
		pools []State
		want  string
		code  int
	}{
		{nil, "unknown", 200},
		{[]State{StateHealthy, StateHealthy}, "healthy", 200},
		{[]State{StateHealthy, Initializing}, "unknown", 200},
		{[]State{Initializing, StateDegraded}, "degraded", 200},
		{[]State{StateHealthy, StateUnhealthy, StateDegraded}, "unhealthy", 503},
		{[]State{StateHealthy, ShuttingDown}, "unknown", 503},
		{[]State{StateDegraded, ShuttingDown}, "degraded", 503},
	} {
		var pools []Source
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

func TestTheDatabaseDocumentHasTheAgreedShape(t *testing.T) {
	finding := Finding{Cause: CauseLeak, Summary: "s", Evidence: []string{"e"}, Advice: "a", Runbook: "leak"}
	w := get(endpoints(pool("orders", StateDegraded, finding)), "/health/database")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	_ = json.Unmarshal([]byte(`{
		"status": "degraded", "state": "degraded", "pool": "orders",
		"timestamp": "2026-03-01T12:00:00Z", "since": "2026-03-01T11:59:00Z",
		"database": {"status": "degraded", "pool": {"total": 5, "idle": 2, "active": 3, "waiting": 1},
			"latency_ms": 1.5, "last_error": null},
		"uptime_seconds": 91, "usage_percent": 30, "flaps": 0,
		"findings": [{"cause": "leak", "summary": "s", "evidence": ["e"], "advice": "a", "runbook": "leak"}],
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

func TestTheDraftFormatComesByAccept(t *testing.T) {
	finding := Finding{Cause: CauseUnreachable, Summary: "no way", Advice: "go"}
	e := endpoints(pool("orders", StateHealthy), pool("users", StateUnhealthy, finding))
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

func TestOnePoolIsFoundByName(t *testing.T) {
	e := endpoints(pool("orders", StateHealthy), pool("users", StateDegraded))
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

func TestHeadHasNoBodyAndOtherMethodsAreRefused(t *testing.T) {
	e := endpoints(pool("orders", StateHealthy))
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

func TestAStaleReportIsBelievedNoLonger(t *testing.T) {
	e := endpoints(pool("orders", StateHealthy))
	for age, want := range map[time.Duration]string{30 * time.Second: "healthy", 31 * time.Second: "unknown"} {
		e.now = func() time.Time { return epoch.Add(age) }
		if w := get(e, "/health/database"); !strings.Contains(w.Body.String(), `"status": "`+want+`"`) {
			t.Errorf("after %v: %s", age, w.Body)
		}
	}
	e.StaleAfter = -1
	if w := get(e, "/health/database"); !strings.Contains(w.Body.String(), `"status": "healthy"`) {
		t.Error(w.Body)
	}
}

func TestAStaleReportDoesNotContradictItself(t *testing.T) {
	e := endpoints(pool("orders", StateUnhealthy, Finding{Cause: CauseUnreachable, Summary: "no way", Advice: "go"}))
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

func TestASourceWithNothingToTellIsUnknown(t *testing.T) {
	for _, s := range []Source{func() *Snapshot { return nil }, func() *Snapshot { return &Snapshot{} }} {
		e := endpoints(s)
		if w := get(e, "/health/database"); w.Code != 200 || !strings.Contains(w.Body.String(), `"status": "unknown"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := get(e, "/startupz"); w.Code != 503 {
			t.Error(w.Code)
		}
	}
}

func TestReadingTheStatusAllocatesNothing(t *testing.T) {
	var current atomic.Pointer[Snapshot]
	current.Store(pool("orders", StateDegraded)())
	e := endpoints(current.Load)
	if n := testing.AllocsPerRun(100, func() {
		if ok, _ := e.ready(); !ok || !e.started() || e.status(e.find("")) != Degraded {
			t.Error("not ready")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHealthDatabase(b *testing.B) {
	h := Handler(pool("orders", StateUnhealthy, Finding{Cause: CauseUnreachable, Summary: "s", Evidence: []string{"e"}}))
	r := httptest.NewRequest(http.MethodGet, "/health/database", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func BenchmarkJudge(b *testing.B) {
	j, _ := NewJudge("orders", Evidence())
	s := Sample{At: epoch, Full: true}
	s.Pool = PoolCounts{Max: 100, Total: 100, Used: 100}
	s.Holders = slices.Repeat([]Holder{asking}, 100)
	b.ReportAllocs()
	for b.Loop() {
		s.At = s.At.Add(time.Second)
		cycles(100, 5*time.Millisecond, 4*time.Millisecond, 12*time.Millisecond, 20*time.Millisecond)(&s)
		j.Judge(s)
	}
}
