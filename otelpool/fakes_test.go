package otelpool_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// brokenProvider makes instruments and then refuses the callback that would feed them.
type brokenProvider struct{ metric.MeterProvider }

func (p brokenProvider) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	return brokenMeter{p.MeterProvider.Meter(name, opts...)}
}

type brokenMeter struct{ metric.Meter }

var errBroken = errors.New("no callbacks today")

func (brokenMeter) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return nil, errBroken
}

// panickingProvider panics when it is asked for a meter.
type panickingProvider struct{ noop.MeterProvider }

func (panickingProvider) Meter(string, ...metric.MeterOption) metric.Meter { panic("no meters today") }

// everyTracer notes each event of all seven interfaces, and passes a context of its own on from start to end.
type everyTracer struct {
	mu     sync.Mutex // guards events
	events []string
}

type markKey struct{}

func (e *everyTracer) start(ctx context.Context, event string) context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, event)
	return context.WithValue(ctx, markKey{}, event)
}

func (e *everyTracer) end(ctx context.Context, event string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	mark, _ := ctx.Value(markKey{}).(string)
	e.events = append(e.events, fmt.Sprintf("%s (begun by %s, failed %v)", event, mark, err != nil))
}

func (e *everyTracer) seen() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.events...)
}

func (e *everyTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	return e.start(ctx, "query "+d.SQL)
}

func (e *everyTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryEndData) {
	e.end(ctx, "query end", d.Err)
}

func (e *everyTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return e.start(ctx, "batch")
}

func (e *everyTracer) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	e.end(ctx, "batch query "+d.SQL, d.Err)
}

func (e *everyTracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchEndData) {
	e.end(ctx, "batch end", d.Err)
}

func (e *everyTracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return e.start(ctx, "copy")
}

func (e *everyTracer) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, d pgx.TraceCopyFromEndData) {
	e.end(ctx, "copy end", d.Err)
}

func (e *everyTracer) TracePrepareStart(ctx context.Context, _ *pgx.Conn, d pgx.TracePrepareStartData) context.Context {
	return e.start(ctx, "prepare "+d.SQL)
}

func (e *everyTracer) TracePrepareEnd(ctx context.Context, _ *pgx.Conn, d pgx.TracePrepareEndData) {
	e.end(ctx, "prepare end", d.Err)
}

func (e *everyTracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return e.start(ctx, "connect")
}

func (e *everyTracer) TraceConnectEnd(ctx context.Context, d pgx.TraceConnectEndData) {
	e.end(ctx, "connect end", d.Err)
}

func (e *everyTracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return e.start(ctx, "acquire")
}

func (e *everyTracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, d pgxpool.TraceAcquireEndData) {
	e.end(ctx, "acquire end", d.Err)
}

func (e *everyTracer) TraceRelease(*pgxpool.Pool, pgxpool.TraceReleaseData) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, "release")
}
