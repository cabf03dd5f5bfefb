package tracer_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

func TestBacklog_KeepsNoRequestInMemoryWhileNobodyFlushes(t *testing.T) {
	const requests = 20
	srv := wire.NewServer()
	defer srv.Close()
	cfg := srv.Config(t, "pool_max_conns=32")
	w := open(t, cfg, tracer.Options{})
	defer w.pool.Close()
	collected := make(chan struct{}, requests)
	var conns []*pgxpool.Conn
	for range requests {
		request := new([1 << 16]byte)
		runtime.AddCleanup(request, func(struct{}) { collected <- struct{}{} }, struct{}{})
		type key struct{}
		conns = append(conns, w.acquire(context.WithValue(t.Context(), key{}, request)))
	}
	for _, conn := range conns {
		conn.Release()
	}
	conns = nil
	for range 200 {
		if runtime.GC(); len(collected) >= requests-1 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d of %d were kept", requests-len(collected), requests)
}
