//go:build unix && !aix && !solaris

package postgres

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestStart_ReturnsAServerThatServes(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	conn := connect(t, server.DSN())
	if got := query[string](t, conn, "SELECT current_user || ' ' || current_database()"); got != "postgres postgres" {
		t.Errorf("connected as %q", got)
	}
	if got := query[string](t, conn, "SHOW server_encoding"); got != "UTF8" {
		t.Errorf("server_encoding is %s", got)
	}
	if got := query[string](t, conn, "SHOW max_connections"); got != "100" {
		t.Errorf("max_connections is %s", got)
	}
}

func TestSettings_ReachTheServerWhateverTheyContain(t *testing.T) {
	t.Parallel()
	const odd = `it's a "back\slash"`
	server := startServer(t,
		WithMaxConnections(12), WithSetting("cluster_name", odd), WithSetting("work_mem", "1MB"), WithSetting("work_mem", "2MB"))
	conn := connect(t, server.DSN())
	for name, want := range map[string]string{"max_connections": "12", "cluster_name": odd, "work_mem": "2MB"} {
		if got := query[string](t, conn, "SHOW "+name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestPassword_ThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	server := startServer(t, WithPassword("p@ss/word's?"))
	assertServes(t, server)
	_, err := pgx.Connect(t.Context(), server.DSNFor("postgres", "guess", "postgres"))
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "28P01" {
		t.Errorf("error is %v, want SQLSTATE 28P01", err)
	}
}

func TestTLS_IsOfferedWithACertificateThatVerifies(t *testing.T) {
	t.Parallel()
	server := startServer(t, WithTLS())
	verified := strings.Replace(server.DSN(), "sslmode=disable", "sslmode=verify-full&sslrootcert="+server.RootCert(), 1)
	const usesTLS = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
	if !query[bool](t, connect(t, verified), usesTLS) {
		t.Error("the verified connection does not use TLS")
	}
	if query[bool](t, connect(t, server.DSN()), usesTLS) {
		t.Error("DSN asks for TLS")
	}
}

func TestRootCert_IsEmptyWithoutTLS(t *testing.T) {
	t.Parallel()
	if got := new(Server).RootCert(); got != "" {
		t.Errorf("RootCert is %q", got)
	}
}

func TestCreateDatabase_TakesAnyName(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	const name = `odd "name" of/a?database`
	if err := server.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if got := query[string](t, connect(t, server.DSNForDatabase(name)), "SELECT current_database()"); got != name {
		t.Errorf("connected to %q", got)
	}
	var duplicate *pgconn.PgError
	if err := server.CreateDatabase(t.Context(), name); !errors.As(err, &duplicate) || duplicate.Code != "42P04" {
		t.Errorf("error is %v, want SQLSTATE 42P04", err)
	}
}

func TestServers_LiveSideBySide(t *testing.T) {
	t.Parallel()
	first, second := startServer(t), startServer(t)
	if first.Port() == second.Port() {
		t.Errorf("both use port %d", first.Port())
	}
	assertServes(t, first)
	assertServes(t, second)
}

func TestStart_SaysWhySettingsAreRefusedAndLeavesNothing(t *testing.T) {
	base := useTempDir(t)
	_, err := Start(t.Context(), WithSetting("no_such_setting", "on"))
	assertIs(t, err, errExited)
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("error is %v, want the server's own words", err)
	}
	assertEmpty(t, base)
}

func TestStart_EndsWithItsContextAndLeavesNothing(t *testing.T) {
	base := useTempDir(t)
	for name, after := range map[string]time.Duration{"at once": 0, "during initdb": 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err := Start(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error is %v", name, err)
		}
		assertEmpty(t, base)
	}
}

func TestStart_SaysHowToInstallMissingPrograms(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), WithBinDir(t.TempDir()))
	assertIs(t, err, ErrNotInstalled)
	if text := ErrNotInstalled.Error(); strings.Contains(text, "\n") || !strings.Contains(text, "apt-get install postgresql") {
		t.Errorf("the advice is %q", text)
	}
}

func TestRoot_RunsTheServerAsSomeoneElse(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root drops privileges")
	}
	server := startServer(t)
	pid := query[string](t, connect(t, server.DSN()), "SELECT pg_backend_pid()::text")
	info, err := os.Stat("/proc/" + pid)
	if err != nil {
		t.Skip("no /proc here: ", err)
	}
	if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid == 0 || uid != server.account.uid {
		t.Errorf("a session runs as user %d, want %d", uid, server.account.uid)
	}
}
