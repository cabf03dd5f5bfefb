package otelpool

import (
	"errors"
	"fmt"
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
