//go:build unix && !aix && !solaris

package postgres

import (
	"context"
	"errors"
	"os/exec"
	"sync"
	"syscall"
)

const (
	polite            = syscall.SIGTERM
	fastShutdown      = syscall.SIGINT
	immediateShutdown = syscall.SIGQUIT
	killSignal        = syscall.SIGKILL
	stopSignal        = syscall.SIGSTOP
	continueSignal    = syscall.SIGCONT
)

// process is a child that we reap ourselves, when asked. os/exec would need a goroutine that waits for the server's whole
// life, and every test that looks for leaked goroutines would find it. Until it is reaped its ID cannot be used again.
type process struct {
	pid int

	mu     sync.Mutex
	reaped bool // guarded by mu
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid}
	return p, cmd.Process.Release()
}

// exited reports whether the process has ended.
func (p *process) exited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exitedLocked()
}

func (p *process) exitedLocked() bool {
	for !p.reaped {
		pid, err := syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if pid == 0 && err == nil {
			return false
		}
		// Reaped now, or by someone else (ECHILD): either way it is gone.
		p.reaped = true
	}
	return true
}

// signal sends sig, unless the process has ended.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exitedLocked() {
		return nil
	}
	return syscall.Kill(p.pid, sig)
}

// await returns when the process has ended, or ctx has.
func (p *process) await(ctx context.Context) error {
	for !p.exited() {
		if err := sleep(ctx, tick); err != nil {
			return err
		}
	}
	return nil
}

// sendSignal signals any process; one that has ended meanwhile is no error.
func sendSignal(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
