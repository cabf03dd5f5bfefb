package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/postgres"
)

// pages are the runbooks and the troubleshooting guide.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(path(t, "docs", "runbooks", "*.md"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no runbooks: %v", err)
	}
	return append(all, path(t, "docs", "troubleshooting.md"))
}

var block = regexp.MustCompile("(?s)```(sql|promql|sh)\n(.*?)```")

// blocks are the commands of one language in the documentation, by the page that has them.
func blocks(t *testing.T, language string) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			if m[1] == language {
				out[filepath.Base(page)] = append(out[filepath.Base(page)], strings.TrimSpace(m[2]))
			}
		}
	}
	return out
}

// TestEverySQLCommandOfTheRunbooksShowsSomething runs them on a server on which what they look for is going on: a session
// that sits idle in its transaction and holds a lock, one that waits for the lock, and one that is idle.
func TestEverySQLCommandOfTheRunbooksShowsSomething(t *testing.T) {
	server, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ctx := context.Background()
	connect := func() *pgx.Conn {
		t.Helper()
		conn, err := pgx.Connect(ctx, server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(ctx) })
		return conn
	}
	holder, waiter, asker := connect(), connect(), connect()
	for _, sql := range []string{"CREATE TABLE items (id int)", "BEGIN", "LOCK TABLE items"} {
		if _, err := holder.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	waited := make(chan error, 1)
	go func() {
		_, err := waiter.Exec(ctx, "SELECT * FROM items")
		waited <- err
	}()
	eventually(t, func() error {
		var waiting int
		err := asker.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").Scan(&waiting)
		if err == nil && waiting == 0 {
			err = fmt.Errorf("nobody waits for the lock")
		}
		return err
	})
	n := 0
	for page, commands := range blocks(t, "sql") {
		for _, sql := range commands {
			n++
			if tag, err := asker.Exec(ctx, sql); err != nil || tag.RowsAffected() == 0 {
				t.Errorf("%s: %v rows, %v, of\n%s", page, tag.RowsAffected(), err, sql)
			}
		}
	}
	if n < len(healthcheck.Causes) {
		t.Errorf("only %d commands in the runbooks", n)
	}
	// What the pages say to do about it does it.
	if _, err := asker.Exec(ctx, "SELECT pg_terminate_backend($1)", int(holder.PgConn().PID())); err != nil {
		t.Error(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("the waiter did not get on: %v", err)
	}
}
