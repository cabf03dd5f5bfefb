//go:build !unix || aix || solaris

package postgres

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
)

// The package compiles everywhere, so that everything that imports it does; Start returns this error where it cannot work.
var errUnsupported = errors.New("running a throwaway server is not supported on this system")

const (
	polite            = syscall.SIGTERM
	fastShutdown      = syscall.SIGINT
	immediateShutdown = syscall.SIGQUIT
	killSignal        = syscall.SIGKILL
	stopSignal        = syscall.SIGTERM
	continueSignal    = syscall.SIGTERM
)

type account struct{}

func serverAccount() (account, error) { return account{}, errUnsupported }

func (account) tempDir() (string, error)          { return "", errUnsupported }
func (account) apply(*exec.Cmd)                   {}
func (account) writeFile(path, text string) error { return errUnsupported }

func makeDir(string, account) (string, func(), error) { return "", nil, errUnsupported }
func removeStale(account)                             {}

type guard struct{}

func startGuard(string, account) (*guard, error) { return nil, errUnsupported }
func (*guard) dismiss() error                    { return errUnsupported }

type process struct{ pid int }

func startProcess(*exec.Cmd) (*process, error)   { return nil, errUnsupported }
func (*process) exited() bool                    { return true }
func (*process) signal(syscall.Signal) error     { return errUnsupported }
func (*process) await(context.Context) error     { return errUnsupported }
func sendSignal(pid int, _ syscall.Signal) error { return errUnsupported }
func childrenOf(parent int) ([]int, error)       { return nil, errUnsupported }
func running(pid int) bool                       { return false }
