package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/contrib/bridges/otelslog"

	"github.com/otelpool/pgx/internal/e2e/collector"
)

// backend stands for Prometheus and Loki: it keeps the last request of each path.
type backend struct {
	*httptest.Server
	mu   sync.Mutex
	last map[string][]byte
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{last: map[string][]byte{}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			body = unzipped
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.last[r.URL.Path] = raw
	}))
	t.Cleanup(b.Close)
	return b
}

// request returns the last request to a path.
func (b *backend) request(path string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	raw, ok := b.last[path]
	if !ok {
		return nil, fmt.Errorf("no request for %s", path)
	}
	return raw, nil
}

func TestCollector_PushesMetricsToPrometheusAndLogsToLoki(t *testing.T) {
	b := newBackend(t)
	c := collector.RunWith(t, collector.Config{
		Files: []string{"collector.yaml", "collector-prometheus-otlp.yaml"},
		Env: map[string]string{
			"PROMETHEUS_OTLP_ENDPOINT": b.URL + "/api/v1/otlp",
			"LOKI_ENDPOINT":            b.URL + "/otlp",
		},
	})
	p := newProviders(t, c.OTLPEndpoint())
	record(t, p.meter.Meter("example.com/shop"), usage)
	logger := slog.New(otelslog.NewHandler("example.com/shop", otelslog.WithLoggerProvider(p.logger)))
	logger.Info("the pool is up", "otel.event.name", "pool.initialized")
	p.flush(t)

	awaitAll(t, func() error {
		raw, err := b.request("/api/v1/otlp/v1/metrics")
		if err != nil {
			return err
		}
		req := pmetricotlp.NewExportRequest()
		if err := req.UnmarshalProto(raw); err != nil {
			return err
		}
		if got := req.Metrics().ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Name(); got != "otelpool.usage" {
			return fmt.Errorf("the push to Prometheus has %s, want otelpool.usage", got)
		}
		return nil
	})
	awaitAll(t, func() error {
		raw, err := b.request("/otlp/v1/logs")
		if err != nil {
			return err
		}
		req := plogotlp.NewExportRequest()
		if err := req.UnmarshalProto(raw); err != nil {
			return err
		}
		if got := req.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).EventName(); got != "pool.initialized" {
			return fmt.Errorf("the push to Loki has the event %q, want pool.initialized", got)
		}
		return nil
	})
}

func TestCollector_SendsTracesToTempoAndToJaeger(t *testing.T) {
	// A second Collector stands for both, and writes down what each of them would get.
	stores := collector.RunWith(t, collector.Config{
		Files:    []string{"gateway.yaml"},
		Overlays: []string{collector.FilesOnly},
	})
	endpoint := strings.TrimPrefix(stores.OTLPEndpoint(), "http://")
	c := collector.RunWith(t, collector.Config{
		Files: []string{"collector.yaml"},
		Env:   map[string]string{"TEMPO_ENDPOINT": endpoint, "JAEGER_ENDPOINT": endpoint},
	})
	p := newProviders(t, c.OTLPEndpoint())
	_, span := p.tracer.Tracer("example.com/shop").Start(t.Context(), "checkout")
	span.End()
	p.flush(t)

	awaitAll(t, func() error {
		spans, err := stores.Spans()
		if err != nil {
			return err
		}
		if len(spans) != 2 {
			return fmt.Errorf("%d spans arrived, want one for each store", len(spans))
		}
		if a, b := spans[0].SpanID(), spans[1].SpanID(); a != b {
			return fmt.Errorf("spans %v and %v, want the same twice", a, b)
		}
		return nil
	})
}
