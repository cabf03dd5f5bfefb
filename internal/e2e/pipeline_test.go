package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelpool/pgx/internal/e2e/await"
	"github.com/otelpool/pgx/internal/e2e/collector"
)

var errNothingYet = errors.New("nothing arrived")

// awaitAll repeats check until it finds what it looks for.
func awaitAll(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := await.Until(ctx, 50*time.Millisecond, check); err != nil {
		t.Fatal(err)
	}
}

// attr returns an attribute as text; a missing one is empty.
func attr(m pcommon.Map, key string) string {
	v, _ := m.Get(key)
	return v.AsString()
}

func TestMetric_ArrivesWithItsNameUnitAndAttributes(t *testing.T) {
	c := collector.Run(t)
	p := newProviders(t, c.OTLPEndpoint())
	counter, err := p.meter.Meter("example.com/shop").Int64Counter("otelpool.acquires", metric.WithUnit("{request}"))
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 7, metric.WithAttributes(attribute.String("outcome", "success")))
	p.flush(t)

	awaitAll(t, func() error {
		metrics, err := c.Metrics()
		if err != nil || len(metrics) == 0 {
			return errors.Join(errNothingYet, err)
		}
		m := metrics[len(metrics)-1]
		point := m.Sum().DataPoints().At(0)
		got := fmt.Sprintln(m.Name(), m.Unit(), m.Scope.Name(), attr(m.Resource.Attributes(), "service.name"),
			attr(point.Attributes(), "outcome"), point.IntValue())
		if want := "otelpool.acquires {request} example.com/shop shop success 7\n"; got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
	awaitAll(t, func() error {
		families, err := c.Prometheus(t.Context())
		if err != nil {
			return err
		}
		family := families["otelpool_acquires_total"]
		if family == nil {
			return fmt.Errorf("no otelpool_acquires_total at the Prometheus endpoint, only %v", names(families))
		}
		series := family.GetMetric()[0]
		if got := series.GetCounter().GetValue(); got != 7 {
			return fmt.Errorf("otelpool_acquires_total = %v, want 7", got)
		}
		if labels := collector.Labels(series); labels["outcome"] != "success" || labels["job"] != "e2e/shop" {
			return fmt.Errorf("labels = %v, want outcome and job", labels)
		}
		return nil
	})
}

func TestSpan_ArrivesWithItsAttributes(t *testing.T) {
	c := collector.Run(t)
	p := newProviders(t, c.OTLPEndpoint())
	_, span := p.tracer.Tracer("example.com/shop").Start(t.Context(), "checkout")
	span.SetAttributes(attribute.String("db.system.name", "postgresql"))
	span.End()
	p.flush(t)

	awaitAll(t, func() error {
		spans, err := c.Spans()
		if err != nil || len(spans) == 0 {
			return errors.Join(errNothingYet, err)
		}
		s := spans[0]
		got := fmt.Sprintln(s.Name(), s.TraceID(), attr(s.Attributes(), "db.system.name"),
			attr(s.Resource.Attributes(), "service.name"))
		if want := fmt.Sprintln("checkout", span.SpanContext().TraceID(), "postgresql", "shop"); got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
}

// TestLog_ArrivesWithItsEventNameAndTrace: the name may come by the attribute of the conventions or by that of older programs.
func TestLog_ArrivesWithItsEventNameAndTrace(t *testing.T) {
	for _, attribute := range []string{"otel.event.name", "event.name"} {
		t.Run(attribute, func(t *testing.T) { logArrives(t, attribute) })
	}
}

func logArrives(t *testing.T, attribute string) {
	c := collector.Run(t)
	p := newProviders(t, c.OTLPEndpoint())
	ctx, span := p.tracer.Tracer("example.com/shop").Start(t.Context(), "checkout")
	logger := slog.New(otelslog.NewHandler("example.com/shop", otelslog.WithLoggerProvider(p.logger)))
	logger.WarnContext(ctx, "a connection is held", attribute, "leak.suspected", "db.client.connection.pool.name", "main")
	span.End()
	p.flush(t)

	awaitAll(t, func() error {
		logs, err := c.Logs()
		if err != nil || len(logs) == 0 {
			return errors.Join(errNothingYet, err)
		}
		l := logs[0]
		got := fmt.Sprintln(l.EventName(), l.Body().AsString(), l.SeverityText(), l.SeverityNumber(), l.TraceID(),
			attr(l.Attributes(), "db.client.connection.pool.name"))
		want := fmt.Sprintln("leak.suspected", "a connection is held", "WARN", "Warn", span.SpanContext().TraceID(), "main")
		if got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		if name, ok := l.Attributes().Get(attribute); ok {
			return fmt.Errorf("the attribute %s is still there: %q", attribute, name.AsString())
		}
		return nil
	})
}

func TestSpan_ArrivesOverHTTPToo(t *testing.T) {
	c := collector.Run(t)
	const body = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"checkout",
		"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}]}]}]}`
	resp, err := http.Post(c.OTLPHTTPEndpoint()+"/v1/traces", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the collector answers %s", resp.Status)
	}
	awaitAll(t, func() error {
		spans, err := c.Spans()
		if err != nil || len(spans) == 0 {
			return errors.Join(errNothingYet, err)
		}
		if got := spans[0].Name(); got != "checkout" {
			return fmt.Errorf("span %q, want checkout", got)
		}
		return nil
	})
}
