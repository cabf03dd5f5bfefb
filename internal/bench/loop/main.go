// Loop calls the hook as pgxpool does, so many times, on one connection and with nothing else around it: a fixed amount of
// work whose instructions can be counted.
//
//	valgrind --tool=callgrind loop -n 20000 -case cycle
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

func main() {
	n := flag.Int("n", 1000, "how often")
	name := flag.String("case", "cycle", "cycle, nostacks or query")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1) // a collection in the middle would be counted

	depth := 32
	if *name == "nostacks" {
		depth = 0
	}
	l := newLoop(tracer.New(tracer.Options{StackDepth: depth}))
	once := l.cycle
	if *name == "query" {
		once = func() { l.query() }
		l.hold()
	}
	once() // what happens only the first time
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range *n {
		once()
	}
	runtime.ReadMemStats(&after)
	fmt.Printf("allocs %d\n", after.Mallocs-before.Mallocs)
	os.Exit(0) // the connection's goroutines are of no interest
}

// loop is a hook and one connection.
type loop struct {
	hook *tracer.Tracer
	pool *pgxpool.Pool
	conn *pgx.Conn
	ctx  context.Context
}

// fail is the wire's idea of a test.
type fail struct{}

func (fail) Helper()           {}
func (fail) Fatal(args ...any) { log.Fatal(args...) }

func newLoop(t *tracer.Tracer) *loop {
	ctx := context.Background()
	cfg := wire.NewServer().Config(fail{}, "pool_max_conns=1")
	cfg.ConnConfig.Tracer = t
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	l := &loop{hook: t, pool: pool, conn: conn.Conn(), ctx: ctx}
	l.release()
	return l
}

func (l *loop) cycle() {
	l.hold()
	l.release()
}

func (l *loop) hold() {
	ctx := l.hook.TraceAcquireStart(l.ctx, l.pool, pgxpool.TraceAcquireStartData{})
	l.hook.TraceAcquireEnd(ctx, l.pool, pgxpool.TraceAcquireEndData{Conn: l.conn})
}

func (l *loop) release() { l.hook.TraceRelease(l.pool, pgxpool.TraceReleaseData{Conn: l.conn}) }

func (l *loop) query() {
	ctx := l.hook.TraceQueryStart(l.ctx, l.conn, pgx.TraceQueryStartData{SQL: "SELECT 1"})
	l.hook.TraceQueryEnd(ctx, l.conn, pgx.TraceQueryEndData{})
}
