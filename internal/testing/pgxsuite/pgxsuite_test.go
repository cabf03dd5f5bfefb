package pgxsuite

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/otelpool/pgx/internal/testing/pgtest"
)

// leastTests and leastPools guard against a run that tests nothing: pgx 5.12 has more.
const (
	leastTests = 70
	leastPools = 70
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestPgxpool_PassesItsOwnTestsWithTheHook(t *testing.T) {
	repository := strings.TrimSpace(run(t, ".", nil, "go", "list", "-m", "-f", "{{.Dir}}"))
	original := strings.TrimSpace(run(t, ".", nil, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/jackc/pgx/v5"))
	workspace := t.TempDir()
	pgx := filepath.Join(workspace, "pgx")
	copyTree(t, original, pgx)
	patch(t, filepath.Join(pgx, "pgxpool", "pool.go"))
	hook, err := os.ReadFile(filepath.Join("testdata", "hook_test.go"))
	if err == nil {
		err = os.WriteFile(filepath.Join(pgx, "pgxpool", "otelpool_hook_test.go"), hook, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	// A workspace makes both modules use the copy, without a change to either's go.mod.
	env := append(os.Environ(), "GOWORK="+filepath.Join(workspace, "go.work"), "GOFLAGS=-buildvcs=false", "PGX_TEST_DATABASE="+pgtest.DSN(t))
	run(t, workspace, append(os.Environ(), "GOWORK="), "go", "work", "init", "./pgx", repository)
	out := run(t, pgx, env, "go", "test", "-count=1", "-v", "./pgxpool")

	passed := regexp.MustCompile(`(?m)^--- PASS: (\w+)`).FindAllStringSubmatch(out, -1)
	skipped := regexp.MustCompile(`(?m)^--- SKIP: (\w+)`).FindAllStringSubmatch(out, -1)
	pools := regexp.MustCompile(`(?m)^watched pools: (\d+), acquires: (\d+).*$`).FindStringSubmatch(out)
	if len(passed) < leastTests || len(skipped) > 5 {
		t.Errorf("%d tests passed, %d were skipped, want %d:\n%s", len(passed), len(skipped), leastTests, out)
	}
	if pools == nil {
		t.Fatalf("no pool was watched:\n%s", out)
	}
	if n, err := strconv.Atoi(pools[1]); err != nil || n < leastPools {
		t.Errorf("%s, want %d pools", pools[0], leastPools)
	}
	t.Logf("%d tests passed, %d skipped; %s", len(passed), len(skipped), pools[0])
}

// run returns the standard output of a program, and fails the test with all of its output if it fails.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var both, out bytes.Buffer
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdout, cmd.Stderr = &out, &both
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), both.String())
	}
	return out.String()
}

// copyTree copies what pgxpool and its tests need. The cache is read-only; the copy must not be.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// patches have NewWithConfig call a function of ours with a copy of its configuration; Pool.Config goes on returning what
// the test passed, since there it is the test that must not see a difference.
var patches = [][2]string{
	{
		"\tprepareConn := config.PrepareConn\n",
		"\toriginal := config\n\tif BeforeNewPool != nil {\n\t\tconfig = config.Copy()\n\t\tBeforeNewPool(config)\n\t}\n\n\tprepareConn := config.PrepareConn\n",
	},
	{"\t\tconfig:                config,\n", "\t\tconfig:                config,\n\t\toriginal: original,\n"},
	{"type Pool struct {\n", "// BeforeNewPool is called with the configuration of every pool.\nvar BeforeNewPool func(*Config)\n\ntype Pool struct {\n\toriginal *Config\n"},
	{"return p.config.Copy()", "return p.original.Copy()"},
}

func patch(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	source := string(content)
	for _, p := range patches {
		if strings.Count(source, p[0]) != 1 {
			t.Fatalf("%s is not what the patch was written for: %q", file, p[0])
		}
		source = strings.Replace(source, p[0], p[1], 1)
	}
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
}
