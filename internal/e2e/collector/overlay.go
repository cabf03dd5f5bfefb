package collector

import _ "embed"

// PrometheusAndFiles is an overlay for collector.yaml: metrics still go to its Prometheus exporter, and all signals go
// to files. Everything else stays as users have it.
//
//go:embed overlay-prometheus.yaml
var PrometheusAndFiles string

// FilesOnly is an overlay for configurations without a Prometheus exporter: all signals go to files.
//
//go:embed overlay-files.yaml
var FilesOnly string
