package observe

import (
	"maps"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// episodes counts how often each kind of notice was raised. One that stays in the reports is one episode.
type episodes struct {
	last   *healthcheck.Report
	raised map[healthcheck.NoticeKind]int64 // replaced, never changed: views share it
}

// follow returns the notices that r raises.
func (e *episodes) follow(r *healthcheck.Report) (raised []view.Event) {
	for _, n := range r.Notices {
		if e.last == nil || !e.last.HasNotice(n.Kind) {
			raised = append(raised, view.NoticeRaised{At: r.At, Notice: n})
		}
	}
	e.last = r
	if len(raised) == 0 {
		return nil
	}
	e.raised = maps.Clone(e.raised)
	if e.raised == nil {
		e.raised = make(map[healthcheck.NoticeKind]int64)
	}
	for _, event := range raised {
		e.raised[event.(view.NoticeRaised).Notice.Kind]++
	}
	return raised
}
