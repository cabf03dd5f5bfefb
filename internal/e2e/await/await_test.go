package await_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelpool/pgx/internal/e2e/await"
)

func TestUntil_ReturnsAsSoonAsTheCheckPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		err := await.Until(t.Context(), time.Second, func() error {
			if calls++; calls < 3 {
				return errors.New("not yet")
			}
			return nil
		})
		if err != nil || time.Since(start) != 2*time.Second {
			t.Fatalf("Until() = %v after %v, want nil after 2s", err, time.Since(start))
		}
	})
}

func TestUntil_SaysWhatWasStillMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		missing := errors.New("no metric")
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		err := await.Until(ctx, time.Second, func() error { return missing })
		if !errors.Is(err, missing) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Until() = %v, want both the deadline and what was missing", err)
		}
	})
}
