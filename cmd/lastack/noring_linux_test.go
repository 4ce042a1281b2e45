package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noRing runs a program under a seccomp filter, as containers have one, that answers
// io_uring_setup with an errno: noring ERRNO PROGRAM [ARG...].
func noRing() {
	fail := func(what string, err error) {
		fmt.Fprintf(os.Stderr, "noring: %s: %v\n", what, err)
		os.Exit(125)
	}
	if len(os.Args) < 3 {
		fail("usage", unix.EINVAL)
	}
	errno, err := strconv.ParseUint(os.Args[1], 10, 16)
	if err != nil {
		fail("errno", err)
	}
	path, err := exec.LookPath(os.Args[2])
	if err != nil {
		fail("program", err)
	}
	runtime.LockOSThread() // the filter is the thread's, and the thread becomes the program
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		fail("no_new_privs", err)
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IO_URING_SETUP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		fail("seccomp", err)
	}
	fail("exec", syscall.Exec(path, os.Args[2:], os.Environ()))
}
