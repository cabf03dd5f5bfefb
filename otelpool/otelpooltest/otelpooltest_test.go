package otelpooltest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
	"github.com/otelpool/pgx/otelpool/otelpooltest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// verdict collects what a test would have failed with.
type verdict struct{ failures []string }

func (v *verdict) Helper() {}
func (v *verdict) Errorf(format string, args ...any) {
	v.failures = append(v.failures, fmt.Sprintf(format, args...))
}

func newPool(t *testing.T, configure bool) *pgxpool.Pool {
	t.Helper()
	cfg := pgtest.Config(t)
	if configure {
		if err := otelpool.Configure(cfg); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestVerifyNoneHeld_FailsAndNamesTheCallSiteOfAHeldConnection(t *testing.T) {
	pool := newPool(t, true)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	var v verdict
	otelpooltest.VerifyNoneHeld(&v, pool)
	if len(v.failures) != 1 {
		t.Fatalf("failures: %q", v.failures)
	}
	for _, want := range []string{"connections still held: 1\n", "otelpooltest_test.go", "TestVerifyNoneHeld_FailsAndNamesTheCallSiteOfAHeldConnection"} {
		if !strings.Contains(v.failures[0], want) {
			t.Errorf("%q is missing in:\n%s", want, v.failures[0])
		}
	}
}

func TestVerifyNoneHeld_PassesWhereNothingIsHeld(t *testing.T) {
	pool := newPool(t, true)
	if _, err := pool.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	otelpooltest.VerifyNoneHeld(t, pool)
}

func TestVerifyNoneHeld_FailsWithoutConfigureAndSaysWhatIsMissing(t *testing.T) {
	pool := newPool(t, false)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	var v verdict
	otelpooltest.VerifyNoneHeld(&v, pool)
	if len(v.failures) != 1 || !strings.Contains(v.failures[0], "otelpool.Configure") {
		t.Errorf("failures: %q", v.failures)
	}
}
