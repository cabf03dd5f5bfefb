package otelpool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"runtime/debug"

	"github.com/otelpool/pgx/internal/redact"
	"github.com/otelpool/pgx/internal/telemetry"
)

// What runs on goroutines of ours, or on the host's because pgx called us, must not end the host: neither our own mistakes
// nor those of the log handlers, metrics libraries and hooks that we call. There is nobody above us to recover.

// errPanicked is what became of work that a panic cut short.
var errPanicked = errors.New("otelpool: a panic was caught, the log has it")

// guarded runs f and reports whether it came to its end. The first panic is logged with its stack, further ones are not: a
// mistake made once a tick would fill the log.
func (m *Monitor) guarded(what string, f func()) (finished bool) {
	defer func() {
		if v := recover(); v != nil && !m.panicked.Swap(true) {
			m.log.emit(context.Background(), slog.LevelError, telemetry.EventPanicked, "a panic was caught while "+what,
				slog.String("panic", redact.Text(fmt.Sprint(v))), slog.String("stack", string(debug.Stack())))
		}
	}()
	f()
	return true
}

// guardedHandler loses a record, and no more, to a handler that panics.
type guardedHandler struct{ slog.Handler }

func (h guardedHandler) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() { _ = recover() }()
	return h.Handler.Enabled(ctx, level)
}

func (h guardedHandler) Handle(ctx context.Context, r slog.Record) error {
	return handle(h.Handler, ctx, r)
}

// handle is a function of its own for inHandler to find it.
//
//go:noinline
func handle(h slog.Handler, ctx context.Context, r slog.Record) error {
	defer func() { _ = recover() }()
	return h.Handle(ctx, r)
}

// inHandler reports whether the caller was called by a log handler to which we gave a record. What has to wait for our own
// goroutines must not: it may be one of them. A mark in the context would not do, handlers are free to lose it.
func inHandler() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for _, pc := range pcs[:n] {
			if f := runtime.FuncForPC(pc - 1); f != nil && f.Entry() == handleEntry {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

var handleEntry = reflect.ValueOf(handle).Pointer()

func (h guardedHandler) WithAttrs(attrs []slog.Attr) (with slog.Handler) {
	with = h
	defer func() { _ = recover() }()
	return guardedHandler{h.Handler.WithAttrs(attrs)}
}

func (h guardedHandler) WithGroup(name string) (with slog.Handler) {
	with = h
	defer func() { _ = recover() }()
	return guardedHandler{h.Handler.WithGroup(name)}
}
