package process

import "syscall"

// dieWithParent has the kernel kill the program when the test dies without stopping it: a test that times out runs no
// cleanup, and the server it started would hold its ports for ever.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
