package collector

import (
	"context"
	"fmt"
	"os/exec"
)

// Validate has the Collector check configurations of collector-config, merged in this order; it does not run them.
func Validate(ctx context.Context, files ...string) error {
	binary, err := Build(ctx)
	if err != nil {
		return err
	}
	args, err := configArgs(Config{Files: files})
	if err != nil {
		return fmt.Errorf("validate %v: %w", files, err)
	}
	out, err := exec.CommandContext(ctx, binary, append([]string{"validate"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("validate %v: %w\n%s", files, err, out)
	}
	return nil
}
