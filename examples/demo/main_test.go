package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/internal/testing/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestDemo_ShowsThePoolAndEndsByItself(t *testing.T) {
	t.Setenv("DATABASE_URL", pgtest.DSN(t))
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	var out bytes.Buffer
	if err := run(ctx, &out, false); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"telemetry  nowhere", "healthy", "acquires", "releases", "workload.go"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
}

func TestTarget_ShowsNoPassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://user:hunter2@db/shop",
		"postgres://db/shop?user=user&password=hunter2&sslpassword=hunter3",
		"user=user password=hunter2 host=db dbname=shop",
	} {
		conn, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		if got := target(conn); got != "shop at db" {
			t.Errorf("of %s this is shown: %s", dsn, got)
		}
	}
}

func TestScript_HasEveryFaultNamedRightly(t *testing.T) {
	defer func(d time.Duration) { actDuration = d }(actDuration)
	actDuration = 0
	os.Unsetenv("DATABASE_URL")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	var out bytes.Buffer
	if err := run(t.Context(), &out, true); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"leak:", "nested_acquire:", "slow_database:", "server_shutdown:", "advice", "4 faults, each named rightly"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
}
