package postgres

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// connect opens a connection that is closed when the test ends.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // many tests take the server away
	})
	return conn
}

func query[T any](t *testing.T, conn *pgx.Conn, sql string) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func assertServes(t *testing.T, server *Server) {
	t.Helper()
	if err := server.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the server does not serve: %v", err)
	}
}

func assertRefuses(t *testing.T, server *Server) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(server.Host(), strconv.Itoa(server.Port())), time.Second)
	if err == nil {
		conn.Close()
		t.Error("the port still accepts connections")
	}
}

func assertIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

// assertNothingLeft fails if the directory exists, or a process that works in it.
func assertNothingLeft(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", dir, err)
	}
	if pids := processesIn(t, dir); len(pids) > 0 {
		t.Errorf("processes %v still work in %s", pids, dir)
	}
}

// processesIn finds processes by working directory, which is how the guard does it and the server's methods do not. Where
// there is no /proc it finds none.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue // gone meanwhile, or not ours
		}
		if within, err := filepath.Rel(dir, target); err == nil && filepath.IsLocal(within) {
			pids = append(pids, filepath.Base(filepath.Dir(link)))
		}
	}
	return pids
}

// useTempDir gives this test a TMPDIR of its own, open to the account that the server runs as. t.TempDir is not: it is closed
// to everyone but ourselves.
func useTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "postgres-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	return dir
}

func assertEmpty(t *testing.T, dir string) {
	t.Helper()
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v (%v)", names, err)
	}
	if pids := processesIn(t, dir); len(pids) > 0 {
		t.Errorf("processes %v still work in %s", pids, dir)
	}
}

// eventually fails the test unless done comes true soon.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}
