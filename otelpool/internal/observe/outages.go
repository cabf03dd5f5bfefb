package observe

import (
	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// outages follows the times without a server from one report to the next.
type outages struct {
	view.Outages
	attempts int64 // of the probe in all, when the present outage began
}

// follow adds what r says, and returns the outage that has ended with it, if one has.
func (o *outages) follow(r *healthcheck.Report, probe *view.Probe) (ended *view.OutageEnded) {
	on := !o.Now.Since.IsZero()
	if on {
		o.Now.Attempts = probe.Attempts() - o.attempts
		if probe.ErrorAt.After(o.Now.Since) {
			o.Now.ErrorType = probe.ErrorType
		}
	}
	switch {
	case r.Outage && !on:
		o.Count++
		o.attempts = probe.Attempts()
		o.Now = view.Outage{Since: r.At, Cause: r.Findings[0].Cause}
	case on && !r.Outage:
		return o.end(r)
	}
	return nil
}

// end closes the present outage with r, and returns it; nil if there is none. A pool that is shut down ends its outage, but
// nobody is served again.
func (o *outages) end(r *healthcheck.Report) *view.OutageEnded {
	if o.Now.Since.IsZero() {
		return nil
	}
	served := !r.Outage && r.Status != healthcheck.Unknown
	ended := &view.OutageEnded{Outage: o.Now, At: r.At, Served: served, Status: r.Status}
	o.Past += r.At.Sub(o.Now.Since)
	o.Now = view.Outage{}
	return ended
}
