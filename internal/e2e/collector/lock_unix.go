//go:build unix

package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/otelpool/pgx/internal/e2e/await"
)

// lock takes a lock that other processes respect, waiting for it as long as ctx lasts. The kernel frees it when a
// process dies, so a crashed build blocks nobody.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = await.Until(ctx, 200*time.Millisecond, func() error {
		for {
			err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
			if !errors.Is(err, syscall.EINTR) {
				return err
			}
		}
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for another build to end: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
