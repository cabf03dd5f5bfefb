// Package await waits for what another process will do in its own time.
package await

import (
	"context"
	"fmt"
	"time"
)

// Until calls check every interval until it returns nil. When ctx ends first, the error names the last reason why not:
// "deadline exceeded" alone tells nobody what was missing.
func Until(ctx context.Context, interval time.Duration, check func() error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		last := check()
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: still %w", ctx.Err(), last)
		case <-ticker.C:
		}
	}
}
