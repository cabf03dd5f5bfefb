package grpchealth

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/otelpool/pgx/healthcheck"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pool is a pool whose state the test sets.
type pool struct {
	atomic.Pointer[healthcheck.Snapshot]
	name string
}

func newPool(name string, state healthcheck.State) *pool {
	p := &pool{name: name}
	p.set(state)
	return p
}

func (p *pool) set(state healthcheck.State) {
	p.Store(&healthcheck.Snapshot{Report: &healthcheck.Report{
		Pool: p.name, State: state, Status: state.Status(), At: time.Now(),
	}})
}

// dial serves s in memory and returns a client.
func dial(t *testing.T, s *Server) healthpb.HealthClient {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///pools", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return healthpb.NewHealthClient(conn)
}

func TestCheck_MapsStatusToServing(t *testing.T) {
	for state, want := range map[healthcheck.State]servingStatus{
		healthcheck.Initializing:   healthpb.HealthCheckResponse_UNKNOWN,
		healthcheck.StateHealthy:   healthpb.HealthCheckResponse_SERVING,
		healthcheck.StateDegraded:  healthpb.HealthCheckResponse_SERVING,
		healthcheck.StateUnhealthy: healthpb.HealthCheckResponse_NOT_SERVING,
		healthcheck.Recovering:     healthpb.HealthCheckResponse_SERVING,
		healthcheck.ShuttingDown:   healthpb.HealthCheckResponse_NOT_SERVING,
		healthcheck.Terminated:     healthpb.HealthCheckResponse_NOT_SERVING,
	} {
		s := New(newPool("orders", state).Load)
		for _, name := range []string{"", "orders"} {
			got, err := s.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
			if err != nil || got.GetStatus() != want {
				t.Errorf("%s, %q: %v %v, want %v", state, name, got, err, want)
			}
		}
	}
}

func TestCheck_TheEmptyNameIsTheWorstOfAll(t *testing.T) {
	for _, c := range []struct {
		states []healthcheck.State
		want   servingStatus
	}{
		{nil, healthpb.HealthCheckResponse_UNKNOWN},
		{[]healthcheck.State{healthcheck.StateHealthy, healthcheck.StateDegraded}, healthpb.HealthCheckResponse_SERVING},
		{[]healthcheck.State{healthcheck.StateHealthy, healthcheck.Initializing}, healthpb.HealthCheckResponse_UNKNOWN},
		{[]healthcheck.State{healthcheck.Initializing, healthcheck.StateUnhealthy}, healthpb.HealthCheckResponse_NOT_SERVING},
	} {
		s := New()
		for _, state := range c.states {
			s.Sources = append(s.Sources, newPool(string(state), state).Load)
		}
		if got := s.lookup(""); got != c.want {
			t.Errorf("%v: %v, want %v", c.states, got, c.want)
		}
		list, err := s.List(t.Context(), nil)
		if err != nil || len(list.GetStatuses()) != len(c.states)+1 {
			t.Errorf("%v: %v %v", c.states, list, err)
		}
	}
}

func TestCheck_ASourceWithNothingToTellIsUnknown(t *testing.T) {
	for name, source := range map[string]healthcheck.Source{
		"nil":         nil,
		"no snapshot": func() *healthcheck.Snapshot { return nil },
		"no report":   func() *healthcheck.Snapshot { return &healthcheck.Snapshot{} },
	} {
		s := New(newPool("orders", healthcheck.StateHealthy).Load, source)
		if got := s.lookup(""); got != healthpb.HealthCheckResponse_UNKNOWN {
			t.Errorf("%s: %v", name, got)
		}
		if got := s.lookup("orders"); got != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%s: the other pool is %v", name, got)
		}
		list, err := s.List(t.Context(), nil)
		if err != nil || len(list.GetStatuses()) != 2 || list.GetStatuses()[""].GetStatus() != healthpb.HealthCheckResponse_UNKNOWN {
			t.Errorf("%s: %v %v", name, list, err)
		}
	}
}

func TestCheck_AnUnknownNameIsNotFound(t *testing.T) {
	client := dial(t, New(newPool("orders", healthcheck.StateHealthy).Load, func() *healthcheck.Snapshot { return nil }))
	_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "nobody"})
	if status.Code(err) != codes.NotFound {
		t.Error(err)
	}
}

func TestWatch_SendsChangesOnlyAndEndsWithItsClient(t *testing.T) {
	p := newPool("orders", healthcheck.Initializing)
	s := New(p.Load)
	s.Interval = time.Millisecond
	client := dial(t, s)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := client.Watch(ctx, &healthpb.HealthCheckRequest{Service: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		state healthcheck.State
		want  servingStatus
	}{
		{healthcheck.Initializing, healthpb.HealthCheckResponse_UNKNOWN},
		{healthcheck.StateHealthy, healthpb.HealthCheckResponse_SERVING},
		{healthcheck.StateUnhealthy, healthpb.HealthCheckResponse_NOT_SERVING},
		{healthcheck.Recovering, healthpb.HealthCheckResponse_SERVING},
	} {
		p.set(step.state)
		got, err := stream.Recv()
		if err != nil || got.GetStatus() != step.want {
			t.Fatalf("%s: %v %v, want %v", step.state, got, err, step.want)
		}
	}
	p.set(healthcheck.StateHealthy) // still serving: nothing to send
	time.Sleep(20 * time.Millisecond)
	p.set(healthcheck.ShuttingDown)
	if got, err := stream.Recv(); err != nil || got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("%v %v", got, err)
	}
	cancel()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	ends(t, s)
}

// ends waits until no watch is open.
func ends(t *testing.T, s *Server) {
	t.Helper()
	for range 2000 {
		if s.watches.Load() == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d watches are still open", s.watches.Load())
}

func TestWatch_AcceptsAnUnknownName(t *testing.T) {
	s := New()
	s.Interval = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := dial(t, s).Watch(ctx, &healthpb.HealthCheckRequest{Service: "later"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := stream.Recv(); err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		t.Errorf("%v %v", got, err)
	}
}

func TestWatch_IsBounded(t *testing.T) {
	s := New(newPool("orders", healthcheck.StateHealthy).Load)
	s.MaxWatches = 1
	client := dial(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Recv(); err != nil {
		t.Fatal(err)
	}
	second, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = second.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
}
