package otelpool

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/exaring/otelpgx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/tracer"
)

// Defaults and accepted ranges of the options.
const (
	DefaultLeakThreshold  = 30 * time.Second
	DefaultHealthInterval = time.Second
	DefaultStackDepth     = 32

	minLeakThreshold  = time.Millisecond
	maxLeakThreshold  = 24 * time.Hour
	minHealthInterval = 10 * time.Millisecond
	maxHealthInterval = time.Minute
	maxPoolName       = 255
)

// config is what the options add up to. The zero value is not valid: newConfig makes one.
type config struct {
	meterProvider  metric.MeterProvider
	tracerProvider trace.TracerProvider
	logger         *slog.Logger
	poolName       string // "" for one derived from the connection
	leakThreshold  time.Duration
	policy         healthcheck.Policy
	healthInterval time.Duration
	stackDepth     int
	serverProbe    bool
	sqlText        bool
	querySpans     []otelpgx.Option // nil for none

	mistakes []error
}

// newConfig applies opts to the defaults, or to base where a configured pool brings its own, and reports every mistake.
func newConfig(base *config, opts []Option) (*config, error) {
	c := &config{
		leakThreshold:  DefaultLeakThreshold,
		policy:         healthcheck.Evidence(),
		healthInterval: DefaultHealthInterval,
		stackDepth:     DefaultStackDepth,
		serverProbe:    true,
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
	c.validate()
	if c.meterProvider == nil {
		c.meterProvider = otel.GetMeterProvider()
	}
	if c.tracerProvider == nil {
		c.tracerProvider = otel.GetTracerProvider()
	}
	if c.logger == nil {
		c.logger = slog.Default()
	}
	return c, errors.Join(c.mistakes...)
}

func (c *config) reject(option, value, accept string, err error) {
	c.mistakes = append(c.mistakes, &OptionError{Option: option, Value: value, Accept: accept, Err: err})
}

func (c *config) validate() {
	c.inRange("WithLeakThreshold", c.leakThreshold, minLeakThreshold, maxLeakThreshold)
	c.inRange("WithHealthInterval", c.healthInterval, minHealthInterval, maxHealthInterval)
	if c.stackDepth < 0 || c.stackDepth > tracer.MaxStackDepth {
		c.reject("WithStackDepth", fmt.Sprint(c.stackDepth), fmt.Sprintf("0 (off) to %d frames", tracer.MaxStackDepth), nil)
	}
	if len(c.poolName) > maxPoolName {
		c.reject("WithPoolName", fmt.Sprintf("a name of %d bytes", len(c.poolName)), fmt.Sprintf("at most %d bytes", maxPoolName), nil)
	}
	if err := c.policy.Validate(); err != nil {
		c.reject("WithPolicy", "a policy that contradicts itself", "one that passes Validate", err)
	}
}

func (c *config) inRange(option string, d, least, most time.Duration) {
	if d < least || d > most {
		c.reject(option, d.String(), fmt.Sprintf("%v to %v", least, most), nil)
	}
}
