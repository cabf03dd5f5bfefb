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

	acceptName = "1 to 255 bytes of UTF-8 that are not all space"
)

// config is what the options add up to. The zero value is not valid: newConfig makes one.
type config struct {
	meterProvider  metric.MeterProvider
	globalMeters   bool // meterProvider is the global one
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
	querySpansBy   string           // the option that asked for them

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
	c.validate()
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

func (c *config) validate() {
	c.inRange("WithLeakThreshold", c.leakThreshold, minLeakThreshold, maxLeakThreshold)
	c.inRange("WithHealthInterval", c.healthInterval, minHealthInterval, maxHealthInterval)
	if c.stackDepth < 0 || c.stackDepth > tracer.MaxStackDepth {
		c.reject("WithStackDepth", fmt.Sprint(c.stackDepth), acceptDepth, nil)
	}
	if err := c.policy.Validate(); err != nil {
		c.reject("WithPolicy", "this policy", "one that passes Validate", err)
	}
}

func (c *config) inRange(option string, d, least, most time.Duration) {
	if d < least || d > most {
		c.reject(option, d.String(), fmt.Sprintf("%v to %v", least, most), nil)
	}
}

var acceptDepth = fmt.Sprintf("0 (off) to %d frames", tracer.MaxStackDepth)

// acceptedName keeps out what would take more than this pool's telemetry down: OTLP refuses a whole batch for one string
// that is not UTF-8.
func acceptedName(name string) bool {
	return strings.TrimSpace(name) != "" && len(name) <= maxPoolName && utf8.ValidString(name)
}

func quotedName(name string) string {
	if len(name) > maxPoolName {
		return fmt.Sprintf("a name of %d bytes", len(name))
	}
	return strconv.Quote(name)
}

// isNil sees through an interface that holds a nil pointer.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil()
}
