package httphealth

import (
	"cmp"
	"time"

	"github.com/otelpool/pgx/healthcheck"
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
func draftStatus(s healthcheck.Status, cannotServe bool) string {
	switch {
	case cannotServe:
		return "fail"
	case s == healthcheck.Healthy:
		return "pass"
	}
	return "warn"
}

func draft(views []view) draftDocument {
	worst, cannotServe := summary(views)
	d := draftDocument{Status: draftStatus(worst, cannotServe), Checks: map[string][]draftCheck{}}
	for _, v := range views {
		r := v.report
		output := d.note(r)
		if d.Output == "" || r.Status == healthcheck.Unhealthy {
			d.Output = output
		}
		d.observeAll(v.snap, draftCheck{
			ComponentID: r.Pool, ComponentType: "datastore", Status: draftStatus(r.Status, v.cannotServe()), Time: r.At, Output: output,
		})
	}
	return d
}

// note adds the advice on a pool and its notices, and returns what is wrong with it, if anything is.
func (d *draftDocument) note(r *healthcheck.Report) (output string) {
	if !r.StaleSince.IsZero() {
		return "stale since " + r.StaleSince.Format(time.RFC3339)
	}
	for _, f := range r.Findings {
		output = cmp.Or(output, f.Summary)
		d.Notes = append(d.Notes, r.Pool+": "+f.Advice)
	}
	for _, n := range r.Notices {
		d.Notes = append(d.Notes, r.Pool+": "+n.Summary+" "+n.Advice)
	}
	return output
}

func (d *draftDocument) observeAll(s *healthcheck.Snapshot, check draftCheck) {
	d.observe("pool:connections", check, s.Used, "connection")
	d.observe("pool:waiting", check, s.Waiting, "request")
	d.observe("pool:utilization", check, round3(s.Report.Usage*100), "percent")
	if s.Latency > 0 {
		check.Time = s.LatencyAt
		d.observe("database:responseTime", check, millis(s.Latency), "ms")
	}
}

func (d *draftDocument) observe(name string, check draftCheck, value any, unit string) {
	check.ObservedValue, check.ObservedUnit = value, unit
	d.Checks[name] = append(d.Checks[name], check)
}
