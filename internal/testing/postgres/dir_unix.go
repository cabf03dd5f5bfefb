//go:build unix && !aix && !solaris

package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// dirPrefix marks our directories, for removeStale and for whoever wonders.
	dirPrefix = "otelpool-postgres-"

	// staleAge keeps removeStale off a directory that another process is just about to lock.
	staleAge = time.Minute
)

// makeDir creates a directory for one server and locks it. The kernel drops the lock when its owner ends, however it ends:
// whoever gets the lock knows that the directory is nobody's any more.
func makeDir(base string, acct account) (dir string, unlock func(), err error) {
	dir, err = os.MkdirTemp(base, dirPrefix)
	if err != nil {
		return "", nil, err
	}
	unlock, err = lock(dir)
	if err == nil {
		err = acct.own(dir)
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, unlock, nil
}

func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), f.Close())
	}
	return func() { _ = f.Close() }, nil // closing a directory cannot fail, and the lock goes in any case
}

// removeStale removes what an owner and its guard left when both were killed. Best effort: whatever it cannot remove does
// not stand in the way of a new server, and the next one tries again.
func removeStale(acct account) {
	for _, base := range tempDirs() {
		dirs, err := filepath.Glob(filepath.Join(base, dirPrefix+"*"))
		if err != nil {
			continue
		}
		for _, dir := range dirs {
			if isStale(dir, acct) {
				_ = os.RemoveAll(dir)
			}
		}
	}
}

func isStale(dir string, acct account) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || time.Since(info.ModTime()) < staleAge {
		return false
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != acct.uid {
		return false // someone else's: not ours to judge, even if we are root
	}
	unlock, err := lock(dir)
	if err != nil {
		return false // its owner lives
	}
	defer unlock()
	return !postmasterLives(dir)
}

// postmasterLives takes any process with the recorded ID for the postmaster: wrong now and then, never harmful.
func postmasterLives(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimPrefix(first, "-")) // initdb's single-user server writes a minus
	return err == nil && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
