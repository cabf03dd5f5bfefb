package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/postgres"
	"github.com/otelpool/pgx/otelpool"
)

// TestRunbooks_EveryCommandShowsOrChangesSomething runs each in the situation that it is for. A command that cannot be
// run fails the test.
func TestRunbooks_EveryCommandShowsOrChangesSomething(t *testing.T) {
	s := newScene(t)
	for language, run := range map[string]func(string) error{"sql": s.sql, "sh": s.shell} {
		n := 0
		for page, commands := range blocks(t, language) {
			for _, text := range commands {
				n++
				if err := run(text); err != nil {
					t.Errorf("%s: %v, of\n%s", page, err, text)
				}
			}
		}
		if n < len(healthcheck.Causes) {
			t.Errorf("only %d commands of %s in the runbooks", n, language)
		}
	}
}

// scene is a service in trouble. One session sits in its transaction and holds a lock, out of a pool that serves its holders
// over HTTP; one waits for that lock; one is in a transaction that has failed; one is idle.
type scene struct {
	t       *testing.T
	server  *postgres.Server
	owner   *pgx.Conn // a superuser
	oncall  *pgx.Conn // a role with the rights that the index of the runbooks asks for
	holder  uint32
	app     *httptest.Server
	cgroup  string
	refused chan string // requests that the application did not understand
}

const password = "secret" // of service and oncall

func newScene(t *testing.T) *scene {
	server, err := postgres.Start(t.Context(), postgres.WithTLS(),
		postgres.WithSetting("shared_preload_libraries", "pg_stat_statements"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	s := &scene{t: t, server: server, refused: make(chan string, 100)}
	for _, sql := range []string{
		"CREATE DATABASE orders", "CREATE ROLE migrator", "CREATE ROLE service LOGIN PASSWORD '" + password + "'",
		"CREATE ROLE oncall LOGIN PASSWORD '" + password + "' IN ROLE pg_monitor, pg_signal_backend",
		// Set, so that there is something to reset.
		"ALTER ROLE service SET default_transaction_read_only = off", "ALTER DATABASE orders SET default_transaction_read_only = off",
	} {
		if err := server.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	s.owner, s.oncall = s.connect(server.DSNForDatabase("orders")), s.connect(server.DSNFor("oncall", password, "orders"))
	s.exec(s.owner, "CREATE EXTENSION pg_stat_statements", "CREATE TABLE items (id int)", "GRANT ALL ON items TO service")
	s.serve()
	failed, idle := s.session(), s.session()
	s.exec(failed, "BEGIN")
	if _, err := failed.Exec(t.Context(), "SELECT 1/0"); err == nil {
		t.Fatal("nothing failed")
	}
	s.exec(idle, "SELECT 1")
	s.busy("SELECT * FROM items")
	eventually(t, func() error {
		var waiting int
		err := s.owner.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").Scan(&waiting)
		if err == nil && waiting == 0 {
			err = errors.New("nobody waits for the lock")
		}
		return err
	})
	s.cgroup = throttled(t)
	return s
}

func (s *scene) connect(dsn string) *pgx.Conn {
	conn, err := pgx.Connect(s.t.Context(), dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (s *scene) session() *pgx.Conn { return s.connect(s.server.DSNFor("service", password, "orders")) }

// busy runs a statement in a session of its own, to its end or to that of the test, and sends how it ended.
func (s *scene) busy(sql string) (number uint32, ended <-chan error) {
	conn, result, done := s.session(), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		_, err := conn.Exec(s.t.Context(), sql)
		result <- err
	}()
	s.t.Cleanup(func() { <-done }) // before the connection is closed
	return conn.PgConn().PID(), result
}

func (s *scene) exec(conn *pgx.Conn, commands ...string) {
	for _, sql := range commands {
		if _, err := conn.Exec(s.t.Context(), sql); err != nil {
			s.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// serve starts the application.
func (s *scene) serve() {
	pool, monitor, err := otelpool.Open(s.t.Context(), s.server.DSNFor("service", password, "orders")+"&pool_max_conns=2",
		otelpool.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		s.t.Fatal(err)
	}
	conn := s.forget(pool)
	s.exec(conn.Conn(), "BEGIN", "LOCK TABLE items")
	s.holder = conn.Conn().PgConn().PID()
	handler := monitor.Handler()
	s.app = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK && answer.Code != http.StatusServiceUnavailable {
			s.refused <- fmt.Sprint(r.Method, " ", r.URL, " is ", answer.Code)
		}
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	s.t.Cleanup(func() {
		s.app.Close()
		conn.Release()
		if err := monitor.Shutdown(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
}

// forget is the place that the profile of the holders names.
func (s *scene) forget(pool *pgxpool.Pool) *pgxpool.Conn {
	conn, err := pool.Acquire(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// throttled is the cgroup of a container that has used up its CPU.
func throttled(t *testing.T) (dir string) {
	dir = t.TempDir()
	for name, text := range map[string]string{
		"cpu.max":      "50000 100000\n",
		"cpu.stat":     "usage_usec 6123456\nnr_periods 120\nnr_throttled 87\nthrottled_usec 4321000\n",
		"cpu.pressure": "some avg10=42.00 avg60=17.30 avg300=4.10 total=4321000\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var (
	ends   = regexp.MustCompile(`pg_(?:cancel|terminate)_backend`)
	pid    = regexp.MustCompile(`\bPID\b`)
	host   = regexp.MustCompile(`\bDB\b`)
	unsaid = regexp.MustCompile(`\b(?:APP|DB|HOST|PID)\b`)
)

// sql runs one statement, by the role that the index says it is for.
func (s *scene) sql(text string) error {
	switch {
	case ends.MatchString(text):
		return s.end(text)
	case strings.HasPrefix(text, "SELECT"):
		conn := s.oncall
		if strings.Contains(text, "pg_hba_file_rules") {
			conn = s.owner // and the page says so
		}
		tag, err := conn.Exec(s.t.Context(), pid.ReplaceAllString(text, fmt.Sprint(s.holder)))
		if err == nil && tag.RowsAffected() == 0 {
			err = errors.New("no rows")
		}
		return err
	}
	return s.change(text)
}

// end runs what ends a session's statement, or the session, and sees that it did.
func (s *scene) end(text string) error {
	number, ended := s.busy("SELECT pg_sleep(20)")
	eventually(s.t, func() error {
		var state string
		err := s.owner.QueryRow(s.t.Context(), "SELECT state FROM pg_stat_activity WHERE pid = $1", number).Scan(&state)
		if err == nil && state != "active" {
			err = errors.New("the victim is " + state)
		}
		return err
	})
	if _, err := s.oncall.Exec(s.t.Context(), pid.ReplaceAllString(text, fmt.Sprint(number))); err != nil {
		return err
	}
	var refusal *pgconn.PgError
	if err := <-ended; !errors.As(err, &refusal) || refusal.Code != "57014" && refusal.Code != "57P01" {
		return fmt.Errorf("its victim failed with %v", err)
	}
	return nil
}

// settings is all that the pages change.
const settings = `
SELECT concat((SELECT array_agg(s) FROM pg_db_role_setting s), (SELECT datacl FROM pg_database WHERE datname = current_database()),
              (SELECT array_agg((rolname, rolconnlimit) ORDER BY rolname) FROM pg_roles))`

// change runs what sets something, sees that it did, and takes it back.
func (s *scene) change(text string) error {
	ctx := s.t.Context()
	tx, err := s.owner.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	var before, after string
	err1 := tx.QueryRow(ctx, settings).Scan(&before)
	_, err2 := tx.Exec(ctx, text)
	err3 := tx.QueryRow(ctx, settings).Scan(&after)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if before == after {
		return errors.New("nothing changed")
	}
	return nil
}

// shell runs a command line.
func (s *scene) shell(text string) error {
	line := strings.NewReplacer("APP:8081", s.app.Listener.Addr().String(), "5432", strconv.Itoa(s.server.Port()),
		"/sys/fs/cgroup", s.cgroup).Replace(host.ReplaceAllString(text, "localhost"))
	if left := unsaid.FindString(line); left != "" {
		return fmt.Errorf("nobody knows what %s stands for", left)
	}
	cmd := exec.CommandContext(s.t.Context(), "bash", "-euo", "pipefail", "-c", line)
	cmd.Dir = s.t.TempDir()
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "PSQLRC=/dev/null", "PPROF_TMPDIR="+cmd.Dir)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s%s", err, out, &errOut)
	case len(out) == 0:
		return fmt.Errorf("no output: %s", &errOut)
	case strings.Contains(line, "/debug/pool/") && !strings.Contains(string(out), "forget"):
		return fmt.Errorf("the holder is not in\n%s", out)
	}
	select {
	case what := <-s.refused:
		return errors.New(what)
	default:
		return nil
	}
}
