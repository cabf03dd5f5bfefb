// Package grpchealth serves the health of pools by the gRPC health checking protocol, grpc.health.v1.
//
// The service name is the name of a pool, and "" is all of them, the worst winning. Healthy and degraded pools are SERVING,
// unhealthy and draining ones NOT_SERVING, and one of which nothing is known yet is UNKNOWN.
package grpchealth

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/otelpool/pgx/healthcheck"
)

const (
	// DefaultInterval is how often a watch looks for a change.
	DefaultInterval = time.Second
	// DefaultMaxWatches bounds the watches that are open at a time.
	DefaultMaxWatches = 1024
)

// Server implements the health service over the snapshots of pools. Set the fields before it serves. It starts no
// goroutine of its own: each watch lives and dies with its call.
type Server struct {
	healthpb.UnimplementedHealthServer

	Sources    []healthcheck.Source
	Interval   time.Duration // of looking for changes in a watch; 0 is [DefaultInterval]
	MaxWatches int64         // beyond it a watch fails with RESOURCE_EXHAUSTED; 0 is [DefaultMaxWatches]
	StaleAfter time.Duration // as in [healthcheck.Snapshot.AsOf]

	watches atomic.Int64
}

var _ healthpb.HealthServer = (*Server)(nil)

// New returns a [Server] of the given pools, with defaults. Register it by healthpb.RegisterHealthServer.
func New(pools ...healthcheck.Source) *Server { return &Server{Sources: pools} }

type servingStatus = healthpb.HealthCheckResponse_ServingStatus

// Check returns the status of a pool, or NOT_FOUND if there is none of that name.
func (s *Server) Check(_ context.Context, in *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	serving := s.lookup(in.GetService())
	if serving == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	return &healthpb.HealthCheckResponse{Status: serving}, nil
}

// List returns the status of every pool and, under "", of all together.
func (s *Server) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	out := map[string]*healthpb.HealthCheckResponse{"": {Status: s.lookup("")}}
	for _, source := range s.Sources {
		if snap := source.Load(); snap.Report.Pool != "" {
			out[snap.Report.Pool] = &healthpb.HealthCheckResponse{Status: s.serving(snap)}
		}
	}
	return &healthpb.HealthListResponse{Statuses: out}, nil
}

// Watch sends the status of a pool, and again whenever it has changed, until the client goes. A name that is not known may
// become so: the protocol has it watched as SERVICE_UNKNOWN.
func (s *Server) Watch(in *healthpb.HealthCheckRequest, stream healthpb.Health_WatchServer) error {
	defer s.watches.Add(-1)
	if s.watches.Add(1) > or(s.MaxWatches, DefaultMaxWatches) {
		return status.Error(codes.ResourceExhausted, "too many watches")
	}
	tick := time.NewTicker(or(s.Interval, DefaultInterval))
	defer tick.Stop()

	sent := servingStatus(-1)
	for {
		if now := s.lookup(in.GetService()); now != sent {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: now}); err != nil {
				return status.Error(codes.Canceled, "stream has ended")
			}
			sent = now
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return status.Error(codes.Canceled, "stream has ended")
		}
	}
}

func or[T int64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// lookup returns the status of the named pool, or of all together.
func (s *Server) lookup(name string) servingStatus {
	if name == "" {
		return s.all()
	}
	for _, source := range s.Sources {
		if snap := source.Load(); snap.Report.Pool == name {
			return s.serving(snap)
		}
	}
	return healthpb.HealthCheckResponse_SERVICE_UNKNOWN
}

// all is NOT_SERVING if any pool is, else UNKNOWN if any is, or if there is none.
func (s *Server) all() servingStatus {
	worst := healthpb.HealthCheckResponse_SERVING
	if len(s.Sources) == 0 {
		worst = healthpb.HealthCheckResponse_UNKNOWN
	}
	for _, source := range s.Sources {
		switch now := s.serving(source.Load()); now {
		case healthpb.HealthCheckResponse_NOT_SERVING:
			return now
		case healthpb.HealthCheckResponse_UNKNOWN:
			worst = now
		}
	}
	return worst
}

func (s *Server) serving(snap *healthcheck.Snapshot) servingStatus {
	status := snap.AsOf(time.Now(), s.StaleAfter).Status
	switch {
	case snap.Draining(), status == healthcheck.Unhealthy:
		return healthpb.HealthCheckResponse_NOT_SERVING
	case status == healthcheck.Unknown:
		return healthpb.HealthCheckResponse_UNKNOWN
	}
	return healthpb.HealthCheckResponse_SERVING
}
