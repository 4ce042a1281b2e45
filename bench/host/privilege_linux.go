package host

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// What needs a capability, and until when. Where a user is without, the first column is done without, or refused, and said.
//
//	namespaces, links, sysctls, loss of a sandbox   SYS_ADMIN, NET_ADMIN          until the load begins
//	io_uring beyond RLIMIT_MEMLOCK                  IPC_LOCK                      to the end: rings may be added
//	local ports below 1024                          NET_BIND_SERVICE              to the end
//	orphans destroyed at a sandbox's end            NET_ADMIN                     to the end
//	serve --shutdown: filters on sockets            NET_ADMIN, NET_RAW            to the end
//	--server-pid of another user                    SYS_PTRACE                    to the end
//	--output or --ledger where uid 0 alone may not  DAC_OVERRIDE, FOWNER, CHOWN   to the end
//
// Whoever started a sandbox's process keeps those of --output alone once the sandbox is on. drain keeps what it has: for each try it clones a PID namespace (SYS_ADMIN),
// reads and signals others' processes (SYS_PTRACE, KILL) and opens packet sockets. Who has those three can have the rest, so that to
// give that up would protect nobody; and what it starts must have what a shell would give it, which no_new_privs takes away.
var (
	RunCapabilities     = []int{unix.CAP_IPC_LOCK, unix.CAP_NET_BIND_SERVICE}
	SandboxCapabilities = []int{unix.CAP_NET_ADMIN}
	ServeCapabilities   = []int{unix.CAP_IPC_LOCK, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}
	PIDCapabilities     = []int{unix.CAP_SYS_PTRACE}
	FileCapabilities    = []int{unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_CHOWN}
)

// harmless are the capabilities that a file may give lastack to whoever runs it: what they allow is a load.
var harmless = []int{
	unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE, unix.CAP_IPC_LOCK, unix.CAP_BPF, unix.CAP_PERFMON,
}

// CheckPrivileges refuses to be set-user-ID and the like: who runs it chooses files that it writes and programs that it executes.
func CheckPrivileges() error {
	const remedy = "want it without, started by who has the right (sudo)"
	switch {
	case os.Geteuid() != os.Getuid():
		return fmt.Errorf("this program is set-user-ID, which would lend that user's rights to everybody: %s", remedy)
	case os.Getegid() != os.Getgid():
		return fmt.Errorf("this program is set-group-ID, which would lend that group's rights to everybody: %s", remedy)
	}
	if !secure() {
		return nil
	}
	_, permitted, err := effectiveCaps()
	if err != nil || permitted&^setOf(harmless) == 0 {
		return nil
	}
	return fmt.Errorf("this program's file capabilities would lend rights beyond the network's to everybody: %s, or with cap_net_admin, cap_net_raw and the like alone", remedy)
}

// secure tells that the kernel gave the program more than who executed it has (AT_SECURE, cap_bprm_creds_from_file).
func secure() bool {
	const atSecure = 23
	auxv, err := unix.Auxv()
	if err != nil {
		return false
	}
	for _, e := range auxv {
		if e[0] == atSecure {
			return e[1] != 0
		}
	}
	return false
}

func setOf(list []int) (s uint64) {
	for _, c := range list {
		s |= 1 << c
	}
	return s
}

func effectiveCaps() (effective, permitted uint64, err error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, 0, os.NewSyscallError("capget", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), nil
}

// KeepCapabilities gives all others up for good, on all threads, and executes none that would bring them back. It does what it
// can: where the kernel refuses, nothing has become worse.
func KeepCapabilities(lists ...[]int) {
	effective, permitted, err := effectiveCaps()
	if err != nil || !canSignalThreads() {
		return
	}
	var keep uint64
	for _, l := range lists {
		keep |= setOf(l)
	}
	effective, permitted = effective&keep, permitted&keep
	if _, _, errno := syscall.AllThreadsSyscall(syscall.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); errno != 0 {
		return // ENOTSUP in a program with cgo
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(effective), Permitted: uint32(permitted)},
		{Effective: uint32(effective >> 32), Permitted: uint32(permitted >> 32)},
	}
	// The inheritable set goes, and the ambient one with it (effectiveCaps(7)).
	_, _, _ = syscall.AllThreadsSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&data)
}

// canSignalThreads tells that the runtime can have each thread make a call: it sends them a real-time signal, without end
// where the user's queue of those is full (RLIMIT_SIGPENDING, EAGAIN of tgkill).
func canSignalThreads() bool {
	const room = 256 // more than there are threads
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "SigQ:"); ok {
			var queued, limit uint64
			n, _ := fmt.Sscanf(v, "%d/%d", &queued, &limit)
			return n == 2 && limit > queued && limit-queued > room
		}
	}
	return false
}

// WithoutCapabilities calls f on a thread that has none in effect, and ends with it.
func WithoutCapabilities(f func() error) error {
	return netns.OnOwnThread(func() error {
		_, permitted, err := effectiveCaps()
		if err != nil {
			return err
		}
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Permitted: uint32(permitted)}, {Permitted: uint32(permitted >> 32)}}
		if err := unix.Capset(&hdr, &data[0]); err != nil {
			return err
		}
		return f()
	})
}
