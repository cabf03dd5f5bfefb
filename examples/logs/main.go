// Logs: otelpool's events as JSON, to the terminal and to a file that is rotated.
//
//	DATABASE_URL=postgres://localhost/db go run ./examples/logs -file pool.log
//
// It leaks a connection on purpose, waits until that is noticed, gives it back, and closes the pool. Ship the file with
// whatever ships your logs, or use the otelslog bridge as examples/demo does to send records to a collector.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"log/slog"
	"os"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/otelpool/pgx/otelpool"
)

func main() {
	file := flag.String("file", "pool.log", "file to log to")
	flag.Parse()
	if err := run(context.Background(), os.Getenv("DATABASE_URL"), *file, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dsn, file string, terminal io.Writer) (err error) {
	if dsn == "" {
		return errors.New("set DATABASE_URL=postgres://user:pass@localhost/db")
	}
	rotated := &lumberjack.Logger{
		Filename:   file,
		MaxSize:    50, // megabytes, then a new file
		MaxBackups: 5,
		MaxAge:     14, // days
		Compress:   true,
	}
	defer func() { err = errors.Join(err, rotated.Close()) }()
	logger := slog.New(slog.NewJSONHandler(io.MultiWriter(terminal, rotated), &slog.HandlerOptions{Level: slog.LevelInfo}))

	pool, monitor, err := otelpool.Open(ctx, dsn, otelpool.WithLogger(logger),
		otelpool.WithLeakThreshold(time.Second), otelpool.WithHealthInterval(100*time.Millisecond))
	if err != nil {
		return err
	}
	conn, err := pool.Acquire(ctx) // and forget about it
	if err != nil {
		return errors.Join(err, monitor.Shutdown(ctx))
	}
	for monitor.Health().Status <= 0 && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	conn.Release()
	time.Sleep(300 * time.Millisecond) // long enough for the next look at the pool
	return monitor.Shutdown(ctx)
}
