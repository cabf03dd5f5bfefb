//go:build unix && !aix && !solaris

package postgres

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOwner_ThatIsKilledLeavesNeitherProcessNorDirectory(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"running", "paused"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			owner, dir := startOwner(t, state)
			if err := owner.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = owner.Wait() // "signal: killed"
			eventually(t, "cleaning up", func() bool {
				_, err := os.Stat(dir)
				return errors.Is(err, os.ErrNotExist) && len(processesIn(t, dir)) == 0
			})
		})
	}
}

func TestStart_RemovesWhatADeadOwnerLeft(t *testing.T) {
	base := useTempDir(t)
	abandoned := abandonedDir(t, base, "")
	crashed := abandonedDir(t, base, strconv.Itoa(deadProcess(t)))
	alive := abandonedDir(t, base, strconv.Itoa(os.Getpid()))
	locked := abandonedDir(t, base, "")
	unlock, err := lock(locked)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	young := abandonedDir(t, base, "")
	if err := os.Chtimes(young, time.Time{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(base, "someone-elses")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}

	startServer(t)

	for _, dir := range []string{abandoned, crashed} {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s was left", dir)
		}
	}
	for _, dir := range []string{alive, locked, young, foreign} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("removed what may be in use: %v", err)
		}
	}
}

func TestServer_MovesWhereItsAccountMayGo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has places that the server's account may not enter")
	}
	open := useTempDir(t)
	closed := filepath.Join(open, "closed")
	for name, modes := range map[string][2]os.FileMode{
		"cannot enter":            {0o700, 0o777},
		"cannot enter its parent": {0o777, 0o700},
		"cannot write":            {0o755, 0o777},
	} {
		t.Run(name, func(t *testing.T) {
			if err := errors.Join(os.MkdirAll(closed, 0o700), os.Chmod(closed, modes[0]), os.Chmod(open, modes[1])); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TMPDIR", closed)
			server := startServer(t)
			if strings.HasPrefix(server.dir, closed) {
				t.Errorf("%s is no place for user %d", server.dir, server.account.uid)
			}
		})
	}
}

// startOwner runs this test binary as an owner (see TestMain) and returns the directory of its server.
func startOwner(t *testing.T, state string) (*exec.Cmd, string) {
	t.Helper()
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerEnv+"="+state)
	output, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Process.Kill() }) // for a test that fails before it does so
	line, err := bufio.NewReader(output).ReadString('\n')
	if dir := strings.TrimSpace(line); err == nil && strings.Contains(dir, dirPrefix) {
		return owner, dir
	}
	t.Fatalf("the owner said %q (%v)", line, err)
	return nil, ""
}

// abandonedDir makes a directory as a server's owner would have left it long ago, with a postmaster.pid if pid is given.
func abandonedDir(t *testing.T, base, pid string) string {
	t.Helper()
	acct, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	dir, unlock, err := makeDir(base, acct)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if pid != "" {
		data := filepath.Join(dir, "data")
		if err := os.Mkdir(data, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, "postmaster.pid"), []byte(pid+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(dir, time.Time{}, time.Now().Add(-2*staleAge)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// deadProcess returns the ID of a process that has just ended.
func deadProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// sharedMemoryID reads the System V segment that the server holds.
func sharedMemoryID(t *testing.T, server *Server) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(server.dataDir(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			return fields[1]
		}
	}
	t.Fatalf("no shared memory in postmaster.pid: %s", text)
	return ""
}

func groupOf(t *testing.T, pid int) (group int, alive bool) {
	t.Helper()
	group, err := syscall.Getpgid(pid)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	return group, err == nil
}
