package otelpool

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/exaring/otelpgx"

	"github.com/otelpool/pgx/healthcheck"
)

// The environment variables that [WithEnv] reads. An empty one counts as unset.
const (
	EnvPoolName         = "OTELPOOL_POOL_NAME"         // a name
	EnvApplicationName  = "OTELPOOL_APPLICATION_NAME"  // a name; read by Configure and Open
	EnvLeakThreshold    = "OTELPOOL_LEAK_THRESHOLD"    // a duration such as 45s; 0 turns it off
	EnvPolicy           = "OTELPOOL_POLICY"            // evidence, idle_ratio or usage
	EnvHealthInterval   = "OTELPOOL_HEALTH_INTERVAL"   // a duration such as 5s
	EnvStackDepth       = "OTELPOOL_STACK_DEPTH"       // a number of frames; 0 turns stacks off
	EnvServerProbe      = "OTELPOOL_SERVER_PROBE"      // true or false
	EnvSQLText          = "OTELPOOL_SQL_TEXT"          // true or false
	EnvConnectionEvents = "OTELPOOL_CONNECTION_EVENTS" // true or false
	EnvGoroutineLook    = "OTELPOOL_GOROUTINE_LOOK"    // true or false
	EnvQuerySpans       = "OTELPOOL_QUERY_SPANS"       // true or false; read by Configure and Open
)

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

func parseName(text string) (string, error) {
	if !acceptedName(text) {
		return "", strconv.ErrSyntax
	}
	return text, nil
}

func parseApplication(c *config, text string) error {
	if !acceptedApplication(text) {
		return strconv.ErrSyntax
	}
	c.applicationName, c.applicationBy = text, EnvApplicationName
	return nil
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
