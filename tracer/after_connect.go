package tracer

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/internal/counts"
)

// WrapAfterConnect returns next with its failures accounted for: pgxpool closes the connection that was just opened
// without calling BeforeClose, and it is the connect as a whole that has failed. A nil next stays nil.
func (t *Tracer) WrapAfterConnect(next func(context.Context, *pgx.Conn) error) func(context.Context, *pgx.Conn) error {
	if next == nil {
		return nil
	}
	return func(ctx context.Context, conn *pgx.Conn) error {
		err := next(ctx, conn)
		if err == nil || !t.mayConnect() {
			return err
		}
		if slotIn(conn, t) != nil {
			t.counters.add(counts.ClosedDiscarded, 1)
		}
		t.connectFailed(t.now(), err)
		return err
	}
}
