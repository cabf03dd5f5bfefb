package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNoPgBouncer reports that this machine has no PgBouncer. Its text says how to get it.
var ErrNoPgBouncer = errors.New("PgBouncer is not installed: apt-get install pgbouncer (Debian, Ubuntu), " +
	"dnf install pgbouncer (Fedora), apk add pgbouncer (Alpine), brew install pgbouncer (macOS)")

// Pooler is a PgBouncer in front of a server. Its files lie in the server's directory, so it does not outlive the server's owner.
type Pooler struct {
	server  *Server
	port    int
	process *process
}

// StartPooler starts a PgBouncer in front of s, which lets in every user of s that the settings' auth_type and the given users ask
// for. Settings are those of its section [pgbouncer], such as "pool_mode"; users are names and passwords. The caller must Close it,
// before s.
func (s *Server) StartPooler(ctx context.Context, users, settings map[string]string) (*Pooler, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	program, err := findPgBouncer()
	if err != nil {
		return nil, err
	}
	p := &Pooler{server: s}
	if p.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	if err := p.launch(ctx, program, users, settings); err != nil {
		return nil, fmt.Errorf("postgres: start PgBouncer: %w", err)
	}
	return p, nil
}

// findPgBouncer looks in PATH, and where Debian has it, which only root has in its PATH.
func findPgBouncer() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	if path := "/usr/sbin/pgbouncer"; executable(path) {
		return path, nil
	}
	return "", ErrNoPgBouncer
}

func (p *Pooler) launch(ctx context.Context, program string, users, settings map[string]string) (err error) {
	config, err := p.configure(users, settings)
	if err != nil {
		return err
	}
	cmd := exec.Command(program, config)
	p.server.prepare(cmd)
	if p.process, err = startProcess(cmd); err != nil {
		return err
	}
	if err := p.awaitReady(ctx); err != nil {
		return errors.Join(err, p.Close())
	}
	return nil
}

// configure writes the configuration and the list of users, and returns the path of the former.
func (p *Pooler) configure(users, settings map[string]string) (path string, err error) {
	base := filepath.Join(p.server.dir, "pgbouncer-"+strconv.Itoa(p.port))
	all := map[string]string{
		"listen_addr": host, "listen_port": strconv.Itoa(p.port), "unix_socket_dir": "",
		"auth_type": "plain", "auth_file": base + ".users", "logfile": base + ".log", "pidfile": "",
		"admin_users": superuser, "server_login_retry": "1", "ignore_startup_parameters": "extra_float_digits",
	}
	maps.Copy(all, settings)
	var ini, list strings.Builder
	fmt.Fprintf(&ini, "[databases]\n* = host=%s port=%d\n[pgbouncer]\n", host, p.server.port)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&ini, "%s = %s\n", name, all[name])
	}
	fmt.Fprintf(&list, "%q %q\n", superuser, p.server.opts.password)
	for user, password := range users {
		fmt.Fprintf(&list, "%q %q\n", user, password)
	}
	acct := p.server.account
	return base + ".ini", errors.Join(acct.writeFile(base+".users", list.String()), acct.writeFile(base+".ini", ini.String()))
}

// awaitReady logs in until that succeeds, or the server behind it does not.
func (p *Pooler) awaitReady(ctx context.Context) error {
	for {
		if p.process.exited() {
			return fmt.Errorf("%w: %s", errExited, p.logTail())
		}
		conn, err := pgconn.Connect(ctx, p.DSNFor(superuser, p.server.opts.password, "pgbouncer"))
		if err == nil {
			return conn.Close(ctx)
		}
		if sleep(ctx, 10*time.Millisecond) != nil {
			return fmt.Errorf("waiting for PgBouncer: %w (last: %v)", context.Cause(ctx), err)
		}
	}
}

func (p *Pooler) logTail() string {
	text, err := os.ReadFile(filepath.Join(p.server.dir, "pgbouncer-"+strconv.Itoa(p.port)+".log"))
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text))
}

// DSNFor returns the URL of a database for a user by way of the pooler, without TLS.
func (p *Pooler) DSNFor(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Host: net.JoinHostPort(host, strconv.Itoa(p.port)),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Close ends the pooler and every connection over it.
func (p *Pooler) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(p.process.signal(polite), p.process.await(ctx)); err != nil {
		return errors.Join(fmt.Errorf("postgres: end PgBouncer: %w", err), p.process.signal(killSignal))
	}
	return nil
}
