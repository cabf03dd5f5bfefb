package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// childrenOf lists the children of a process, ended ones left out. It reads /proc because a minimal container has no ps.
func childrenOf(parent int) ([]int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var children []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue // not a process
		}
		state, ppid, err := processStat(pid)
		if err != nil {
			return nil, err
		}
		if ppid == parent && !ended(state) {
			children = append(children, pid)
		}
	}
	return children, nil
}

// running reports whether a process exists and has not ended. A child of a killed postmaster stays a zombie until the
// system's first process gets round to it; that one holds nothing any more.
func running(pid int) bool {
	state, _, err := processStat(pid)
	return err == nil && !ended(state)
}

func ended(state byte) bool { return state == 0 || state == 'Z' || state == 'X' }

// processStat returns a process's state letter and its parent, or zeros if there is no such process.
func processStat(pid int) (state byte, ppid int, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	// "pid (name) state ppid …", and the name may contain anything, parentheses included.
	_, err = fmt.Sscanf(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " %c %d", &state, &ppid)
	if err != nil {
		return 0, 0, fmt.Errorf("reading the state of process %d: %w", pid, err)
	}
	return state, ppid, nil
}
