package otelpool

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/exaring/otelpgx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/healthcheck"
)

// config is what the options add up to. The zero value is not valid: newConfig makes one.
type config struct {
	meterProvider    metric.MeterProvider
	globalMeters     bool // meterProvider is the global one
	tracerProvider   trace.TracerProvider
	logger           *slog.Logger
	poolName         string        // "" for one derived from the connection
	leakThreshold    time.Duration // 0 looks for no leaks
	policy           healthcheck.Policy
	healthInterval   time.Duration
	stackDepth       int // 0 keeps no stacks
	serverProbe      bool
	sqlText          bool
	connectionEvents bool
	querySpans       []otelpgx.Option // nil for none
	querySpansBy     string           // the option that asked for them

	mistakes []error
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
