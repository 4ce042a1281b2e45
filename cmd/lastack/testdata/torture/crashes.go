// The torture test compiles this file into the program (go build -overlay): what is shipped does not have it.

package main

import (
	"cmp"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// init sends the trace of a panic or of a fatal error of the runtime to a pipe of the test as well, whatever stderr is.
//
// The pipe is opened by openat2, as faults are injected into openat, and for reading too, so that nothing waits for the test. Who
// starts a server has a small environment of its own, and finds the pipe in its working directory.
func init() {
	fd, err := unix.Openat2(unix.AT_FDCWD, cmp.Or(os.Getenv("TORTURE_CRASHES"), "crashes"), &unix.OpenHow{Flags: unix.O_RDWR | unix.O_CLOEXEC})
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), "crashes")
	_ = debug.SetCrashOutput(f, debug.CrashOptions{}) // the test checks that it works
	_ = f.Close()
}
