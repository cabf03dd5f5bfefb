package otelpool

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/exaring/otelpgx"

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

	acceptName = "1 to 255 bytes of UTF-8 that are not all space"
)

// The environment variables that [WithEnv] reads. An empty one counts as unset.
const (
	EnvPoolName         = "OTELPOOL_POOL_NAME"         // a name
	EnvLeakThreshold    = "OTELPOOL_LEAK_THRESHOLD"    // a duration such as 45s; 0 turns it off
	EnvPolicy           = "OTELPOOL_POLICY"            // evidence, idle_ratio or usage
	EnvHealthInterval   = "OTELPOOL_HEALTH_INTERVAL"   // a duration such as 5s
	EnvStackDepth       = "OTELPOOL_STACK_DEPTH"       // a number of frames; 0 turns stacks off
	EnvServerProbe      = "OTELPOOL_SERVER_PROBE"      // true or false
	EnvSQLText          = "OTELPOOL_SQL_TEXT"          // true or false
	EnvConnectionEvents = "OTELPOOL_CONNECTION_EVENTS" // true or false
	EnvQuerySpans       = "OTELPOOL_QUERY_SPANS"       // true or false; read by Configure and Open
)

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
		Option: "WithLeakThreshold", Variable: EnvLeakThreshold,
		Accept: acceptThreshold, Form: "a duration such as 45s: " + acceptThreshold,
		Default: DefaultLeakThreshold.String(), Meaning: "How long a connection may be held without use before it is suspected.",
		value: func(c *config) string { return c.leakThreshold.String() },
		parse: parsed(time.ParseDuration, func(c *config) *time.Duration { return &c.leakThreshold }),
		check: func(c *config) (bool, error) {
			return c.leakThreshold == 0 || within(c.leakThreshold, minLeakThreshold, maxLeakThreshold), nil
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
			return within(c.healthInterval, minHealthInterval, maxHealthInterval), nil
		},
	},
	{
		Option: "WithStackDepth", Variable: EnvStackDepth, Accept: fmt.Sprintf("0 (off) to %d frames", tracer.MaxStackDepth),
		Default: strconv.Itoa(DefaultStackDepth), Meaning: "How many frames of each acquirer's stack are kept.",
		value: func(c *config) string { return strconv.Itoa(c.stackDepth) },
		parse: parsed(strconv.Atoi, func(c *config) *int { return &c.stackDepth }),
		check: func(c *config) (bool, error) { return within(c.stackDepth, 0, tracer.MaxStackDepth), nil },
	},
	onOff("WithServerProbe", EnvServerProbe, "true", "Whether one connection of its own asks the server while the pool is not well.",
		func(c *config) *bool { return &c.serverProbe }),
	onOff("WithSQLText", EnvSQLText, "false", "Whether the text of each holder's last statement is kept and shown.",
		func(c *config) *bool { return &c.sqlText }),
	onOff("WithConnectionEvents", EnvConnectionEvents, "false", "Whether each acquire and each release is a log record.",
		func(c *config) *bool { return &c.connectionEvents }),
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

// readEnv sets what the variables say. One that is not accepted changes nothing, and is blamed by its own name.
func (c *config) readEnv() {
	for i := range settings {
		s := &settings[i]
		text := os.Getenv(s.Variable)
		if s.Variable == "" || text == "" {
			continue
		}
		trial := *c
		ok, why := s.parse(&trial, text) == nil, error(nil)
		if ok && s.check != nil {
			ok, why = s.check(&trial)
		}
		if !ok {
			c.reject(s.Variable, strconv.Quote(text), cmp.Or(s.Form, s.Accept), why)
			continue
		}
		*c = trial
	}
	c.rejectUnknownVariables()
}

// rejectUnknownVariables names the variables with our prefix that nobody reads: a misspelt one would be ignored.
func (c *config) rejectUnknownVariables() {
	var known []string
	for i := range settings {
		if v := settings[i].Variable; v != "" {
			known = append(known, v)
		}
	}
	accept := "one of " + strings.Join(known, ", ")
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(known, name) && value != "" {
			c.reject(name, "this variable", accept, nil)
		}
	}
}

const envPrefix = "OTELPOOL_"

// parsed makes the parser of a variable from one of its type and the field that its value goes to.
func parsed[T any](parse func(string) (T, error), field func(*config) *T) func(*config, string) error {
	return func(c *config, text string) error {
		v, err := parse(text)
		if err == nil {
			*field(c) = v
		}
		return err
	}
}

func within[T int | time.Duration](v, least, most T) bool { return least <= v && v <= most }

func parseName(text string) (string, error) {
	if !acceptedName(text) {
		return "", strconv.ErrSyntax
	}
	return text, nil
}

// acceptedName keeps out what would take more than this pool's telemetry down: OTLP refuses a whole batch for one string
// that is not UTF-8.
func acceptedName(name string) bool {
	return strings.TrimSpace(name) != "" && len(name) <= maxPoolName && utf8.ValidString(name)
}

func parsePolicy(text string) (healthcheck.Policy, error) {
	switch text {
	case "evidence":
		return healthcheck.Evidence(), nil
	case "idle_ratio":
		return healthcheck.IdleRatio(), nil
	case "usage":
		return healthcheck.Usage(), nil
	}
	return healthcheck.Policy{}, strconv.ErrSyntax
}

func parseQuerySpans(c *config, text string) error {
	on, err := strconv.ParseBool(text)
	switch {
	case err != nil:
	case !on:
		c.querySpans = nil
	case c.querySpans == nil:
		c.querySpans, c.querySpansBy = []otelpgx.Option{}, EnvQuerySpans
	}
	return err
}

func quotedName(name string) string {
	if len(name) > maxPoolName {
		return fmt.Sprintf("a name of %d bytes", len(name))
	}
	return strconv.Quote(name)
}
