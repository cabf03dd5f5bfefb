package httphealth

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

func TestDraft_SaysWhenTheResponseTimeWasMeasured(t *testing.T) {
	snap := *pool("orders", healthcheck.StateHealthy)()
	for name, c := range map[string]struct {
		latency time.Duration
		at      time.Time
		checks  int
	}{
		"never measured":   {0, time.Time{}, 0},
		"an hour ago":      {4 * time.Millisecond, epoch.Add(-time.Hour), 1},
		"nobody says when": {4 * time.Millisecond, time.Time{}, 1},
	} {
		snap.Latency, snap.LatencyAt = c.latency, c.at
		var doc draftDocument
		w := get(endpoints(func() *healthcheck.Snapshot { return &snap }), "/health", healthJSON)
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		got := doc.Checks["database:responseTime"]
		if len(got) != c.checks || len(got) > 0 && !got[0].Time.Equal(c.at) {
			t.Errorf("%s: %+v", name, got)
		}
		if in := doc.Checks["pool:connections"]; len(in) != 1 || !in[0].Time.Equal(epoch) {
			t.Errorf("%s: %+v", name, in)
		}
	}
}

func TestAccept_PicksTheFormatThatIsPreferred(t *testing.T) {
	e := endpoints(pool("orders", healthcheck.StateHealthy))
	for accept, want := range map[string]string{
		"":                            plainJSON,
		"*/*":                         plainJSON,
		"application/json":            plainJSON,
		"application/health+json":     healthJSON,
		"Application/Health+JSON;q=1": healthJSON,
		"application/health+json, application/json":                        healthJSON,
		"application/health+json, */*;q=0.1":                               healthJSON,
		"application/health+json;q=0.5, application/json;q=0.4, */*":       healthJSON,
		"application/health+json;q=0.4, application/json;q=0.5":            plainJSON,
		"application/json, application/health+json;q=0.9":                  plainJSON,
		"application/health+json;q=0.5, application/*":                     plainJSON,
		"application/health+json; q=0":                                     plainJSON,
		"application/health+json; q=0.000, text/html":                      plainJSON,
		"application/health+json;q=mad":                                    healthJSON,
		"nonsense;;, application/health+json":                              healthJSON,
		"text/html, application/health+json;q=0.1, application/json;q=0.0": healthJSON,
	} {
		if got := get(e, "/health", accept).Header().Get("Content-Type"); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
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
