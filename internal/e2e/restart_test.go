package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/otelpool/pgx/internal/e2e/collector"
)

func TestKilledCollector_ComesBackOnTheSamePortsAndKeepsWhatItHad(t *testing.T) {
	c := collector.Run(t)
	p := newProviders(t, c.OTLPEndpoint())
	spanArrives := func(n int) {
		t.Helper()
		_, span := p.tracer.Tracer("example.com/shop").Start(t.Context(), fmt.Sprintf("request %d", n))
		span.End()
		p.flush(t)
		awaitAll(t, func() error {
			spans, err := c.Spans()
			if err != nil || len(spans) != n {
				return errors.Join(fmt.Errorf("%d spans, want %d", len(spans), n), err)
			}
			return nil
		})
	}
	spanArrives(1)
	before := c.OTLPEndpoint()
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.OTLPEndpoint() != before {
		t.Fatalf("the endpoint moved from %s to %s", before, c.OTLPEndpoint())
	}
	spanArrives(2)
}

func TestCollector_SaysWhyItRefusesItsConfiguration(t *testing.T) {
	cfg := collector.Standard(t.TempDir())
	cfg.Overlays = append(cfg.Overlays, "receivers: {otlp: {protocols: {smoke: {}}}}")
	_, err := collector.Start(t.Context(), cfg)
	if err == nil {
		t.Fatal("it started")
	}
	if got := err.Error(); !strings.Contains(got, "smoke") || !strings.Contains(got, "ended before it was ready") {
		t.Fatalf("the error does not say why: %v", err)
	}
}
