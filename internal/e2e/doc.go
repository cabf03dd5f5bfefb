// Package e2e holds the tests that run the product among the real programs it works with: an OpenTelemetry Collector
// with the configurations of collector-config, and a Prometheus. It is a module of its own, so that what these tests
// need is not what users of otelpool download.
//
//	cd internal/e2e && go test -count=1 -timeout 30m ./...
//
// The first run builds the Collector, which takes minutes; `go test` shows nothing meanwhile. With -count=1, since
// `go test` does not notice that a file outside this module changed, and would show the result for the old one.
//
// A test starts what it needs, by Run of package collector or prometheus, sends to the Collector's OTLPEndpoint, and
// reads back its Spans, Metrics and Logs, or queries Prometheus as a dashboard would.
//
// Prometheus must be installed: https://prometheus.io/download/, or the package `prometheus` of Debian and Ubuntu.
package e2e
