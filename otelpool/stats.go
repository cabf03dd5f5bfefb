package otelpool

import (
	"time"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
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

	AvgAcquisitionTimeMS  float64 `json:"avg_acquisition_time_ms"` // of the acquires that ended in the last minute, failed ones included
	PeakActiveConnections int64   `json:"peak_active_connections"`
	PeakWaitTimeMS        float64 `json:"peak_wait_time_ms"`

	TotalAcquisitions  int64 `json:"total_acquisitions"` // that got a connection
	EmptyAcquisitions  int64 `json:"empty_acquisitions"` // of these, the ones that found no idle connection: they waited or connected
	TotalReleases      int64 `json:"total_releases"`
	ConnectionsCreated int64 `json:"connections_created"`
	ConnectionsReused  int64 `json:"connections_reused"` // acquisitions less connections created: too low by those never acquired
	ConnectionsClosed  int64 `json:"connections_closed"`

	PoolCreatedAt   time.Time `json:"pool_created_at"` // when it was instrumented
	LastHealthCheck time.Time `json:"last_health_check"`
	LastError       string    `json:"last_error"` // of an acquire or a connect, or a lost connection, without secrets; in stat-only mode of the server probe
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

// Stats returns counters, peaks, times and the last error as of now: it asks the pool, whose statistics take its lock for
// about 100 ns. History and the average wait are as of the last tick.
func (m *Monitor) Stats() Stats {
	if m.absent() {
		return Stats{}
	}
	v := m.sampler.Now()
	c := &v.Hook.Counters
	s := Stats{
		TotalConnections: int32(v.Stat.Total), IdleConnections: int32(v.Stat.Idle), ActiveConnections: int32(v.Stat.Used),
		WaitingRequests: c.Waiting, MaxConnections: int32(v.Stat.Max), UsagePercent: 100 * v.Stat.Usage(),

		AvgAcquisitionTimeMS:  milliseconds(v.MeanWait),
		PeakActiveConnections: c.MaxHeld, PeakWaitTimeMS: milliseconds(c.MaxWait),

		TotalAcquisitions: v.Stat.Acquires, EmptyAcquisitions: v.Stat.EmptyAcquires,
		PoolCreatedAt: v.StartedAt, LastHealthCheck: v.At,
	}
	s.LastError, s.LastErrorTime = v.LastError()
	for _, p := range v.History {
		s.History = append(s.History, Point{
			At: p.At, Total: int32(p.Total), Idle: int32(p.Idle), Active: int32(p.Used), Waiting: int64(p.Waiting),
			PeakMS: milliseconds(p.PeakWait), Status: p.Status,
		})
	}
	if !v.HasHook {
		return s
	}
	s.TotalAcquisitions, s.TotalReleases = c.Counts[counts.Acquired], c.Counts[counts.Released]
	s.ConnectionsCreated = c.Counts[counts.Opened]
	s.ConnectionsReused = max(0, s.TotalAcquisitions-s.ConnectionsCreated)
	for n := counts.ClosedBroken; n <= counts.ClosedDiscarded; n++ {
		s.ConnectionsClosed += c.Counts[n]
	}
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
