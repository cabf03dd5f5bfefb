//go:build unix && !aix && !solaris

package postgres

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestStop_KeepsPortAndData(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	port := server.Port()
	if err := server.Exec(t.Context(), "CREATE TABLE kept AS SELECT 42 AS n"); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, server.DSN())

	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertRefuses(t, server)
	var pgErr *pgconn.PgError
	if _, err := conn.Exec(t.Context(), "SELECT 1"); !errors.As(err, &pgErr) || pgErr.Code != "57P01" {
		t.Errorf("the session ended with %v, want SQLSTATE 57P01", err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Errorf("stopping twice: %v", err)
	}

	if err := server.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, connect(t, server.DSN()), "SELECT n FROM kept"); got != 42 || server.Port() != port {
		t.Errorf("found %d on port %d, want 42 on port %d", got, server.Port(), port)
	}
	assertIs(t, server.StartAgain(t.Context()), ErrRunning)
}

func TestRestart_CutsSessionsAndServesAgain(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	conn := connect(t, server.DSN())
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a session survived the restart")
	}
	assertServes(t, server)
}

func TestKill_SendsSessionsNothingAndTheServerRecovers(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	if err := server.Exec(t.Context(), "CREATE TABLE kept AS SELECT 42 AS n"); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, server.DSN())

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	assertRefuses(t, server)
	var pgErr *pgconn.PgError
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil || errors.As(err, &pgErr) {
		t.Errorf("the session ended with %v, want a broken connection", err)
	}
	if pids := processesIn(t, server.dir); len(pids) > 0 {
		t.Errorf("processes %v survived", pids)
	}
	if err := server.Kill(); err != nil {
		t.Errorf("killing twice: %v", err)
	}
	assertIs(t, server.Exec(t.Context(), "SELECT 1"), ErrNotRunning)
	assertIs(t, server.Pause(), ErrNotRunning)
	assertIs(t, server.Resume(), ErrNotRunning)

	if err := server.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, connect(t, server.DSN()), "SELECT n FROM kept"); got != 42 {
		t.Errorf("found %d after the crash", got)
	}
}

func TestKill_ReturnsSharedMemory(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	segment := sharedMemoryID(t, server)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	segments, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Skip("cannot list shared memory here: ", err)
	}
	for line := range strings.Lines(string(segments)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == segment {
			t.Errorf("segment %s is still there", segment)
		}
	}
}

func TestPause_AcceptsConnectionsAndAnswersNobodyUntilResume(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	conn := connect(t, server.DSN())
	for range 2 { // pausing twice is pausing
		if err := server.Pause(); err != nil {
			t.Fatal(err)
		}
	}
	brief, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := pgconn.Connect(brief, server.DSN()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("connecting to a paused server: %v, want no answer", err)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT 1")
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Errorf("a session answered while paused: %v", err)
	case <-time.After(300 * time.Millisecond):
	}

	for range 2 { // and resuming twice resuming
		if err := server.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-answer; err != nil {
		t.Errorf("the session did not survive the pause: %v", err)
	}
	assertServes(t, server)
}

func TestPause_LetsTheServerBeStoppedKilledAndClosed(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Server) error{
		"stop":    func(s *Server) error { return s.Stop(context.Background()) },
		"kill":    (*Server).Kill,
		"restart": func(s *Server) error { return s.Restart(context.Background()) },
		"close":   (*Server).Close,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			connect(t, server.DSN())
			if err := server.Pause(); err != nil {
				t.Fatal(err)
			}
			if err := end(server); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStop_GivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assertIs(t, server.Stop(ctx), context.Canceled)
}

func TestClose_IsForGood(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	for range 2 {
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, err := range map[string]error{
		"Stop":       server.Stop(t.Context()),
		"StartAgain": server.StartAgain(t.Context()),
		"Restart":    server.Restart(t.Context()),
		"Exec":       server.Exec(t.Context(), "SELECT 1"),
		"Kill":       server.Kill(),
		"Pause":      server.Pause(),
		"Resume":     server.Resume(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

func TestServer_ThatDiedByItselfIsNoticed(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	if err := server.postmaster.signal(immediateShutdown); err != nil {
		t.Fatal(err)
	}
	eventually(t, "noticing", func() bool { return errors.Is(server.mustRun(), ErrNotRunning) })
	if err := server.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	assertServes(t, server)
}

func TestServer_IsAProcessGroupOfItsOwn(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	children, err := childrenOf(server.postmaster.pid)
	if err != nil {
		t.Fatal(err)
	}
	ours, _ := groupOf(t, os.Getpid())
	lasting := []int{server.postmaster.pid, server.watchdog.shell.pid}
	for _, pid := range slices.Concat(lasting, children) {
		switch group, alive := groupOf(t, pid); {
		case !alive && slices.Contains(lasting, pid):
			t.Errorf("process %d is gone", pid)
		case alive && group == ours: // a session that was listed may have ended since
			t.Errorf("process %d is in our own group %d, and Ctrl-C would reach it", pid, group)
		}
	}
}
