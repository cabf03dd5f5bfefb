package otelpool_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
)

// address is never connected to.
const address = "postgres://somebody@localhost:1/somewhere"

func parse(t testing.TB, dsn string) *pgxpool.Config {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// badOptions are values that no option accepts, with the option, the value and the range that the error must name.
var badOptions = []struct {
	name                  string
	option                otelpool.Option
	blames, value, accept string
}{
	{"no option at all", nil, "option 1", "nil", "an Option"},
	{"no meter provider", otelpool.WithMeterProvider(nil), "WithMeterProvider", "nil", "a MeterProvider"},
	{"a nil pointer as meter provider", otelpool.WithMeterProvider((*sdkmetric.MeterProvider)(nil)), "WithMeterProvider", "nil", "a MeterProvider"},
	{"no tracer provider", otelpool.WithTracerProvider(nil), "WithTracerProvider", "nil", "a TracerProvider"},
	{"a nil pointer as tracer provider", otelpool.WithTracerProvider((*sdktrace.TracerProvider)(nil)), "WithTracerProvider", "nil", "a TracerProvider"},
	{"no logger", otelpool.WithLogger(nil), "WithLogger", "nil", "a *slog.Logger made by slog.New"},
	{"a logger without handler", otelpool.WithLogger(new(slog.Logger)), "WithLogger", "nil", "a *slog.Logger made by slog.New"},
	{"an empty name", otelpool.WithPoolName(""), "WithPoolName", `""`, "1 to 255 bytes of UTF-8"},
	{"a blank name", otelpool.WithPoolName(" \t"), "WithPoolName", `" \t"`, "1 to 255 bytes of UTF-8"},
	{"a huge name", otelpool.WithPoolName(strings.Repeat("x", 256)), "WithPoolName", "a name of 256 bytes", "1 to 255 bytes of UTF-8"},
	{"a name that is no text", otelpool.WithPoolName("\xff"), "WithPoolName", `"\xff"`, "1 to 255 bytes of UTF-8"},
	{"no application name", otelpool.WithApplicationName(""), "WithApplicationName", `""`, "1 to 63 printable ASCII"},
	{"an application name that is cut off", otelpool.WithApplicationName(strings.Repeat("x", 64)), "WithApplicationName", `"` + strings.Repeat("x", 64) + `"`, "1 to 63 printable ASCII"},
	{"a negative leak threshold", otelpool.WithLeakThreshold(-time.Second), "WithLeakThreshold", "-1s", "1ms to 24h0m0s"},
	{"a tiny leak threshold", otelpool.WithLeakThreshold(time.Nanosecond), "WithLeakThreshold", "1ns", "1ms to 24h0m0s"},
	{"a huge leak threshold", otelpool.WithLeakThreshold(25 * time.Hour), "WithLeakThreshold", "25h0m0s", "1ms to 24h0m0s"},
	{"the longest leak threshold", otelpool.WithLeakThreshold(math.MaxInt64), "WithLeakThreshold", "2562047h47m16.854775807s", "1ms to 24h0m0s"},
	{"no health interval", otelpool.WithHealthInterval(0), "WithHealthInterval", "0s", "10ms to 1m0s"},
	{"a negative health interval", otelpool.WithHealthInterval(-1), "WithHealthInterval", "-1ns", "10ms to 1m0s"},
	{"a tiny health interval", otelpool.WithHealthInterval(time.Nanosecond), "WithHealthInterval", "1ns", "10ms to 1m0s"},
	{"an hourly look", otelpool.WithHealthInterval(time.Hour), "WithHealthInterval", "1h0m0s", "10ms to 1m0s"},
	{"a negative stack", otelpool.WithStackDepth(-1), "WithStackDepth", "-1", "0 (off) to 64 frames"},
	{"a stack too deep", otelpool.WithStackDepth(65), "WithStackDepth", "65", "0 (off) to 64 frames"},
	{"the zero policy", otelpool.WithPolicy(healthcheck.Policy{}), "WithPolicy", "this policy", "one that passes Validate"},
	{"a policy without sense", otelpool.WithPolicy(func() healthcheck.Policy {
		p := healthcheck.Usage()
		p.UsageDegraded = math.NaN()
		return p
	}()), "WithPolicy", "this policy", "one that passes Validate"},
}

func TestOptions_ThatAreBadAreNamedWithTheirValueAndRange(t *testing.T) {
	for _, tt := range badOptions {
		t.Run(tt.name, func(t *testing.T) {
			err := otelpool.Configure(parse(t, address), tt.option)
			var wrong *otelpool.OptionError
			if !errors.As(err, &wrong) || !errors.Is(err, otelpool.ErrInvalidOption) {
				t.Fatalf("got %v, want an OptionError", err)
			}
			if wrong.Option != tt.blames || wrong.Value != tt.value || !strings.Contains(wrong.Accept, tt.accept) {
				t.Errorf("got option %q, value %q, accept %q", wrong.Option, wrong.Value, wrong.Accept)
			}
			for _, part := range []string{tt.blames, tt.value, tt.accept} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is missing in: %v", part, err)
				}
			}
		})
	}
}

func TestOptions_AcceptTheBoundsOfTheirRanges(t *testing.T) {
	for name, opt := range map[string]otelpool.Option{
		"longest name":      otelpool.WithPoolName(strings.Repeat("ä", 127) + "x"),
		"no threshold":      otelpool.WithLeakThreshold(0),
		"least threshold":   otelpool.WithLeakThreshold(time.Millisecond),
		"greatest":          otelpool.WithLeakThreshold(24 * time.Hour),
		"shortest interval": otelpool.WithHealthInterval(10 * time.Millisecond),
		"longest interval":  otelpool.WithHealthInterval(time.Minute),
		"no stack":          otelpool.WithStackDepth(0),
		"deepest stack":     otelpool.WithStackDepth(64),
	} {
		if err := otelpool.Configure(parse(t, address), opt); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptions_ReportAllMistakesOfOneCallAtOnce(t *testing.T) {
	t.Setenv(otelpool.EnvStackDepth, "many")
	var all []otelpool.Option
	for _, tt := range badOptions {
		if tt.option != nil && tt.blames != "WithPolicy" {
			all = append(all, tt.option)
		}
	}
	all = append(all, otelpool.WithPolicy(healthcheck.Policy{}), otelpool.WithEnv(), nil)
	err := otelpool.Configure(parse(t, address), all...)
	for _, part := range []string{
		"WithMeterProvider", "WithTracerProvider", "WithLogger", "WithPoolName", "WithLeakThreshold", "WithHealthInterval",
		"WithStackDepth", "WithPolicy", otelpool.EnvStackDepth, fmt.Sprintf("option %d", len(all)),
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
}

func TestConfigure_LeavesTheConfigurationAloneWhenItFails(t *testing.T) {
	cfg := parse(t, address)
	own := &everyTracer{}
	cfg.ConnConfig.Tracer = own
	if err := otelpool.Configure(cfg, otelpool.WithStackDepth(65)); err == nil {
		t.Fatal("a depth of 65 was accepted")
	}
	if cfg.ConnConfig.Tracer != own || cfg.BeforeConnect != nil || cfg.AfterConnect != nil || cfg.BeforeClose != nil {
		t.Error("the configuration was changed")
	}
}

func TestInstrument_ClaimsNothingWhenItFails(t *testing.T) {
	var log journal
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	opts := quiet(otelpool.WithMeterProvider(provider), otelpool.WithLogger(log.logger(slog.LevelDebug)))
	pool := newPool(t, configured(t, opts...))
	for name, bad := range map[string][]otelpool.Option{
		"a bad option":      {otelpool.WithPoolName("claims-nothing"), otelpool.WithHealthInterval(0)},
		"spans too late":    {otelpool.WithPoolName("claims-nothing"), otelpool.WithQuerySpans()},
		"a broken provider": {otelpool.WithPoolName("claims-nothing"), otelpool.WithMeterProvider(brokenProvider{provider})},
	} {
		if _, err := otelpool.Instrument(pool, bad...); err == nil {
			t.Fatalf("%s was accepted", name)
		}
		if got := collect(t, reader); len(got) != 0 {
			t.Errorf("%s left metrics: %v", name, got)
		}
		if text := log.String(); text != "" {
			t.Errorf("%s was logged about: %s", name, text)
		}
		monitor, err := otelpool.Instrument(pool, append(quiet(), otelpool.WithPoolName("claims-nothing"))...)
		if err != nil {
			t.Fatalf("after %s: %v", name, err)
		}
		if err := monitor.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A pool may be observed already. An Instrument that fails must not change how.
func TestInstrument_DoesNotChangeTheOptionsOfAnEarlierOne(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	monitor := instrument(t, pool)
	if _, err := otelpool.Instrument(pool, otelpool.WithStackDepth(0)); !errors.Is(err, otelpool.ErrInstrumented) {
		t.Fatalf("got %v, want ErrInstrumented", err)
	}
	acquire(t, t.Context(), pool)
	if held := monitor.Holders(); len(held) != 1 || len(held[0].Stack) == 0 {
		t.Errorf("stacks were turned off by a call that failed: %+v", held)
	}
}

func TestMeterProvider_ThatPanicsAtOnceLeavesTheNameFree(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed: nobody would know that nothing is measured")
			}
		}()
		_, _ = otelpool.Instrument(pool, otelpool.WithPoolName("after a panic"), otelpool.WithMeterProvider(panickingProvider{}))
	}()
	instrument(t, pool, otelpool.WithPoolName("after a panic"))
}

// variable is one that WithEnv reads, with the option that it amounts to.
type variable struct {
	variable, good string
	same           otelpool.Option // what it must amount to
	bad            []string
	accept         string
}

var variables = []variable{
	{otelpool.EnvPoolName, "orders", otelpool.WithPoolName("orders"), []string{" ", "\xff", strings.Repeat("x", 256)}, "1 to 255 bytes"},
	{otelpool.EnvApplicationName, "shop", otelpool.WithApplicationName("shop"), []string{" ", "käse", "a\tb", strings.Repeat("x", 64)}, "1 to 63 printable"},
	{otelpool.EnvLeakThreshold, "45s", otelpool.WithLeakThreshold(45 * time.Second), []string{"45", "-1s", "1ns", "25h", "soon"}, "1ms to 24h"},
	{otelpool.EnvPolicy, "usage", otelpool.WithPolicy(healthcheck.Usage()), []string{"Usage", "none"}, "evidence, idle_ratio or usage"},
	{otelpool.EnvPolicy, "idle_ratio", otelpool.WithPolicy(healthcheck.IdleRatio()), nil, ""},
	{otelpool.EnvPolicy, "evidence", otelpool.WithPolicy(healthcheck.Evidence()), nil, ""},
	{otelpool.EnvHealthInterval, "250ms", otelpool.WithHealthInterval(250 * time.Millisecond), []string{"1ns", "1h", "-1s", "1"}, "10ms to 1m0s"},
	{otelpool.EnvStackDepth, "8", otelpool.WithStackDepth(8), []string{"-1", "65", "eight", "8.0"}, "0 (off) to 64 frames"},
	{otelpool.EnvServerProbe, "false", otelpool.WithServerProbe(false), []string{"off", "maybe"}, "true or false"},
	{otelpool.EnvLeakThreshold, "0", otelpool.WithLeakThreshold(0), nil, ""},
	{otelpool.EnvSQLText, "true", otelpool.WithSQLText(true), []string{"on", "2"}, "true or false"},
	{otelpool.EnvConnectionEvents, "true", otelpool.WithConnectionEvents(true), []string{"debug"}, "true or false"},
	{otelpool.EnvGoroutineLook, "false", otelpool.WithGoroutineLook(false), []string{"never"}, "true or false"},
	{otelpool.EnvQuerySpans, "true", otelpool.WithQuerySpans(), []string{"please"}, "true or false"},
}

func TestWithEnv_ReadsEachVariable(t *testing.T) {
	for _, s := range otelpool.SettingRows() {
		if s.Variable != "" && !slices.ContainsFunc(variables, func(v variable) bool { return v.variable == s.Variable }) {
			t.Errorf("%s is not tested", s.Variable)
		}
	}
	for _, tt := range variables {
		t.Run(tt.variable, func(t *testing.T) {
			t.Setenv(tt.variable, tt.good)
			if got, want := otelpool.Settings(t, otelpool.WithEnv()), otelpool.Settings(t, tt.same); !maps.Equal(got, want) {
				t.Errorf("%s=%s makes\n%+v\nnot\n%+v", tt.variable, tt.good, got, want)
			}
			t.Setenv(tt.variable, "")
			if got, want := otelpool.Settings(t, otelpool.WithEnv()), otelpool.Settings(t); !maps.Equal(got, want) {
				t.Errorf("an empty %s counts for something", tt.variable)
			}
			for _, bad := range tt.bad {
				t.Setenv(tt.variable, bad)
				err := otelpool.Configure(parse(t, address), otelpool.WithEnv())
				var wrong *otelpool.OptionError
				if !errors.As(err, &wrong) || wrong.Option != tt.variable || !strings.Contains(wrong.Accept, tt.accept) {
					t.Errorf("%s=%q: %v", tt.variable, bad, err)
				}
			}
		})
	}
}

func TestOptions_TheLaterWins(t *testing.T) {
	t.Setenv(otelpool.EnvStackDepth, "8")
	if got := otelpool.Settings(t, otelpool.WithStackDepth(4), otelpool.WithEnv())["WithStackDepth"]; got != "8" {
		t.Errorf("the environment came last, but the depth is %s", got)
	}
	if got := otelpool.Settings(t, otelpool.WithEnv(), otelpool.WithStackDepth(4))["WithStackDepth"]; got != "4" {
		t.Errorf("the program came last, but the depth is %s", got)
	}
}

func TestWithEnv_RefusesAVariableThatNobodyReads(t *testing.T) {
	t.Setenv("OTELPOOL_LEAK_TRESHOLD", "45s")
	err := otelpool.Configure(parse(t, address), otelpool.WithEnv())
	if !errors.Is(err, otelpool.ErrInvalidOption) || !strings.Contains(err.Error(), "OTELPOOL_LEAK_TRESHOLD") ||
		!strings.Contains(err.Error(), otelpool.EnvLeakThreshold) {
		t.Errorf("got %v", err)
	}
}
