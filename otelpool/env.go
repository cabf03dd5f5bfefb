package otelpool

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/exaring/otelpgx"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/tracer"
)

// The environment variables that [WithEnv] reads. An empty one counts as unset.
const (
	EnvPoolName       = "OTELPOOL_POOL_NAME"       // a name
	EnvLeakThreshold  = "OTELPOOL_LEAK_THRESHOLD"  // a duration such as 45s
	EnvPolicy         = "OTELPOOL_POLICY"          // evidence, idle_ratio or usage
	EnvHealthInterval = "OTELPOOL_HEALTH_INTERVAL" // a duration
	EnvStackDepth     = "OTELPOOL_STACK_DEPTH"     // a number of frames
	EnvServerProbe    = "OTELPOOL_SERVER_PROBE"    // true or false
	EnvSQLText        = "OTELPOOL_SQL_TEXT"        // true or false
	EnvQuerySpans     = "OTELPOOL_QUERY_SPANS"     // true or false; read by Configure and Open
)

// WithEnv reads the variables OTELPOOL_*, one for each option that has a textual value. Give it last to let whoever runs
// the program override whoever wrote it.
func WithEnv() Option {
	return func(c *config) {
		for _, variable := range environment {
			text := os.Getenv(variable.name)
			if text == "" {
				continue
			}
			if err := variable.set(c, text); err != nil {
				c.reject(variable.name, strconv.Quote(text), variable.accept, nil)
			}
		}
	}
}

// environment lists the variables. Each setter leaves the configuration alone if it does not accept the value, so that the
// error names the variable and not the option.
var environment = []struct {
	name   string
	accept string
	set    func(*config, string) error
}{
	{EnvPoolName, acceptName, parsed(parseName, func(c *config) *string { return &c.poolName })},
	{EnvLeakThreshold, fmt.Sprintf("a duration such as 45s, from %v to %v", minLeakThreshold, maxLeakThreshold),
		parsed(durationIn(minLeakThreshold, maxLeakThreshold), func(c *config) *time.Duration { return &c.leakThreshold })},
	{EnvPolicy, "evidence, idle_ratio or usage", parsed(parsePolicy, func(c *config) *healthcheck.Policy { return &c.policy })},
	{EnvHealthInterval, fmt.Sprintf("a duration such as 5s, from %v to %v", minHealthInterval, maxHealthInterval),
		parsed(durationIn(minHealthInterval, maxHealthInterval), func(c *config) *time.Duration { return &c.healthInterval })},
	{EnvStackDepth, acceptDepth, parsed(parseDepth, func(c *config) *int { return &c.stackDepth })},
	{EnvServerProbe, "true or false", parsed(strconv.ParseBool, func(c *config) *bool { return &c.serverProbe })},
	{EnvSQLText, "true or false", parsed(strconv.ParseBool, func(c *config) *bool { return &c.sqlText })},
	{EnvQuerySpans, "true or false", setQuerySpans},
}

// parsed makes a setter of a parser and the field that its value goes to.
func parsed[T any](parse func(string) (T, error), field func(*config) *T) func(*config, string) error {
	return func(c *config, text string) error {
		v, err := parse(text)
		if err == nil {
			*field(c) = v
		}
		return err
	}
}

func durationIn(least, most time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err == nil && (d < least || d > most) {
			err = strconv.ErrRange
		}
		return d, err
	}
}

func parseDepth(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && (n < 0 || n > tracer.MaxStackDepth) {
		err = strconv.ErrRange
	}
	return n, err
}

func parseName(text string) (string, error) {
	if !acceptedName(text) {
		return "", strconv.ErrSyntax
	}
	return text, nil
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

func setQuerySpans(c *config, text string) error {
	on, err := strconv.ParseBool(text)
	switch {
	case err != nil:
		return err
	case !on:
		c.querySpans = nil
	case c.querySpans == nil:
		c.querySpans, c.querySpansBy = []otelpgx.Option{}, EnvQuerySpans
	}
	return nil
}
