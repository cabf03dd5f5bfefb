// Package otelpooltest helps tests of applications to find connections that are not given back.
//
//	func TestCheckout(t *testing.T) {
//		cfg, _ := pgxpool.ParseConfig(dsn)
//		otelpool.Configure(cfg)
//		pool, _ := pgxpool.NewWithConfig(t.Context(), cfg)
//		monitor, _ := otelpool.Instrument(pool)
//		defer func() { // not pool.Close, which waits for a leak for ever
//			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
//			defer cancel()
//			monitor.Shutdown(ctx)
//		}()
//		defer otelpooltest.VerifyNoneHeld(t, pool)
//		…
//	}
package otelpooltest

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/tracer"
)

// TB is what is used of testing.TB.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// patience is how long connections that are on their way back are waited for.
const patience = time.Second

// VerifyNoneHeld fails the test if connections of pool are still out, naming the place each was taken at. Releases that
// are under way get a second to finish. Run it, deferred, before the pool is closed; and where it may fail, close the pool by
// Monitor.Shutdown with a deadline, for pool.Close would wait for ever, and a test that hangs shows no message.
//
// The pool's configuration must have gone through otelpool.Configure for the places to be known; without it the test still
// fails, with the number alone.
func VerifyNoneHeld(t TB, pool *pgxpool.Pool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pool.Stat().AcquiredConns() > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	held := pool.Stat().AcquiredConns()
	if held == 0 {
		return
	}
	hook, ok := tracer.Find[hook](pool.Config().ConnConfig.Tracer)
	if !ok {
		t.Errorf("connections still held: %d; call otelpool.Configure(cfg) before pgxpool.NewWithConfig to see by whom", held)
		return
	}
	t.Errorf("connections still held: %d\n%s", held, describe(hook.Holders()))
}

// hook is the installed tracer, as far as it matters here.
type hook interface {
	pgxpool.AcquireTracer
	Holders() []tracer.Holder
}

func describe(held []tracer.Holder) string {
	var b strings.Builder
	for _, h := range held {
		fmt.Fprintf(&b, "\nbackend %d, held for %v, queries %d, last %s, taken at\n",
			h.PID, h.Age.Round(time.Millisecond), h.Queries, orNone(h.Operation))
		for _, f := range h.Stack {
			fmt.Fprintf(&b, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
		}
	}
	return b.String()
}

func orNone(operation string) string {
	if operation == "" {
		return "none"
	}
	return operation
}
