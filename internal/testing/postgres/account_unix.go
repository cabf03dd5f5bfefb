//go:build unix && !aix && !solaris

package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// account is the user that the server's processes run as, and that owns their files.
type account struct {
	uid, gid int
	drop     bool // it is not ourselves
}

// serverAccount returns ourselves, except for root, as which PostgreSQL refuses to run.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return account{}, fmt.Errorf("looking up user %s: %w", name, err)
		}
		return account{uid: uid, gid: gid, drop: true}, nil
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
}

// apply makes cmd run as the account, in a process group of its own: Ctrl-C in a terminal then reaches the owner alone,
// which may still want the server while it winds down.
func (a account) apply(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
}

// own gives a file or directory to the account.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// writeFile creates a file that only the account can read. PostgreSQL insists on that for a private key.
func (a account) writeFile(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return a.own(path)
}

// tempDir returns the first of the temporary directories that the account can use itself. Root's own (TMPDIR, say, in a home
// directory) often is closed to it; and where it may not write, the guard could not remove what we made.
func (a account) tempDir() (string, error) {
	for _, dir := range tempDirs() {
		if !a.drop || a.canReach(dir) && a.has(dir, write) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("user %d can write to none of %v", a.uid, tempDirs())
}

// tempDirs lists where a server's directory may be, the best place first. Whoever sets TMPDIR knows better than we do.
func tempDirs() []string {
	dirs := []string{os.TempDir(), "/tmp", "/var/tmp"}
	if memory := memoryDir(); memory != "" && os.Getenv("TMPDIR") == "" {
		dirs = slices.Insert(dirs, 0, memory)
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return !filepath.IsAbs(dir) }) // postgres changes directory
	return dirs
}

// Permission bits, as for others.
const (
	enter = 0o1
	write = 0o2
)

// canReach reports whether the account may enter a directory and all that it lies in.
func (a account) canReach(dir string) bool {
	parent := filepath.Dir(dir)
	return a.has(dir, enter) && (parent == dir || a.canReach(parent))
}

// has reports whether the directory gives the account a permission.
func (a account) has(dir string, permission os.FileMode) bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch {
	case int(stat.Uid) == a.uid:
		permission <<= 6
	case int(stat.Gid) == a.gid:
		permission <<= 3
	}
	return info.Mode()&permission != 0
}
