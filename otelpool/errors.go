package otelpool

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

// Errors to match with errors.Is. Those returned wrap them with what was wrong.
var (
	// ErrInvalidOption is wrapped by every *[OptionError].
	ErrInvalidOption = errors.New("invalid option")
	// ErrNilPool: Instrument was given no pool.
	ErrNilPool = errors.New("pool is nil")
	// ErrNilConfig: Configure was given no configuration.
	ErrNilConfig = errors.New("config is nil")
	// ErrNotParsed: pgx accepts only configurations made by pgxpool.ParseConfig.
	ErrNotParsed = errors.New("config was not made by pgxpool.ParseConfig")
	// ErrConfigured: Configure was called twice on one configuration.
	ErrConfigured = errors.New("config is configured already")
	// ErrPoolClosed: the pool was closed before it was instrumented.
	ErrPoolClosed = errors.New("pool is closed")
	// ErrInstrumented: the pool has a live Monitor already.
	ErrInstrumented = errors.New("pool is instrumented already")
	// ErrSharedHook: two pools were built from one configuration; each needs its own hook.
	ErrSharedHook = errors.New("hook belongs to another pool")
	// ErrNameTaken: another live pool has the name given by WithPoolName.
	ErrNameTaken = errors.New("pool name is taken")
	// ErrNilContext: Shutdown was given no context.
	ErrNilContext = errors.New("context is nil")
	// ErrShutdown: the pool could not be drained in time.
	ErrShutdown = errors.New("pool was not drained in time")
)

// OptionError says which option is wrong. Every mistake is reported, joined by errors.Join.
type OptionError struct {
	Option string // the function, such as "WithHealthInterval", or the environment variable
	Value  string // what was given
	Accept string // what is accepted
	Err    error  // why, when there is more to say
}

// Error names option, value and accepted range.
func (e *OptionError) Error() string {
	text := fmt.Sprintf("otelpool: %s: %s is not accepted: want %s", e.Option, e.Value, e.Accept)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap makes the error match ErrInvalidOption and its cause.
func (e *OptionError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrInvalidOption}
	}
	return []error{ErrInvalidOption, e.Err}
}

// ShutdownError says who kept the pool from being drained. It matches [ErrShutdown] and the context's error.
type ShutdownError struct {
	Holders []tracer.Holder // still out of the pool when time was up, with their stacks
	Held    int             // how many that were by the pool's own count: without the hook nobody knows the holders
	Cause   error           // the context's

	err error // the context's error, which its cause may hide
}

// Error names each holder and the place it was taken at.
func (e *ShutdownError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "otelpool: Shutdown: %v: %v: ", ErrShutdown, e.Cause)
	switch held := max(e.Held, len(e.Holders)); held {
	case 0:
		b.WriteString("none is held, but closing them takes longer")
	case 1:
		b.WriteString("still held: 1 connection")
	default:
		fmt.Fprintf(&b, "still held: %d connections", held)
	}
	for _, h := range e.Holders {
		fmt.Fprintf(&b, "\nbackend %d, held for %v, idle for %v, taken at\n%s",
			h.PID, h.Age.Round(time.Millisecond), h.Idle.Round(time.Millisecond), view.FormatStack(h.Stack))
	}
	return b.String()
}

// Unwrap makes the error match ErrShutdown and the context's error.
func (e *ShutdownError) Unwrap() []error { return []error{ErrShutdown, e.Cause, e.err} }
