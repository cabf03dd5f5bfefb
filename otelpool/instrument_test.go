package otelpool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

func TestPoolName_IsTakenWhileItsPoolLives(t *testing.T) {
	monitor := instrument(t, newPool(t, configured(t, quiet()...)), otelpool.WithPoolName("chosen"))
	other := newPool(t, configured(t, quiet()...))
	_, err := otelpool.Instrument(other, otelpool.WithPoolName("chosen"))
	if !errors.Is(err, otelpool.ErrNameTaken) || !strings.Contains(err.Error(), `"chosen", chosen by WithPoolName or OTELPOOL_POOL_NAME`) {
		t.Errorf("got %v, want ErrNameTaken with the name", err)
	}
	if err := monitor.Close(); err != nil {
		t.Fatal(err)
	}
	if got := instrument(t, other, otelpool.WithPoolName("chosen")).Name(); got != "chosen" {
		t.Errorf("the name was not freed: %q", got)
	}
}

func TestDerivedName_IsNumberedWithAWarningAndFreedByClose(t *testing.T) {
	var log journal
	dsn := pgtest.DSN(t)
	open := func() *otelpool.Monitor {
		cfg := parse(t, dsn)
		if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(log.logger(slog.LevelInfo)))...); err != nil {
			t.Fatal(err)
		}
		return instrument(t, newPool(t, cfg))
	}
	derived := otelpool.DerivedName(parse(t, dsn).ConnConfig)
	first, second, third := open(), open(), open()
	names := []string{first.Name(), second.Name(), third.Name()}
	if want := []string{derived, derived + "-2", derived + "-3"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	warnings := awaitEvents(t, &log, "pool.renamed", 2)
	if len(warnings) != 2 || warnings[0]["level"] != "WARN" || warnings[0]["derived"] != derived ||
		warnings[0]["db.client.connection.pool.name"] != derived+"-2" {
		t.Errorf("warnings: %v", warnings)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if got := open().Name(); got != derived+"-2" {
		t.Errorf("a freed name was not given again: %q", got)
	}
}

func TestDerivedName_IsWhatTheConventionsSay(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u@db.example/shop":                             "db.example:5432/shop",
		"postgres://u@db.example:80/shop":                          "db.example:80/shop",
		"postgres://u@[::1]:6432/shop":                             "[::1]:6432/shop",
		"postgres://u@a.example:6432,b.example:6433/shop":          "a.example:6432,b.example:6433/shop",
		"user=u host=db.example sslmode=prefer":                    "db.example:5432",
		"user=u host=/var/run/postgresql dbname=shop":              "/var/run/postgresql:5432/shop",
		"postgres://u@db.example/%ff":                              "db.example:5432",
		"postgres://u@db.example:5432/" + strings.Repeat("x", 300): ("db.example:5432/" + strings.Repeat("x", 300))[:255],
	} {
		if got := otelpool.DerivedName(parse(t, dsn).ConnConfig); got != want {
			t.Errorf("%s: got %q, want %q", dsn, got, want)
		}
	}
}

func TestStatOnly_SeesThePoolFromOutsideOnly(t *testing.T) {
	var log journal
	reader := sdkmetric.NewManualReader()
	pool := newPool(t, pgtest.Config(t))
	monitor := instrument(t, pool, quiet(otelpool.WithLogger(log.logger(slog.LevelInfo)),
		otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))...)
	warnings := awaitEvents(t, &log, "pool.stat_only", 1)
	if len(warnings) != 1 || warnings[0]["level"] != "WARN" || !strings.Contains(fmt.Sprint(warnings[0]["msg"]), "otelpool.Configure(cfg)") {
		t.Errorf("warnings: %v", warnings)
	}
	acquire(t, t.Context(), pool)
	eventually(t, "the loop has seen the connection", func() bool {
		return sum(t, collect(t, reader), "db.client.connection.count", "db.client.connection.state", "used") == 1
	})
	got := collect(t, reader)
	for _, row := range otelpool.Instruments() {
		_, present := got[row.Name]
		if want := !row.Hook; present != want {
			t.Errorf("%s: present is %v, want %v", row.Name, present, want)
		}
	}
	if s := monitor.Stats(); s.ActiveConnections != 1 || s.TotalAcquisitions != 1 || s.TotalReleases != 0 {
		t.Errorf("stats: %+v", s)
	}
	if monitor.Holders() != nil || monitor.Waiters() != nil || monitor.Sites(3) != nil {
		t.Error("holders are known without a hook")
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

// pgx itself does not connect in New, so a context that is done is no reason to fail; it fails whoever acquires.
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

// pgx masks passwords in its errors as far as it recognises them; in these strings it does not.
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
