package otelpool

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/observe"
	"github.com/otelpool/pgx/otelpool/internal/outlet/logs"
	"github.com/otelpool/pgx/otelpool/internal/outlet/metrics"
	"github.com/otelpool/pgx/otelpool/internal/outlet/spans"
	"github.com/otelpool/pgx/otelpool/internal/outlet/web"
	"github.com/otelpool/pgx/otelpool/internal/probe"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

// Monitor observes one pool. All methods are safe for concurrent use and none but Close and Shutdown waits for anything.
// A nil or zero Monitor observes nothing and its methods do nothing, so a program may go on when Instrument failed.
type Monitor struct {
	name   string
	pool   *pgxpool.Pool
	config *config
	hook   *tracer.Tracer // nil in stat-only mode

	sampler *observe.Sampler
	probe   *probe.Probe
	logs    *logs.Outlet
	spans   *spans.Outlet
	metrics *metrics.Outlet
	guard   *guard.Guard

	ending ending
}

// publish hands a view to everybody who wants to be told. None of them waits.
func (m *Monitor) publish(v *view.View) {
	m.logs.Put(v)
	m.spans.Put(v)
	m.metrics.Put(v)
	m.probe.Tell(v)
}

// absent reports whether there is nothing to observe: Instrument did not make m.
func (m *Monitor) absent() bool { return m == nil || m.sampler == nil }

// Name is the pool's name in all telemetry.
func (m *Monitor) Name() string {
	if m.absent() {
		return ""
	}
	return m.name
}

// Health returns the last judgement. It loads one pointer: it never touches the pool or the database. A judgement older than
// three intervals says nothing any more: its status is unknown, as it is when the Monitor has been closed for that long.
func (m *Monitor) Health() healthcheck.Report {
	if m.absent() {
		return healthcheck.Report{State: healthcheck.Initializing, Status: healthcheck.Unknown}
	}
	return *m.sampler.Latest().Judgement(time.Now())
}

// Holders returns every connection that is out of the pool right now, oldest first; nil in stat-only mode.
func (m *Monitor) Holders() []tracer.Holder {
	if m.absent() || m.hook == nil {
		return nil
	}
	return m.hook.Holders()
}

// Waiters returns the acquires that are waiting right now, oldest first, at most 512; nil in stat-only mode.
func (m *Monitor) Waiters() []tracer.Waiter {
	if m.absent() || m.hook == nil {
		return nil
	}
	return m.hook.Waiters()
}

// Sites returns the n call sites that held connections longest in sum; nil in stat-only mode or without stacks.
func (m *Monitor) Sites(n int) []tracer.SiteStat {
	if m.absent() || m.hook == nil || n <= 0 {
		return nil
	}
	return m.hook.Sites(n)
}

// Source is what the health endpoints read of this pool: the load of one pointer. That of a Monitor that observes nothing
// has nothing to tell.
func (m *Monitor) Source() healthcheck.Source {
	return func() *healthcheck.Snapshot {
		if m.absent() {
			return nil
		}
		return m.sampler.Latest().Health
	}
}

// Handler serves the pool over HTTP, read-only. Mount it where only operators and probes can reach it: it shows call
// sites, though never credentials or arguments.
//
//	/livez /startupz /readyz       probes; see [httphealth.Endpoints]
//	/health /health/database       the last judgement
//	/debug/pool/holders            who holds connections and who waits, as JSON
//	/debug/pool/holders.pb.gz      the holders as a profile, for go tool pprof
//
// Requests for health read one pointer. Those below /debug look at the holders at that moment; neither acquires a
// connection. To aggregate several pools, give their [Monitor.Source] to [httphealth.Handler].
//
// [httphealth.Handler]: https://pkg.go.dev/github.com/otelpool/pgx/healthcheck/httphealth#Handler
//
// [httphealth.Endpoints]: https://pkg.go.dev/github.com/otelpool/pgx/healthcheck/httphealth#Endpoints
func (m *Monitor) Handler() http.Handler {
	return web.Handler(web.Config{Pool: m.Name(), Health: m.Source(), Holders: m.Holders, Waiters: m.Waiters})
}

// WriteHoldersProfile writes the connections that are out of the pool now as a gzipped pprof profile: for each stack how
// many it holds and for how long they have been held, in nanoseconds.
//
//	go tool pprof -top http://localhost:8080/debug/pool/holders.pb.gz
func (m *Monitor) WriteHoldersProfile(w io.Writer) error {
	if err := web.HoldersProfile(m.Name(), m.Holders(), time.Now()).Write(w); err != nil {
		return fmt.Errorf("otelpool: write holders profile: %w", err)
	}
	return nil
}
