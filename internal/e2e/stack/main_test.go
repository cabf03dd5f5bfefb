package stack

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/internal/e2e/repo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// path is a file of the repository.
func path(t *testing.T, elem ...string) string {
	t.Helper()
	p, err := repo.Path(elem...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
