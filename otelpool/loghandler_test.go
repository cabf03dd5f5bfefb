package otelpool_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
)

// handlerFunc is a log handler that is a function.
type handlerFunc func(slog.Record)

func (handlerFunc) Enabled(context.Context, slog.Level) bool        { return true }
func (h handlerFunc) Handle(_ context.Context, r slog.Record) error { h(r); return nil }
func (h handlerFunc) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h handlerFunc) WithGroup(string) slog.Handler                 { return h }
func withHandler(h func(slog.Record)) otelpool.Option {
	return otelpool.WithLogger(slog.New(handlerFunc(h)))
}

func TestLogHandler_ThatBlocksChangesNoJudgement(t *testing.T) {
	for name, block := range map[string]time.Duration{"for 2 s": 2 * time.Second, "for a day": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			reader := sdkmetric.NewManualReader()
			bubble(t, func(t *testing.T, b *bubbled) {
				conn := take(t, b.pool)
				for second := range 60 {
					time.Sleep(time.Second)
					if names(b.monitor, healthcheck.CauseProcessStarved) {
						t.Fatalf("after %d s the process is called starved", second)
					}
				}
				if got := causes(b.monitor); len(got) != 1 || got[0] != healthcheck.CauseLeak {
					t.Errorf("the causes are %v", got)
				}
				if age := time.Since(b.monitor.Health().At); age > time.Second {
					t.Errorf("the last judgement is %v old", age)
				}
				if level := sum(t, collect(t, reader), "otelpool.health.level"); level != 1 {
					t.Errorf("the level exported is %v", level)
				}
				conn.Release()
				if err := b.monitor.Close(); err != nil {
					t.Error(err)
				}
				time.Sleep(100 * block) // a bubble must not end before its goroutines
			}, withHandler(func(slog.Record) { time.Sleep(block) }),
				otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
		})
	}
}

// This was a deadlock: the probe logged with its lock held, and Stats wanted the same lock.
func TestLogHandler_MayAskTheMonitor(t *testing.T) {
	var monitor *otelpool.Monitor
	asked := make(map[string]bool)
	bubble(t, func(t *testing.T, b *bubbled) {
		monitor = b.monitor
		b.lose(t, func() { b.server.RefuseDial(refused()) })
		b.server.Accept()
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, message := range []string{"server probe could not connect", "pool is served again"} {
			if !asked[message] {
				t.Errorf("nothing was asked at %q", message)
			}
		}
	}, withHandler(func(r slog.Record) {
		if monitor != nil {
			useAll(t, monitor)
			asked[r.Message] = true
		}
	}))
}

func TestClose_WaitsTwoSecondsForALogHandlerThatBlocks(t *testing.T) {
	let := make(chan struct{})
	bubble(t, func(t *testing.T, b *bubbled) {
		let = make(chan struct{})
		take(t, b.pool).Release()
		time.Sleep(1500 * time.Millisecond)
		began := time.Now()
		if err := b.monitor.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		close(let)
	}, withHandler(func(slog.Record) { <-let }))
}

// blockingHandler blocks until its channel is closed.
type blockingHandler struct {
	slog.Handler
	until chan struct{}
}

func (h blockingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h blockingHandler) Handle(context.Context, slog.Record) error {
	<-h.until
	return nil
}
func (h blockingHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

func TestShutdown_DoesNotWaitForALogHandlerThatBlocks(t *testing.T) {
	blocked := make(chan struct{})
	pool := newPool(t, configured(t, quiet()...))
	monitor, err := otelpool.Instrument(pool, otelpool.WithLogger(slog.New(blockingHandler{slog.DiscardHandler, blocked})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("enough"))
	defer cancel()
	if err := monitor.Shutdown(ctx); err != nil { // the pool is closed: a slow log handler is no reason to fail
		t.Errorf("got %v", err)
	}
	if err := pool.Ping(t.Context()); err == nil {
		t.Error("the pool is open")
	}
	close(blocked)
	if err := monitor.Close(); err != nil {
		t.Error(err)
	}
}

// endingHandler calls end once, at the record of the first connection.
type endingHandler struct {
	slog.Handler
	once *sync.Once
	end  func()
}

func (endingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h endingHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "pool is connected" {
		h.once.Do(h.end)
	}
	return nil
}
func (h endingHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

func TestLogHandler_MayCloseItsMonitorAndShutItDown(t *testing.T) {
	for name, end := range map[string]func(*otelpool.Monitor) error{
		"Close":    (*otelpool.Monitor).Close,
		"Shutdown": func(m *otelpool.Monitor) error { return m.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			var made atomic.Pointer[otelpool.Monitor]
			ended := make(chan error, 1)
			handler := endingHandler{slog.DiscardHandler, new(sync.Once), func() { ended <- end(made.Load()) }}
			pool := newPool(t, configured(t, quiet()...))
			monitor := instrument(t, pool, otelpool.WithLogger(slog.New(handler)))
			made.Store(monitor)
			if err := pool.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Fatal("the log handler and the Monitor wait for each other")
			}
			if err := monitor.Close(); err != nil { // it is over now
				t.Error(err)
			}
		})
	}
}

func TestLogHandler_ThatPanicsAtOnceLeavesThePoolFree(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	monitor := instrument(t, pool, otelpool.WithLogger(slog.New((*slog.TextHandler)(nil))))
	if err := monitor.Close(); err != nil {
		t.Error(err)
	}
	instrument(t, pool)
}

// panickingHandler is a log handler that panics at each record.
type panickingHandler struct{ slog.Handler }

func (panickingHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickingHandler) Handle(context.Context, slog.Record) error { panic("no log today") }
func (h panickingHandler) WithAttrs([]slog.Attr) slog.Handler      { return h }

func TestLogHandler_ThatPanicsHarmsNobody(t *testing.T) {
	pool, monitor, _ := logged(t, slog.LevelInfo, otelpool.WithLogger(slog.New(panickingHandler{})), otelpool.WithLeakThreshold(time.Millisecond))
	for range 10 {
		acquire(t, t.Context(), pool).Release()
	}
	leak(t, t.Context(), pool)
	since := time.Now()
	eventually(t, "the sampler goes on", func() bool { return monitor.Health().At.After(since.Add(100 * time.Millisecond)) })
	if s := monitor.Stats(); s.TotalAcquisitions != 11 {
		t.Errorf("stats: %+v", s)
	}
}

// poolHandler writes its records to the database, by the pool that they are about.
type poolHandler struct {
	slog.Handler
	pool  *pgxpool.Pool
	calls *atomic.Int64
}

func (poolHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h poolHandler) Handle(context.Context, slog.Record) error {
	h.calls.Add(1)
	_, err := h.pool.Exec(context.Background(), "SELECT 1")
	return err
}
func (h poolHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

func TestLogHandler_MayUseThePoolThatItLogs(t *testing.T) {
	var calls atomic.Int64
	cfg := configured(t, quiet()...)
	cfg.MaxConns = 1
	pool := newPool(t, cfg)
	monitor := instrument(t, pool, otelpool.WithLogger(slog.New(poolHandler{slog.DiscardHandler, pool, &calls})))
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a record is written", func() bool { return calls.Load() > 0 && monitor.Stats().TotalReleases > 1 })
}
