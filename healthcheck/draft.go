package healthcheck

import (
	"cmp"
	"time"
)

// draftDocument follows draft-inadarei-api-health-check-06, "Health Check Response Format for HTTP APIs".
type draftDocument struct {
	Status string                  `json:"status"` // pass, warn or fail
	Output string                  `json:"output,omitempty"`
	Notes  []string                `json:"notes,omitempty"`
	Checks map[string][]draftCheck `json:"checks"`
}

type draftCheck struct {
	ComponentID   string    `json:"componentId"`
	ComponentType string    `json:"componentType"`
	ObservedValue any       `json:"observedValue"`
	ObservedUnit  string    `json:"observedUnit"`
	Status        string    `json:"status"`
	Time          time.Time `json:"time,omitzero"`
	Output        string    `json:"output,omitempty"`
}

// draftStatus maps tiers to the draft's three words. It has none for "unknown": that passes with a warning.
func draftStatus(s Status, draining bool) string {
	switch {
	case s == Unhealthy || draining:
		return "fail"
	case s == Healthy:
		return "pass"
	}
	return "warn"
}

func (e *Endpoints) draft(snaps []*Snapshot) draftDocument {
	d := draftDocument{Checks: map[string][]draftCheck{}}
	worst, draining := Healthy, false
	if len(snaps) == 0 {
		worst = Unknown
	}
	for _, s := range snaps {
		status := e.status(s)
		worst, draining = Worst(worst, status), draining || s.Draining()
		var output string
		if stale := s.staleSince(e.clock(), e.StaleAfter); !stale.IsZero() {
			output = "stale since " + stale.Format(time.RFC3339)
		} else {
			output = d.note(s.Report)
		}
		if d.Output == "" || status == Unhealthy {
			d.Output = output
		}
		check := draftCheck{ComponentID: s.Report.Pool, ComponentType: "datastore", Status: draftStatus(status, s.Draining()),
			Time: s.Report.At, Output: output}
		d.observe("pool:connections", check, s.Active, "connection")
		d.observe("pool:waiting", check, s.Waiting, "request")
		d.observe("pool:utilization", check, round3(s.Report.Usage*100), "percent")
		if s.Latency > 0 {
			check.Time = s.LatencyAt
			d.observe("database:responseTime", check, millis(s.Latency), "ms")
		}
	}
	d.Status = draftStatus(worst, draining)
	return d
}

// note adds the advice on a pool, and returns what is wrong with it, if anything is.
func (d *draftDocument) note(r *Report) (output string) {
	for _, f := range r.Findings {
		output = cmp.Or(output, f.Summary)
		d.Notes = append(d.Notes, r.Pool+": "+f.Advice)
	}
	return output
}

func (d *draftDocument) observe(name string, check draftCheck, value any, unit string) {
	check.ObservedValue, check.ObservedUnit = value, unit
	d.Checks[name] = append(d.Checks[name], check)
}
