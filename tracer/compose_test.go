package tracer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

// The traps that pgx sets for those who compose tracers.

// diary is a tracer that notes every event, and what its own Start put into the context.
type diary struct {
	name string
	mu   sync.Mutex // guards the rest
	seen []string
	lost []string // events that came without the context of their start
}

type diaryKey struct{ *diary }

func (d *diary) start(ctx context.Context, event string) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, event+" start")
	return context.WithValue(ctx, diaryKey{d}, event)
}

func (d *diary) end(ctx context.Context, event string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, event+" end")
	if ctx.Value(diaryKey{d}) != event {
		d.lost = append(d.lost, event)
	}
}

func (d *diary) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return d.start(ctx, "query")
}
func (d *diary) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	d.end(ctx, "query")
}
func (d *diary) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return d.start(ctx, "batch")
}
func (d *diary) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchQueryData) {
	d.end(ctx, "batch")
}
func (d *diary) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
	d.end(ctx, "batch")
}
func (d *diary) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return d.start(ctx, "copy")
}
func (d *diary) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromEndData) {
	d.end(ctx, "copy")
}
func (d *diary) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	return d.start(ctx, "prepare")
}
func (d *diary) TracePrepareEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareEndData) {
	d.end(ctx, "prepare")
}
func (d *diary) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return d.start(ctx, "connect")
}
func (d *diary) TraceConnectEnd(ctx context.Context, _ pgx.TraceConnectEndData) {
	d.end(ctx, "connect")
}
func (d *diary) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return d.start(ctx, "acquire")
}
func (d *diary) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	d.end(ctx, "acquire")
}
func (d *diary) TraceRelease(*pgxpool.Pool, pgxpool.TraceReleaseData) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, "release")
}

// everything makes each kind of event happen once.
func everything(t *testing.T, pool *pgxpool.Pool) {
	ctx := t.Context()
	conn, err := pool.Acquire(ctx)
	fail(t, err)
	defer conn.Release()
	_, err = conn.Exec(ctx, "SELECT 1")
	fail(t, err)
	_, err = conn.Conn().Prepare(ctx, "one", "SELECT 1")
	fail(t, err)
	batch := &pgx.Batch{}
	batch.Queue("SELECT 1")
	fail(t, conn.SendBatch(ctx, batch).Close())
	_, err = conn.Conn().CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a"}, pgx.CopyFromRows([][]any{{1}}))
	fail(t, err)
}

func TestCompose_LosesNoneOfTheSevenInterfaces(t *testing.T) {
	alone, before := &diary{name: "alone"}, &diary{name: "before"}
	for _, d := range []*diary{alone, before} {
		synctest.Test(t, func(t *testing.T) {
			srv := wire.NewServer()
			defer srv.Close()
			cfg := srv.Config(t, "pool_max_conns=1")
			cfg.ConnConfig.Tracer = d
			if d == before {
				install(cfg, tracer.Options{})
			}
			pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
			fail(t, err)
			defer pool.Close()
			everything(t, pool)
		})
	}
	if !slices.Equal(alone.seen, before.seen) {
		t.Errorf("alone it saw\n%v\ncomposed\n%v", alone.seen, before.seen)
	}
	for _, kind := range []string{"query", "batch", "copy", "prepare", "connect", "acquire"} {
		if !slices.Contains(before.seen, kind+" start") || !slices.Contains(before.seen, kind+" end") {
			t.Errorf("no %s among %v", kind, before.seen)
		}
	}
	if !slices.Contains(before.seen, "release") || len(before.lost) > 0 {
		t.Errorf("seen %v; without their context: %v", before.seen, before.lost)
	}
}

func TestCompose_CallsTracersInOrderWithOneContext(t *testing.T) {
	first, second := &diary{name: "first"}, &diary{name: "second"}
	hook := tracer.New(tracer.Options{})
	composed := tracer.Compose(hook, nil, first, nil, second)
	multi, ok := composed.(*multitracer.Tracer)
	if !ok || len(multi.QueryTracers) != 3 {
		t.Fatalf("composed %T", composed)
	}
	for i, want := range []pgx.QueryTracer{first, second, hook} {
		if multi.QueryTracers[i] != want {
			t.Errorf("place %d: %T", i, multi.QueryTracers[i])
		}
	}
	ctx := multi.TraceQueryStart(t.Context(), nil, pgx.TraceQueryStartData{})
	if ctx.Value(diaryKey{first}) == nil || ctx.Value(diaryKey{second}) == nil {
		t.Error("a context was lost")
	}
	if tracer.Compose(hook) != pgx.QueryTracer(hook) {
		t.Error("a tracer alone is composed with nothing")
	}
}

func TestFind_LooksThroughNestedMultitracers(t *testing.T) {
	hook := tracer.New(tracer.Options{})
	deep := multitracer.New(&diary{}, multitracer.New(&diary{}, multitracer.New(hook)))
	if found, ok := tracer.Find[*tracer.Tracer](deep); !ok || found != hook {
		t.Errorf("found %v, %v", found, ok)
	}
	if found, ok := tracer.Find[*tracer.Tracer](hook); !ok || found != hook {
		t.Errorf("found %v, %v", found, ok)
	}
	for _, without := range []any{nil, &diary{}, multitracer.New(&diary{}), (*multitracer.Tracer)(nil), 42} {
		if _, ok := tracer.Find[*tracer.Tracer](without); ok {
			t.Errorf("found in %T", without)
		}
	}
}
