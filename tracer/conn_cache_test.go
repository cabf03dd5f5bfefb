package tracer_test

import (
	"context"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

func TestConnCache_KeepsNoConnectionThatLeftThePool(t *testing.T) {
	for name, leave := range map[string]func(w *watch, conn *pgxpool.Conn){
		"closed by the pool": func(w *watch, conn *pgxpool.Conn) {
			conn.Release()
			w.pool.Reset()
		},
		"closed by its holder": func(_ *watch, conn *pgxpool.Conn) {
			_ = conn.Conn().Close(context.Background())
			conn.Release()
		},
		"hijacked": func(w *watch, conn *pgxpool.Conn) {
			_ = conn.Hijack().Close(context.Background())
			w.sweep()
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := wire.NewServer()
			defer srv.Close()
			w := open(t, srv.Config(t, "pool_max_conns=1"), tracer.Options{})
			defer w.pool.Close()
			left := func() weak.Pointer[pgx.Conn] {
				conn := w.acquire(t.Context())
				left := weak.Make(conn.Conn())
				leave(w, conn)
				return left
			}()
			for range 500 {
				if runtime.GC(); left.Value() == nil {
					break
				}
				time.Sleep(time.Millisecond)
			}
			if left.Value() != nil {
				t.Error("it is still in memory")
			}
			runtime.KeepAlive(w)
		})
	}
}

// More connections than there are places: some are not in the cache, and none is taken for another.
func TestConnCache_TakesNoConnectionForAnother(t *testing.T) {
	const conns = 300
	onWire(t, "pool_max_conns=300", tracer.Options{}, nil, func(t *testing.T, w *watch) {
		for range 2 {
			held := make(map[uint32]bool)
			var all []*pgxpool.Conn
			for range conns {
				conn := w.acquire(t.Context())
				held[conn.Conn().PgConn().PID()] = true
				all = append(all, conn)
			}
			for _, h := range w.hook.Holders() {
				delete(held, h.PID)
			}
			if len(held) != 0 {
				t.Errorf("%d connections were taken for others", len(held))
			}
			for _, conn := range all {
				conn.Release()
			}
			w.checkRest(0)
			w.pool.Reset()
			time.Sleep(time.Second)
		}
	})
}
