//go:build unix && !aix && !solaris

package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

//go:embed guard.sh
var guardScript string

// guard is a shell that outlives the owner by a moment and cleans up after it. It reads from a pipe whose other end only the
// owner holds, so it learns of any end: a panic, os.Exit, a test's timeout, SIGKILL. The kernel's own means (Linux'
// parent-death signal) would miss paused processes and the directory, and dies with the thread that started the server.
type guard struct {
	shell *process
	pipe  io.Closer
}

func startGuard(dir string, acct account) (*guard, error) {
	stdin, pipe, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	cmd := exec.Command("/bin/sh", "-c", guardScript, "otelpool-postgres-guard", dir)
	cmd.Dir = "/"
	cmd.Stdin = stdin
	acct.apply(cmd)
	shell, err := startProcess(cmd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the guard: %w", err), pipe.Close())
	}
	return &guard{shell: shell, pipe: pipe}, nil
}

// dismiss ends the guard, which removes the directory if that is still there.
func (g *guard) dismiss() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(g.pipe.Close(), g.shell.await(ctx)); err != nil {
		return fmt.Errorf("postgres: dismissing the guard: %w", err)
	}
	return nil
}
