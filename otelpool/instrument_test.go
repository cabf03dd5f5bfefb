package otelpool_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

func TestInstrument_RefusesAPoolThatCannotBeObserved(t *testing.T) {
	if _, err := otelpool.Instrument(nil); !errors.Is(err, otelpool.ErrNilPool) {
		t.Errorf("nil: got %v", err)
	}
	closed := newPool(t, configured(t, quiet()...))
	closed.Close()
	if _, err := otelpool.Instrument(closed); !errors.Is(err, otelpool.ErrPoolClosed) {
		t.Errorf("closed: got %v", err)
	}
	if _, err := otelpool.Instrument(closed, otelpool.WithStackDepth(-1)); !errors.Is(err, otelpool.ErrPoolClosed) || !errors.Is(err, otelpool.ErrInvalidOption) {
		t.Errorf("closed, and a bad option: got %v, want both", err)
	}
	cfg := configured(t, quiet()...)
	first, second := newPool(t, cfg), newPool(t, cfg)
	instrument(t, first)
	if _, err := otelpool.Instrument(second); !errors.Is(err, otelpool.ErrSharedHook) {
		t.Errorf("a shared hook: got %v", err)
	}
}

func TestInstrument_ObservesAPoolOnceAtATime(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	for range 3 {
		monitor := instrument(t, pool)
		if _, err := otelpool.Instrument(pool); !errors.Is(err, otelpool.ErrInstrumented) {
			t.Fatalf("got %v, want ErrInstrumented", err)
		}
		if _, err := pool.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		if err := monitor.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := instrument(t, pool).Stats().TotalReleases; got != 3 {
		t.Errorf("the counters of the hook did not survive its monitors: %d releases", got)
	}
}

func TestInstrument_SucceedsForOneOfManyAtOnce(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	monitors := make(chan *otelpool.Monitor, 20)
	var wg sync.WaitGroup
	for range cap(monitors) {
		wg.Go(func() {
			monitor, err := otelpool.Instrument(pool)
			if err != nil && !errors.Is(err, otelpool.ErrInstrumented) {
				t.Errorf("got %v", err)
			}
			if err == nil {
				monitors <- monitor
			}
		})
	}
	wg.Wait()
	if len(monitors) != 1 {
		t.Fatalf("%d succeeded", len(monitors))
	}
	if err := (<-monitors).Close(); err != nil {
		t.Error(err)
	}
}

func TestOpen_BuildsConfiguresAndInstruments(t *testing.T) {
	pool, monitor, err := otelpool.Open(t.Context(), pgtest.DSN(t), quiet(otelpool.WithPoolName("opened"))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := monitor.Stats(); s.TotalAcquisitions != 1 || monitor.Name() != "opened" {
		t.Errorf("the hook is not in: %+v", s)
	}
	if err := monitor.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Acquire(t.Context()); err == nil {
		t.Error("the pool is still open")
	}
}

// pgxpool.New does not connect, so it accepts a context that is done. Only an acquire with that context fails.
func TestOpen_BehavesLikeNewWithADoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dsn := pgtest.DSN(t)
	bare, wantErr := pgxpool.New(ctx, dsn)
	if wantErr == nil {
		defer bare.Close()
	}
	pool, monitor, err := otelpool.Open(ctx, dsn, quiet()...)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("got %v, New says %v", err, wantErr)
	}
	if err == nil {
		if _, err := pool.Acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("acquire: %v", err)
		}
		if err := monitor.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestOpen_LeavesNothingBehindWhenItFails(t *testing.T) {
	instrument(t, newPool(t, configured(t, quiet()...)), otelpool.WithPoolName("open fails"))
	dsn := pgtest.DSN(t)
	for name, opts := range map[string][]otelpool.Option{
		"a bad option":      quiet(otelpool.WithStackDepth(99)),
		"a taken name":      quiet(otelpool.WithPoolName("open fails")),
		"a broken provider": quiet(otelpool.WithMeterProvider(brokenProvider{sdkmetric.NewMeterProvider()})),
	} {
		pool, monitor, err := otelpool.Open(t.Context(), dsn, opts...)
		if err == nil || pool != nil || monitor != nil {
			t.Errorf("%s: got %v, %v, %v", name, pool, monitor, err)
		}
	}
}

// pgx masks the passwords that it recognises in its errors. In these strings it does not recognise them.
func TestOpen_NeverRepeatsAPasswordThatItCouldNotParse(t *testing.T) {
	for _, dsn := range []string{
		"host=h password='tops3cret tops3cret", "host=h password=x tops3cret sslmode=disable", "host=h password = tops3cret sslmode=bad",
		"host=h PASSWORD=tops3cret foo", `host=h password=a\ tops3cret sslmode=bad`, "postgres://u:pw@tops3cret@h:x/db",
		"postgres://u:tops3cret/x@h/db", "postgres://u:tops3cret%zz@h/db", "postgres://u:x@h/db?pool_max_conns=tops3cret",
		"mysql://u:tops3cret@h/db", "tops3cret",
	} {
		_, _, err := otelpool.Open(t.Context(), dsn)
		if err == nil {
			t.Errorf("%s was accepted", dsn)
			continue
		}
		if strings.Contains(err.Error(), "tops3cret") {
			t.Errorf("%s: %v", dsn, err)
		}
		if !strings.HasPrefix(err.Error(), "otelpool: Open: cannot parse the connection string: ") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

func TestOpen_SaysWhatIsWrongWithAConnectionString(t *testing.T) {
	_, _, err := otelpool.Open(t.Context(), "postgres://u:pw@h/db?sslmode=bad")
	if want := "otelpool: Open: cannot parse the connection string: failed to configure TLS (sslmode is invalid)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestInstrument_TakesAConfigurationWithoutRuntimeParameters(t *testing.T) {
	cfg := pgtest.Config(t)
	cfg.ConnConfig.RuntimeParams = nil
	if err := otelpool.Configure(cfg, quiet()...); err != nil {
		t.Fatal(err)
	}
	instrument(t, newPool(t, cfg))
}
