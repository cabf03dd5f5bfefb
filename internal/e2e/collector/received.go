package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Origin says where a span, metric or log record came from.
type Origin struct {
	Resource pcommon.Resource
	Scope    pcommon.InstrumentationScope
}

// Span is a span the Collector exported.
type Span struct {
	Origin
	ptrace.Span
}

// Metric is a metric the Collector exported. The same metric is exported again and again: the last one counts.
type Metric struct {
	Origin
	pmetric.Metric
}

// Log is a log record the Collector exported.
type Log struct {
	Origin
	plog.LogRecord
}

// Spans returns all spans exported so far, in the order of their export, those before a Restart included.
func (c *Collector) Spans() ([]Span, error) {
	var spans []Span
	err := c.eachLine("traces.jsonl", func(line []byte) error {
		batch, err := new(ptrace.JSONUnmarshaler).UnmarshalTraces(line)
		if err != nil {
			return err
		}
		for _, r := range batch.ResourceSpans().All() {
			for _, s := range r.ScopeSpans().All() {
				for _, span := range s.Spans().All() {
					spans = append(spans, Span{Origin{r.Resource(), s.Scope()}, span})
				}
			}
		}
		return nil
	})
	return spans, err
}

// Metrics returns all metrics exported so far, in the order of their export, those before a Restart included.
func (c *Collector) Metrics() ([]Metric, error) {
	var metrics []Metric
	err := c.eachLine("metrics.jsonl", func(line []byte) error {
		batch, err := new(pmetric.JSONUnmarshaler).UnmarshalMetrics(line)
		if err != nil {
			return err
		}
		for _, r := range batch.ResourceMetrics().All() {
			for _, s := range r.ScopeMetrics().All() {
				for _, metric := range s.Metrics().All() {
					metrics = append(metrics, Metric{Origin{r.Resource(), s.Scope()}, metric})
				}
			}
		}
		return nil
	})
	return metrics, err
}

// Logs returns all log records exported so far, in the order of their export, those before a Restart included.
func (c *Collector) Logs() ([]Log, error) {
	var logs []Log
	err := c.eachLine("logs.jsonl", func(line []byte) error {
		batch, err := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
		if err != nil {
			return err
		}
		for _, r := range batch.ResourceLogs().All() {
			for _, s := range r.ScopeLogs().All() {
				for _, record := range s.LogRecords().All() {
					logs = append(logs, Log{Origin{r.Resource(), s.Scope()}, record})
				}
			}
		}
		return nil
	})
	return logs, err
}

// eachLine reads one signal's file of every run, in order. A last line without its newline is still being written, or
// was when the Collector was killed: it is left out.
func (c *Collector) eachLine(name string, read func([]byte) error) error {
	for run := 1; run <= c.run; run++ {
		path := filepath.Join(c.cfg.Dir, fmt.Sprintf("run-%d", run), name)
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // that run never got as far
			continue
		}
		if err != nil {
			return fmt.Errorf("read what the collector received: %w", err)
		}
		for line := range bytes.Lines(raw) {
			if !bytes.HasSuffix(line, []byte("\n")) {
				break
			}
			if err := read(line); err != nil {
				return fmt.Errorf("read what the collector received: %s: %w", path, err)
			}
		}
	}
	return nil
}
