package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tick is how often something that only the kernel can tell is asked again.
const tick = 2 * time.Millisecond

// freeze stops the postmaster, then its children, and returns them. Each session is a process group of its own, so no single
// signal reaches all; with the postmaster stopped first no new one can appear, except one it was just forking.
func (s *Server) freeze() (children []int, err error) {
	s.paused = true
	if err := s.postmaster.signal(stopSignal); err != nil {
		return nil, fmt.Errorf("postgres: pause: %w", err)
	}
	for quiet := 0; quiet < 2; time.Sleep(tick) {
		now, err := childrenOf(s.postmaster.pid)
		if err != nil {
			return nil, fmt.Errorf("postgres: listing the server's processes: %w", err)
		}
		quiet++
		for _, pid := range now {
			if slices.Contains(children, pid) {
				continue
			}
			quiet = 0
			children = append(children, pid)
			if err := sendSignal(pid, stopSignal); err != nil {
				return nil, fmt.Errorf("postgres: pause: %w", err)
			}
		}
	}
	return children, nil
}

// thaw undoes freeze, the children first: a postmaster that wakes up must find them able to answer.
func (s *Server) thaw() error {
	if !s.paused {
		return nil
	}
	children, err := childrenOf(s.postmaster.pid)
	if err != nil {
		return fmt.Errorf("postgres: listing the server's processes: %w", err)
	}
	var errs []error
	for _, pid := range children {
		errs = append(errs, sendSignal(pid, continueSignal))
	}
	if err := errors.Join(append(errs, s.postmaster.signal(continueSignal))...); err != nil {
		return fmt.Errorf("postgres: resume: %w", err)
	}
	s.paused = false
	return nil
}

// killAll ends every process by SIGKILL and returns once all are gone. Frozen first, so that none of them sees the others
// die and none escapes.
func (s *Server) killAll() error {
	if s.postmaster == nil || s.postmaster.exited() {
		return nil
	}
	children, err := s.freeze()
	for _, pid := range children {
		err = errors.Join(err, sendSignal(pid, killSignal))
	}
	if err := errors.Join(err, s.postmaster.signal(killSignal)); err != nil {
		return fmt.Errorf("postgres: kill: %w", err)
	}
	s.paused = false
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.awaitGone(ctx, children); err != nil {
		return fmt.Errorf("postgres: waiting for killed processes: %w", err)
	}
	s.freeSharedMemory()
	return nil
}

func (s *Server) awaitGone(ctx context.Context, children []int) error {
	if err := s.postmaster.await(ctx); err != nil {
		return err
	}
	for slices.ContainsFunc(children, running) {
		if err := sleep(ctx, tick); err != nil {
			return err
		}
	}
	return nil
}

// freeSharedMemory removes the System V segment that a killed server could not. It is tiny, but systems have few of them
// (macOS 32). The next start would find and remove it; there may be none. Best effort: without ipcrm all else still works.
func (s *Server) freeSharedMemory() {
	const keyAndIDLine = 7 // of postmaster.pid
	pidFile := filepath.Join(s.dataDir(), "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < keyAndIDLine {
		return
	}
	keyAndID := strings.Fields(lines[keyAndIDLine-1])
	if len(keyAndID) != 2 {
		return
	}
	cmd := exec.Command("ipcrm", "-m", keyAndID[1])
	s.prepare(cmd) // as the segment's owner: in a container root may not remove it
	if cmd.Run() == nil {
		// The file only protects that segment now, and would confuse a start once its process ID is used again.
		_ = os.Remove(pidFile)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
