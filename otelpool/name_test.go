package otelpool_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

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
	var renamed []string // in any order: each Monitor writes its own record
	for _, warning := range awaitEvents(t, &log, "pool.renamed", 2) {
		if warning["level"] != "WARN" || warning["derived"] != derived {
			t.Errorf("warning: %v", warning)
		}
		renamed = append(renamed, fmt.Sprint(warning["db.client.connection.pool.name"]))
	}
	if slices.Sort(renamed); !slices.Equal(renamed, names[1:]) {
		t.Errorf("warnings of %q, want %q", renamed, names[1:])
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

func TestDerivedName_ContainsNoRestOfAPassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://app:123/cretpart@h/db",
		"postgres://app:123/cretpart%40h/db",
		"postgres://app:s@cretpart/x@h:5432/db",
		"postgres://app:s@cretpart:5432/x@h:5432/db",
	} {
		conn := parse(t, dsn).ConnConfig
		if got := otelpool.DerivedName(conn); got != "postgresql" {
			t.Errorf("%s: the pool is named %q", dsn, got)
		}
		if got := otelpool.CommonAttributes("p", conn); len(got) != 2 {
			t.Errorf("%s: got %v", dsn, got)
		}
	}
	if got := otelpool.DerivedName(parse(t, "postgres://u@derived.example/%20").ConnConfig); got != "derived.example:5432" {
		t.Errorf("got %q", got)
	}
}
