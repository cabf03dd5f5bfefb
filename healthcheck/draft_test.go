package healthcheck

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTheDraftTellsTheResponseTimeOfWhenItWasMeasured(t *testing.T) {
	snap := *pool("orders", StateHealthy)()
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
		w := get(endpoints(func() *Snapshot { return &snap }), "/health", healthJSON)
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
