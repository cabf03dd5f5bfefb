package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/internal/e2e/collector"
)

// TestMain builds the Collector before any test is timed. The first build takes minutes, which would count for the first test.
func TestMain(m *testing.M) {
	if _, err := collector.Build(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
