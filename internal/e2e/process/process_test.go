package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/internal/e2e/await"
	"github.com/otelpool/pgx/internal/e2e/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell starts a shell script and returns it with its log.
func shell(t *testing.T, script string) (*process.Process, string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	p, err := process.Start(process.Spec{Path: "/bin/sh", Args: []string{"-c", script}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	return p, log
}

// awaitLine waits until the log has the word: the script is then where the test wants it.
func awaitLine(t *testing.T, log, word string) {
	t.Helper()
	err := await.Until(t.Context(), 5*time.Millisecond, func() error {
		raw, err := os.ReadFile(log)
		if err == nil && !strings.Contains(string(raw), word) {
			err = os.ErrNotExist
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStop_LetsTheProgramEndByItself(t *testing.T) {
	p, log := shell(t, `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done`)
	awaitLine(t, log, "up")
	if err := p.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if got := process.Tail(log, 1); got != "bye" {
		t.Fatalf("last line of the log = %q, want bye", got)
	}
}

func TestStop_KillsAProgramThatDoesNotEnd(t *testing.T) {
	p, log := shell(t, `trap '' TERM; echo up; while :; do sleep 0.01; done`)
	awaitLine(t, log, "up")
	err := p.Stop(50 * time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "did not stop") {
		t.Fatalf("Stop() = %v, want an error that says it did not stop", err)
	}
	<-p.Done()
}

func TestProcess_SaysHowItsProgramEnded(t *testing.T) {
	p, _ := shell(t, `exit 3`)
	<-p.Done()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("Err() = %v, want exit status 3", err)
	}
	if err := p.Kill(); err != nil {
		t.Fatalf("Kill() of an ended program = %v, want nil", err)
	}
}

func TestFreeAddrs_AreAllDifferent(t *testing.T) {
	addrs, err := process.FreeAddrs(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range addrs {
		if seen[a] {
			t.Fatalf("%s was handed out twice", a)
		}
		seen[a] = true
	}
}
