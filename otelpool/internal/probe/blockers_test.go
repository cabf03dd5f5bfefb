package probe

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A session is one of the server's, on a connection of its own.
func session(t *testing.T, dsn, application string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["application_name"] = application
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// queue has each session wait for the table's lock behind the ones before it. The first one has it.
func queue(t *testing.T, asking *pgx.Conn, sessions ...*pgx.Conn) {
	t.Helper()
	if _, err := asking.Exec(t.Context(), "CREATE TABLE wanted (secret text)"); err != nil {
		t.Fatal(err)
	}
	for i, conn := range sessions {
		begin := func() error {
			_, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE wanted")
			return err
		}
		if i == 0 {
			if err := begin(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = begin() }()
		t.Cleanup(func() { <-ended })
		for waits := false; !waits; {
			err := asking.QueryRow(t.Context(), "SELECT coalesce(wait_event_type = 'Lock', false) FROM pg_stat_activity WHERE pid = $1",
				conn.PgConn().PID()).Scan(&waits)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestFindBlockers_GoesUpToTheRoot(t *testing.T) {
	dsn := pgtest.DSN(t)
	asking, root, other, ours := session(t, dsn, name), session(t, dsn, "migrator password=hunter2"), session(t, dsn, "report"), session(t, dsn, "shop")
	queue(t, asking, root, other, ours)
	pid := func(c *pgx.Conn) uint32 { return c.PgConn().PID() }

	seen, err := backends(t.Context(), asking, []int32{int32(pid(ours))})
	if err != nil || len(seen) != 1 {
		t.Fatalf("%v, %v", seen, err)
	}
	others, err := findBlockers(t.Context(), asking, seen)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[uint32]healthcheck.Backend)
	for _, b := range others {
		found[b.PID] = b
	}
	if len(found) != 2 || len(others) != 2 || len(seen[0].BlockedBy) != 2 {
		t.Fatalf("%+v block %+v", others, seen)
	}
	if b := found[pid(root)]; b.State != "idle in transaction" || b.XactFor <= 0 || b.Type != "client backend" || len(b.BlockedBy) != 0 {
		t.Errorf("the root: %+v", b)
	}
	if b := found[pid(other)]; b.WaitEventType != "Lock" || len(b.BlockedBy) != 1 || b.BlockedBy[0] != pid(root) {
		t.Errorf("in between: %+v", b)
	}
	if text := fmt.Sprint(seen, others); strings.Contains(text, "hunter2") || strings.Contains(text, "LOCK TABLE") {
		t.Errorf("a secret leaves: %s", text)
	}
}

func TestWaitingLongest_IsBounded(t *testing.T) {
	var all []healthcheck.Backend
	for i := range 100 {
		all = append(all, healthcheck.Backend{PID: uint32(i), WaitEventType: "Lock", QueryFor: time.Duration(i)})
	}
	waiting := waitingLongest(append(all, healthcheck.Backend{PID: 100, QueryFor: time.Hour}))
	if len(waiting) != maxWaiters || waiting[0].PID != 99 {
		t.Errorf("%d, %+v first", len(waiting), waiting[0])
	}
}
