package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noRing runs a program where io_uring_setup is answered with an errno: noring ERRNO PROGRAM [ARG...].
func noRing() { denied(unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_SETUP) }

// noSignal runs a program where pidfd_send_signal is answered with an errno: nosignal ERRNO PROGRAM [ARG...]; noKill one where kill is
// too.
func noSignal() { denied(unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_PIDFD_SEND_SIGNAL) }
func noKill()   { denied(unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_KILL) }

// denied runs a program under a seccomp filter, as containers have one, that answers two system calls with an errno.
func denied(first, second uint32) {
	if len(os.Args) < 3 {
		cannotFilter("usage", unix.EINVAL)
	}
	errno, err := strconv.ParseUint(os.Args[1], 10, 16)
	if err != nil {
		cannotFilter("errno", err)
	}
	filtered(os.Args[2:], []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: first, Jt: 1},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: second, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	})
}

// noDiag runs a program that gets no socket of NETLINK_SOCK_DIAG, as under a container's filter or on a kernel
// without CONFIG_INET_DIAG: nodiag PROGRAM [ARG...].
func noDiag() {
	if len(os.Args) < 2 {
		cannotFilter("usage", unix.EINVAL)
	}
	filtered(os.Args[1:], []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKET, Jf: 5},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: low(0)},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AF_NETLINK, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: low(2)},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.NETLINK_SOCK_DIAG, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	})
}

// noLoad runs a program that may make maps of eBPF and load no program, as under lockdown: noload PROGRAM [ARG...].
func noLoad() {
	if len(os.Args) < 2 {
		cannotFilter("usage", unix.EINVAL)
	}
	filtered(os.Args[1:], []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_BPF, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: low(0)},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.BPF_PROG_LOAD, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	})
}

// low is the offset of an argument's lower half in struct seccomp_data.
func low(arg uint32) uint32 {
	at := 16 + 8*arg
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		at += 4
	}
	return at
}

func cannotFilter(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %s: %v\n", os.Args[0], what, err)
	os.Exit(125)
}

// filtered becomes the program, under a filter.
func filtered(args []string, filter []unix.SockFilter) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		cannotFilter("program", err)
	}
	runtime.LockOSThread() // the filter is the thread's, and the thread becomes the program
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		cannotFilter("no_new_privs", err)
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		cannotFilter("seccomp", err)
	}
	cannotFilter("exec", syscall.Exec(path, args, os.Environ()))
}
