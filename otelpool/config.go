package otelpool

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/exaring/otelpgx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/tracer"
)

// Defaults of the options; what each accepts stands there.
const (
	DefaultLeakThreshold  = 30 * time.Second
	DefaultHealthInterval = time.Second
	DefaultStackDepth     = 32

	minLeakThreshold  = time.Millisecond
	maxLeakThreshold  = 24 * time.Hour
	minHealthInterval = 10 * time.Millisecond
	maxHealthInterval = time.Minute
	maxPoolName       = 255
	maxApplication    = 63 // bytes that PostgreSQL keeps

	acceptName        = "1 to 255 bytes of UTF-8 that are not all space"
	acceptApplication = "1 to 63 printable ASCII characters that are not all space"
)

// config is what the options add up to. The zero value is not valid: newConfig makes one.
type config struct {
	meterProvider    metric.MeterProvider
	globalMeters     bool // meterProvider is the global one
	tracerProvider   trace.TracerProvider
	logger           *slog.Logger
	applicationName  string        // "" for that of the configuration
	applicationBy    string        // the option that asked for it
	poolName         string        // "" for one derived from the connection
	leakThreshold    time.Duration // 0 looks for no leaks
	policy           healthcheck.Policy
	healthInterval   time.Duration
	stackDepth       int // 0 keeps no stacks
	serverProbe      bool
	sqlText          bool
	connectionEvents bool
	goroutineLook    bool
	querySpans       []otelpgx.Option // nil for none
	querySpansBy     string           // the option that asked for them

	mistakes []error
}

// setting is one row of the table of options. The table makes the validation, the environment and the documentation.
type setting struct {
	Option   string // the function
	Variable string // that WithEnv reads; "" for none
	Accept   string
	Form     string // what the variable accepts, where that is put differently
	Default  string
	Meaning  string

	value func(*config) string        // as it is shown in an error
	parse func(*config, string) error // of the variable
	check func(*config) (ok bool, why error)
}

var (
	acceptThreshold = fmt.Sprintf("0 (off), or %v to %v", minLeakThreshold, maxLeakThreshold)
	acceptInterval  = fmt.Sprintf("%v to %v", minHealthInterval, maxHealthInterval)
)

// settings is every option there is but WithEnv, which reads it.
var settings = []setting{
	{Option: "WithMeterProvider", Accept: "a MeterProvider", Default: "the global one", Meaning: "Where metrics go."},
	{Option: "WithTracerProvider", Accept: "a TracerProvider", Default: "the global one", Meaning: "Where spans go."},
	{Option: "WithLogger", Accept: "a *slog.Logger made by slog.New", Default: "`slog.Default()`", Meaning: "Where log records go."},
	{
		Option: "WithPoolName", Variable: EnvPoolName, Accept: acceptName,
		Default: "`server.address:server.port/db.namespace`", Meaning: "The pool's name in all telemetry.",
		value: func(c *config) string { return c.poolName },
		parse: parsed(parseName, func(c *config) *string { return &c.poolName }),
	},
	{
		Option: "WithApplicationName", Variable: EnvApplicationName, Accept: acceptApplication, Default: "that of the configuration",
		Meaning: "`application_name` of the connections, if the configuration has none. Known to `Configure` and `Open` only.",
		value:   func(c *config) string { return c.applicationName }, parse: parseApplication,
	},
	{
		Option: "WithLeakThreshold", Variable: EnvLeakThreshold,
		Accept: acceptThreshold, Form: "a duration such as 45s: " + acceptThreshold,
		Default: DefaultLeakThreshold.String(), Meaning: "How long a connection may be held without use before it is suspected.",
		value: func(c *config) string { return c.leakThreshold.String() },
		parse: parsed(time.ParseDuration, func(c *config) *time.Duration { return &c.leakThreshold }),
		check: func(c *config) (bool, error) {
			return c.leakThreshold == 0 || inRange(c.leakThreshold, minLeakThreshold, maxLeakThreshold), nil
		},
	},
	{
		Option: "WithPolicy", Variable: EnvPolicy,
		Accept: "one that passes Validate", Form: "evidence, idle_ratio or usage", Default: "`healthcheck.Evidence()`", Meaning: "The rules by which health is judged.",
		value: func(*config) string { return "this policy" },
		parse: parsed(parsePolicy, func(c *config) *healthcheck.Policy { return &c.policy }),
		check: func(c *config) (bool, error) { err := c.policy.Validate(); return err == nil, err },
	},
	{
		Option: "WithHealthInterval", Variable: EnvHealthInterval,
		Accept: acceptInterval, Form: "a duration such as 5s: " + acceptInterval,
		Default: DefaultHealthInterval.String(), Meaning: "How often the pool is looked at and judged.",
		value: func(c *config) string { return c.healthInterval.String() },
		parse: parsed(time.ParseDuration, func(c *config) *time.Duration { return &c.healthInterval }),
		check: func(c *config) (bool, error) {
			return inRange(c.healthInterval, minHealthInterval, maxHealthInterval), nil
		},
	},
	{
		Option: "WithStackDepth", Variable: EnvStackDepth, Accept: fmt.Sprintf("0 (off) to %d frames", tracer.MaxStackDepth),
		Default: strconv.Itoa(DefaultStackDepth), Meaning: "How many frames of each acquirer's stack are kept.",
		value: func(c *config) string { return strconv.Itoa(c.stackDepth) },
		parse: parsed(strconv.Atoi, func(c *config) *int { return &c.stackDepth }),
		check: func(c *config) (bool, error) { return inRange(c.stackDepth, 0, tracer.MaxStackDepth), nil },
	},
	onOff("WithServerProbe", EnvServerProbe, "true", "Whether one connection of its own asks the server while the pool is not well.",
		func(c *config) *bool { return &c.serverProbe }),
	onOff("WithSQLText", EnvSQLText, "false", "Whether the text of each holder's last statement is kept and shown.",
		func(c *config) *bool { return &c.sqlText }),
	onOff("WithConnectionEvents", EnvConnectionEvents, "false", "Whether each acquire and each release is a log record.",
		func(c *config) *bool { return &c.connectionEvents }),
	onOff("WithGoroutineLook", EnvGoroutineLook, "true", "Whether all goroutines are looked at while callers wait for a full pool, or a leak is about to be reported.",
		func(c *config) *bool { return &c.goroutineLook }),
	{
		Option: "WithQuerySpans", Variable: EnvQuerySpans, Accept: "true or false", Default: "false",
		Meaning: "Whether otelpgx adds spans for queries. Known to `Configure` and `Open` only.",
		value:   func(c *config) string { return strconv.FormatBool(c.querySpans != nil) }, parse: parseQuerySpans,
	},
}

// onOff is the row of an option that is on or off.
func onOff(option, variable, byDefault, meaning string, field func(*config) *bool) setting {
	return setting{
		Option: option, Variable: variable, Accept: "true or false", Default: byDefault, Meaning: meaning,
		value: func(c *config) string { return strconv.FormatBool(*field(c)) }, parse: parsed(strconv.ParseBool, field),
	}
}

// newConfig applies opts to the defaults, or to base where a configured pool brings its own, and reports every mistake.
// Providers and logger that nobody chose stay nil: see withGlobals.
func newConfig(base *config, opts []Option) (*config, error) {
	c := &config{
		leakThreshold:  DefaultLeakThreshold,
		policy:         healthcheck.Evidence(),
		healthInterval: DefaultHealthInterval,
		stackDepth:     DefaultStackDepth,
		serverProbe:    true,
		goroutineLook:  true,
	}
	if base != nil {
		*c = *base
	}
	for i, opt := range opts {
		if opt == nil {
			c.reject(fmt.Sprintf("option %d", i+1), "nil", "an Option", nil)
			continue
		}
		opt(c)
	}
	for i := range settings {
		if s := &settings[i]; s.check != nil {
			if ok, why := s.check(c); !ok {
				c.reject(s.Option, s.value(c), s.Accept, why)
			}
		}
	}
	return c, errors.Join(c.mistakes...)
}

// withGlobals is c with the global providers and logger of this moment where none was chosen.
func (c config) withGlobals() *config {
	if c.meterProvider == nil {
		c.meterProvider, c.globalMeters = otel.GetMeterProvider(), true
	}
	if c.tracerProvider == nil {
		c.tracerProvider = otel.GetTracerProvider()
	}
	if c.logger == nil {
		c.logger = slog.Default()
	}
	return &c
}

func (c *config) reject(option, value, accept string, err error) {
	c.mistakes = append(c.mistakes, &OptionError{Option: option, Value: value, Accept: accept, Err: err})
}

// isNil sees through an interface that holds a nil pointer.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil()
}

func inRange[T int | time.Duration](v, least, most T) bool { return least <= v && v <= most }

// acceptedName keeps out what would take more than this pool's telemetry down: OTLP refuses a whole batch for one string
// that is not UTF-8.
func acceptedName(name string) bool {
	return strings.TrimSpace(name) != "" && len(name) <= maxPoolName && utf8.ValidString(name)
}

// acceptedApplication is what PostgreSQL keeps as it is: of anything else it makes question marks, or cuts it off.
func acceptedApplication(name string) bool {
	printable := func(r rune) bool { return r >= ' ' && r <= '~' }
	return strings.TrimSpace(name) != "" && len(name) <= maxApplication && strings.TrimFunc(name, printable) == ""
}

func quotedName(name string) string {
	if len(name) > maxPoolName {
		return fmt.Sprintf("a name of %d bytes", len(name))
	}
	return strconv.Quote(name)
}
