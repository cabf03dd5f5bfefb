package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/bridges/otelslog"

	"github.com/otelpool/pgx/internal/e2e/collector"
)

func TestAgent_DeliversWhatItTookWhileItsGatewayWasAway(t *testing.T) {
	gateway := collector.RunWith(t, collector.Config{
		Files:    []string{"gateway.yaml"},
		Overlays: []string{collector.FilesOnly},
	})
	host, port, err := net.SplitHostPort(strings.TrimPrefix(gateway.OTLPEndpoint(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	agent := collector.RunWith(t, collector.Config{
		Files: []string{"agent.yaml"},
		Env:   map[string]string{"GATEWAY_HOST": host, "GATEWAY_PORT": port, "GATEWAY_INSECURE": "true"},
	})
	if err := gateway.Kill(); err != nil {
		t.Fatal(err)
	}

	p := newProviders(t, agent.OTLPEndpoint())
	record(t, p.meter.Meter("example.com/shop"), usage)
	_, span := p.tracer.Tracer("example.com/shop").Start(t.Context(), "checkout")
	span.End()
	logger := slog.New(otelslog.NewHandler("example.com/shop", otelslog.WithLoggerProvider(p.logger)))
	logger.Warn("the pool is full", "otel.event.name", "pool.exhausted")
	p.flush(t)

	if err := gateway.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, func() error {
		metrics, err := gateway.Metrics()
		if err != nil {
			return err
		}
		spans, err := gateway.Spans()
		if err != nil {
			return err
		}
		logs, err := gateway.Logs()
		if err != nil {
			return err
		}
		if len(metrics) != 1 || len(spans) != 1 || len(logs) != 1 {
			return fmt.Errorf("%d metrics, %d spans, %d logs, want one of each", len(metrics), len(spans), len(logs))
		}
		if got := logs[0].EventName(); got != "pool.exhausted" {
			return fmt.Errorf("event name %q, want pool.exhausted", got)
		}
		return nil
	})
}

// TestAgent_SendsSpansQueuedForALostGatewayToItsReplacement: the gateway came back at another address, as a pod does.
func TestAgent_SendsSpansQueuedForALostGatewayToItsReplacement(t *testing.T) {
	run := func() (*collector.Collector, string) {
		c := collector.RunWith(t, collector.Config{Files: []string{"gateway.yaml"}, Overlays: []string{collector.FilesOnly}})
		return c, strings.TrimPrefix(c.OTLPEndpoint(), "http://")
	}
	gone, address := run()
	r := newRegistry(t, address)
	agent := collector.RunWith(t, collector.Config{Files: []string{"agent.yaml"}, Overlays: []string{fromRegistry}, Env: r.env()})
	p := newProviders(t, agent.OTLPEndpoint())
	send := func(name string) {
		_, span := p.tracer.Tracer("example.com/shop").Start(t.Context(), name)
		span.End()
		p.flush(t)
	}
	arrives := func(at *collector.Collector, name string) {
		t.Helper()
		awaitAll(t, func() error {
			spans, err := at.Spans()
			if err == nil && (len(spans) == 0 || spans[len(spans)-1].Name() != name) {
				err = fmt.Errorf("%d spans, the last of which is not %q", len(spans), name)
			}
			return err
		})
	}
	send("before")
	arrives(gone, "before")
	if err := gone.Kill(); err != nil {
		t.Fatal(err)
	}
	send("meanwhile")
	awaitAll(t, func() error { // it has been tried where nobody is
		return agent.Logged("connection refused")
	})
	there, address := run()
	r.set(address)
	arrives(there, "meanwhile")
}

// TestTrace_HasAllItsSpansAtOneGateway sends the spans of many traces one by one, each in an export of its own. Two gateways on
// one machine differ by their ports. DNS has no ports, so the gateways are listed. The rest of agent.yaml is what users get.
func TestTrace_HasAllItsSpansAtOneGateway(t *testing.T) {
	gateways := make([]*collector.Collector, 2)
	var listed []string
	for i := range gateways {
		gateways[i] = collector.RunWith(t, collector.Config{Files: []string{"gateway.yaml"}, Overlays: []string{collector.FilesOnly}})
		listed = append(listed, strings.TrimPrefix(gateways[i].OTLPEndpoint(), "http://"))
	}
	agent := collector.RunWith(t, collector.Config{
		Files: []string{"agent.yaml"},
		Overlays: []string{fmt.Sprintf("exporters: {load_balancing/gateway: {resolver: {dns: null, static: {hostnames: [%s]}}}}",
			strings.Join(listed, ", "))},
		Env: map[string]string{"GATEWAY_INSECURE": "true"},
	})

	const traces, spans = 40, 5
	p := newProviders(t, agent.OTLPEndpoint())
	tracer := p.tracer.Tracer("example.com/shop")
	contexts := make([]context.Context, traces)
	for n := range spans {
		for i := range contexts {
			if n == 0 {
				contexts[i] = t.Context()
			}
			ctx, span := tracer.Start(contexts[i], "checkout")
			span.End()
			contexts[i] = ctx
		}
		p.flush(t)
	}
	awaitAll(t, func() error {
		of := make(map[string]map[int]int) // spans by trace and gateway
		total := make([]int, len(gateways))
		for g, gateway := range gateways {
			arrived, err := gateway.Spans()
			if err != nil {
				return err
			}
			for _, s := range arrived {
				id := s.TraceID().String()
				if of[id] == nil {
					of[id] = make(map[int]int)
				}
				of[id][g]++
				total[g]++
			}
		}
		if total[0]+total[1] != traces*spans {
			return fmt.Errorf("%v spans arrived, want %d in all", total, traces*spans)
		}
		if total[0] == 0 || total[1] == 0 {
			return fmt.Errorf("%v spans arrived: nothing was balanced", total)
		}
		for id, by := range of {
			if len(by) != 1 {
				t.Errorf("trace %s is split: %v", id, by)
			}
		}
		return nil
	})
}
