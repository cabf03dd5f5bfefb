//go:build unix && !linux && !aix && !solaris

package postgres

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// childrenOf lists the children of a process, ended ones left out.
func childrenOf(parent int) ([]int, error) {
	output, err := exec.Command("ps", "-A", "-o", "pid=", "-o", "ppid=", "-o", "state=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	var children []int
	for lines := bufio.NewScanner(bytes.NewReader(output)); lines.Scan(); {
		var pid, ppid int
		var state string
		if _, err := fmt.Sscan(lines.Text(), &pid, &ppid, &state); err != nil {
			return nil, fmt.Errorf("ps printed %q: %w", lines.Text(), err)
		}
		if ppid == parent && !strings.HasPrefix(state, "Z") {
			children = append(children, pid)
		}
	}
	return children, nil
}

// running reports whether a process exists.
func running(pid int) bool { return syscall.Kill(pid, 0) == nil }
