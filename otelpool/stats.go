package otelpool

import (
	"slices"
	"time"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

// Stats is the pool in numbers. Counters run since the pool was built, or in stat-only mode since pgxpool counts; what
// only the hook can see is zero there.
type Stats struct {
	TotalConnections  int32   `json:"total_connections"`
	IdleConnections   int32   `json:"idle_connections"`
	ActiveConnections int32   `json:"active_connections"`
	WaitingRequests   int64   `json:"waiting_requests"` // acquires that have not ended
	MaxConnections    int32   `json:"max_connections"`
	UsagePercent      float64 `json:"usage_percent"` // active of max

	AvgAcquisitionTimeMS  float64 `json:"avg_acquisition_time_ms"` // failed acquires included
	PeakActiveConnections int64   `json:"peak_active_connections"`
	PeakWaitTimeMS        float64 `json:"peak_wait_time_ms"`

	TotalAcquisitions  int64 `json:"total_acquisitions"` // that got a connection
	TotalReleases      int64 `json:"total_releases"`
	ConnectionsCreated int64 `json:"connections_created"`
	ConnectionsReused  int64 `json:"connections_reused"` // acquisitions less connections created: too low by those never acquired
	ConnectionsClosed  int64 `json:"connections_closed"`

	PoolCreatedAt   time.Time `json:"pool_created_at"` // when it was instrumented
	LastHealthCheck time.Time `json:"last_health_check"`
	LastError       string    `json:"last_error"` // of an acquire or a connect, without secrets; in stat-only mode of the server probe
	LastErrorTime   time.Time `json:"last_error_time,omitzero"`

	History []Point `json:"history"` // one a tick, oldest first, at most 120
}

// Point is what one tick saw, for charts.
type Point struct {
	At      time.Time          `json:"at"`
	Total   int32              `json:"total"`
	Idle    int32              `json:"idle"`
	Active  int32              `json:"active"`
	Waiting int64              `json:"waiting"`
	PeakMS  float64            `json:"peak_wait_ms"` // longest wait that ended in this tick
	Status  healthcheck.Status `json:"status"`
}

const maxPoints = 120

// Stats returns counters, peaks, times and the last error as of now: unlike every other outlet it asks the pool, whose
// statistics take its lock for about 100 ns. History is as of the last tick.
func (m *Monitor) Stats() Stats {
	if m.absent() {
		return Stats{}
	}
	stat, last := m.pool.Stat(), m.last.Load()
	s := Stats{
		TotalConnections: stat.TotalConns(), IdleConnections: stat.IdleConns(), ActiveConnections: stat.AcquiredConns(),
		MaxConnections: stat.MaxConns(), TotalAcquisitions: stat.AcquireCount(),
		PoolCreatedAt: m.tick.started, LastHealthCheck: last.at, History: slices.Clone(last.recent),
	}
	if s.MaxConnections > 0 {
		s.UsagePercent = 100 * float64(s.ActiveConnections) / float64(s.MaxConnections)
	}
	if m.tracer == nil {
		probe := m.prober.state().probe
		s.LastError, s.LastErrorTime = m.lastError(nil, &probe)
		if n := stat.AcquireCount(); n > 0 {
			s.AvgAcquisitionTimeMS = milliseconds(stat.AcquireDuration()) / float64(n)
		}
		return s
	}
	c, f := m.tracer.Counters(), m.tracer.Faults()
	s.WaitingRequests, s.PeakActiveConnections, s.PeakWaitTimeMS = c.Waiting, c.MaxHeld, milliseconds(c.MaxWait)
	s.TotalAcquisitions, s.TotalReleases, s.ConnectionsCreated = c.Counts[counts.Acquired], c.Counts[counts.Released], c.Counts[counts.Opened]
	s.ConnectionsReused = max(0, c.Counts[counts.Acquired]-c.Counts[counts.Opened])
	for i := range tracer.Reasons {
		s.ConnectionsClosed += c.Counts[counts.ClosedBroken+counts.Name(i)]
	}
	if ended := c.Counts[counts.Acquired] + c.Counts[counts.TimedOut] + c.Counts[counts.Canceled] + c.Counts[counts.Failed]; ended > 0 {
		s.AvgAcquisitionTimeMS = milliseconds(c.Counts.Time(counts.WaitTime)) / float64(ended)
	}
	s.LastError, s.LastErrorTime = m.lastError(&f, nil)
	return s
}

// lastError is the later of the last connect and the last acquire that failed. Without the hook, which alone sees these, it is the
// probe's.
func (m *Monitor) lastError(f *tracer.Faults, p *healthcheck.Probe) (text string, at time.Time) {
	switch {
	case m.tracer == nil:
		return p.Error, p.ErrorAt
	case f.Connect.At.After(f.Acquire.At):
		return f.Connect.Text, f.Connect.At
	}
	return f.Acquire.Text, f.Acquire.At
}

func (m *Monitor) point(o *observation) Point {
	return Point{
		At: o.at, Total: o.stat.TotalConns(), Idle: o.stat.IdleConns(), Active: o.stat.AcquiredConns(),
		Waiting: o.snap.Counters.Waiting, PeakMS: milliseconds(o.snap.PeakWait), Status: o.report.Status,
	}
}

// appendPoint returns a new slice: the old one belongs to readers.
func appendPoint(points []Point, p Point) []Point {
	if len(points) >= maxPoints {
		points = points[len(points)-maxPoints+1:]
	}
	return append(slices.Clip(points), p)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
