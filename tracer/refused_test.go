package tracer_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

func TestReadOnly_IsCountedOnceHoweverTheWriteIsSent(t *testing.T) {
	const refusal = "SELECT error('25006')"
	batch := func() *pgx.Batch {
		b := &pgx.Batch{}
		b.Queue("SELECT 1")
		b.Queue(refusal)
		return b
	}
	for name, write := range map[string]func(t *testing.T, conn *pgxpool.Conn) error{
		"by Exec": func(t *testing.T, conn *pgxpool.Conn) error {
			_, err := conn.Exec(t.Context(), refusal)
			return err
		},
		"by the simple protocol": func(t *testing.T, conn *pgxpool.Conn) error {
			_, err := conn.Exec(t.Context(), refusal, pgx.QueryExecModeSimpleProtocol)
			return err
		},
		"by QueryRow": func(t *testing.T, conn *pgxpool.Conn) error { return conn.QueryRow(t.Context(), refusal).Scan() },
		"in a batch that is only closed": func(t *testing.T, conn *pgxpool.Conn) error {
			return conn.SendBatch(t.Context(), batch()).Close()
		},
		"in a batch that is read": func(t *testing.T, conn *pgxpool.Conn) error {
			results := conn.SendBatch(t.Context(), batch())
			_, _ = results.Exec()
			_, _ = results.Exec()
			return results.Close()
		},
		"in a batch whose rows are read": func(t *testing.T, conn *pgxpool.Conn) error {
			results := conn.SendBatch(t.Context(), batch())
			_, _ = results.Exec()
			_ = results.QueryRow().Scan()
			return results.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			onWire(t, "pool_max_conns=1", tracer.Options{}, nil, func(t *testing.T, w *watch) {
				conn := w.acquire(t.Context())
				defer conn.Release()
				if write(t, conn) == nil {
					t.Error("it was not refused")
				}
				if f := w.hook.Faults().ReadOnly; w.count(counts.ReadOnly) != 1 || f.Type != "25006" {
					t.Errorf("fault %+v", f)
				}
			})
		})
	}
}
