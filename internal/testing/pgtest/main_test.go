package pgtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/otelpool/pgx/internal/testing/postgres"
)

// caseEnv makes the test binary run as some other package's would, in a situation that fails the run.
const caseEnv = "OTELPOOL_PGTEST_CASE"

func TestMain(m *testing.M) {
	switch os.Getenv(caseEnv) {
	case "not installed":
		os.Exit(run(m, nil, postgres.WithBinDir("/nowhere")))
	case "leak":
		go func() { select {} }()
	}
	Main(m)
}

func TestRun_FailsWithOneLineOfAdviceWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	output, code := runBinary(t, "^$", caseEnv+"=not installed")
	if code != 1 || strings.Count(output, "\n") != 1 || !strings.Contains(output, "apt-get install postgresql") {
		t.Errorf("exit code %d, output:\n%s", code, output)
	}
}

func TestRun_FailsForAGoroutineThatIsLeft(t *testing.T) {
	t.Parallel()
	output, code := runBinary(t, "^$", caseEnv+"=leak")
	if code != 1 || !strings.Contains(output, "goroutines left") {
		t.Errorf("exit code %d, output:\n%s", code, output)
	}
}

func TestRun_UsesTheServerThatTheEnvironmentNames(t *testing.T) {
	t.Parallel()
	if Server() == nil {
		t.Skip("we are that run")
	}
	server := Start(t)
	output, code := runBinary(t, "^TestDSN_IsOfAnEmptyDatabaseEachTime$", EnvDatabaseURL+"="+server.DSN())
	if code != 0 || !strings.Contains(output, "PASS") {
		t.Errorf("exit code %d, output:\n%s", code, output)
	}
	if left := databases(t, server.DSN()); len(left) > 0 {
		t.Errorf("databases %v were not dropped", left)
	}
}

func TestRun_FailsAtOnceWithoutThePasswordWhenTheServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	output, code := runBinary(t, "^$", EnvDatabaseURL+"=postgres://user:secret@127.0.0.1:1/db")
	if code != 1 || !strings.Contains(output, EnvDatabaseURL) || strings.Contains(output, "secret") {
		t.Errorf("exit code %d, output:\n%s", code, output)
	}
}

// runBinary runs this test binary again, with more environment.
func runBinary(t *testing.T, tests, env string) (output string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", tests)
	cmd.Env = append(os.Environ(), env)
	var buffer bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buffer, &buffer
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return buffer.String(), cmd.ProcessState.ExitCode()
}
