package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// faulty runs a program under a seccomp filter that answers a system call with an errno, in all that it starts too:
// faulty NUMBER=ERRNO[,...] PROGRAM [ARG...].
func faulty() {
	fail := func(what string, err error) {
		fmt.Fprintf(os.Stderr, "faulty: %s: %v\n", what, err)
		os.Exit(125)
	}
	if len(os.Args) < 3 {
		fail("usage", unix.EINVAL)
	}
	path, err := exec.LookPath(os.Args[2])
	if err != nil {
		fail("program", err)
	}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the system call's number
	for pair := range strings.SplitSeq(os.Args[1], ",") {
		number, errno, _ := strings.Cut(pair, "=")
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			fail("system call", err)
		}
		e, err := strconv.ParseUint(errno, 10, 16)
		if err != nil {
			fail("errno", err)
		}
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(n), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(e)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	runtime.LockOSThread() // the filter is the thread's, and the thread becomes the program
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		fail("no_new_privs", err)
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		fail("seccomp", err)
	}
	fail("exec", syscall.Exec(path, os.Args[2:], os.Environ()))
}
