package otelpool_test

import (
	"errors"
	"testing"

	"github.com/otelpool/pgx/otelpool"
)

func TestWithApplicationName_NamesConnectionsThatHaveNone(t *testing.T) {
	for dsn, want := range map[string]string{
		dsnOf(t):                            "shop",
		dsnOf(t) + "&application_name=chef": "chef",
	} {
		cfg := parse(t, dsn)
		if err := otelpool.Configure(cfg, quiet(otelpool.WithApplicationName("shop"))...); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := newPool(t, cfg).QueryRow(t.Context(), "SELECT current_setting('application_name')").Scan(&got); err != nil || got != want {
			t.Errorf("the server knows it as %q, want %q: %v", got, want, err)
		}
	}
}

func TestWithApplicationName_ComesTooLateForAPoolThatIsBuilt(t *testing.T) {
	pool := newPool(t, configured(t, quiet(otelpool.WithApplicationName("shop"))...))
	t.Setenv(otelpool.EnvApplicationName, "chef")
	for blamed, opt := range map[string]otelpool.Option{
		"WithApplicationName":       otelpool.WithApplicationName("chef"),
		otelpool.EnvApplicationName: otelpool.WithEnv(),
	} {
		_, err := otelpool.Instrument(pool, opt)
		var wrong *otelpool.OptionError
		if !errors.As(err, &wrong) || wrong.Option != blamed {
			t.Errorf("got %v, want one that blames %s", err, blamed)
		}
	}
	instrument(t, pool, otelpool.WithApplicationName("shop")) // the same: nothing to be changed
}
