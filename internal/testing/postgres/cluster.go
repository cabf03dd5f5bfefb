package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// initialise makes the data directory: initdb, our settings and, if asked, a certificate.
func (s *Server) initialise(ctx context.Context) error {
	passwordFile := filepath.Join(s.dir, "password")
	if err := s.account.writeFile(passwordFile, s.opts.password+"\n"); err != nil {
		return err
	}
	if err := s.initdb(ctx, passwordFile); err != nil {
		return err
	}
	if err := os.Remove(passwordFile); err != nil {
		return err
	}
	if s.opts.tls {
		if err := s.writeCertificate(); err != nil {
			return fmt.Errorf("making a certificate: %w", err)
		}
	}
	return appendFile(filepath.Join(s.dataDir(), "postgresql.conf"), s.opts.conf())
}

func (s *Server) initdb(ctx context.Context, passwordFile string) error {
	cmd := exec.CommandContext(ctx, s.bin.initdb,
		"--pgdata", s.dataDir(), "--no-sync", "--username", superuser, "--pwfile", passwordFile,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C")
	s.prepare(cmd)
	// Asked politely, initdb lets the postgres it is running finish its step, at most a second, and return its shared memory.
	cmd.Cancel = func() error { return cmd.Process.Signal(polite) }
	cmd.WaitDelay = 5 * time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("initdb: %w", context.Cause(ctx))
		}
		return fmt.Errorf("initdb: %w: %s", err, lastLines(output.String()))
	}
	return nil
}

// prepare gives a command the account, the surroundings and the process group that all of ours have.
func (s *Server) prepare(cmd *exec.Cmd) {
	cmd.Dir = s.dir // the caller's directory may be closed to the account
	cmd.Env = cleanEnv(os.Environ())
	s.account.apply(cmd)
}

// cleanEnv drops what would configure our server by accident (PGDATA, PGPORT, PGOPTIONS …) or translate its messages.
func cleanEnv(env []string) []string {
	kept := []string{"LC_ALL=C"}
	for _, entry := range env {
		if !strings.HasPrefix(entry, "PG") && !strings.HasPrefix(entry, "LC_") && !strings.HasPrefix(entry, "LANG") {
			kept = append(kept, entry)
		}
	}
	return kept
}

func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// lastLines returns the end of a program's output, where it says what went wrong.
func lastLines(output string) string {
	const most = 10
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
