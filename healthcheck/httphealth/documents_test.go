package httphealth

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

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
		t.Errorf("an error without a time: %v", got)
	}
}

// database returns the member database of a pool's document.
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

// Any figures make a valid document.
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
