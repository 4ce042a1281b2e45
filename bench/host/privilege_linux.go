package host

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// harmless lists the file capabilities that lastack accepts: they allow everybody who runs it no more than a load.
var harmless = []string{"net_admin", "net_raw", "net_bind_service", "ipc_lock", "bpf", "perfmon"}

// CheckPrivileges refuses to run set-user-ID, set-group-ID or with powerful file capabilities: the user of lastack chooses files that it
// writes and programs that it starts.
func CheckPrivileges() error {
	const remedy = "remove that, and start it by sudo where it needs rights"
	switch {
	case os.Geteuid() != os.Getuid():
		return fmt.Errorf("this program is set-user-ID, which gives that user's rights to everybody: %s", remedy)
	case os.Getegid() != os.Getgid():
		return fmt.Errorf("this program is set-group-ID, which gives that group's rights to everybody: %s", remedy)
	}
	if !secure() {
		return nil
	}
	_, permitted, err := effectiveCaps()
	if err != nil || permitted&^setOf(harmless) == 0 {
		return nil
	}
	return fmt.Errorf("this program's file capabilities give everybody rights beyond the network: %s, or keep only cap_net_admin, cap_net_raw and the like", remedy)
}

// secure reports whether the kernel gave the program more rights than its caller has (AT_SECURE, cap_bprm_creds_from_file).
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

func effectiveCaps() (effective, permitted uint64, err error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, 0, os.NewSyscallError("capget", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), nil
}

// KeepCapabilities drops all other capabilities for good, on all threads, and sets no_new_privs. It is best effort: if the kernel refuses,
// nothing is worse than before.
func KeepCapabilities(lists ...[]string) {
	effective, permitted, err := effectiveCaps()
	if err != nil || !canSignalThreads() {
		return
	}
	keep := setOf(slices.Concat(lists...))
	effective, permitted = effective&keep, permitted&keep
	if _, _, errno := syscall.AllThreadsSyscall(syscall.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); errno != 0 {
		return // ENOTSUP in a program with cgo
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(effective), Permitted: uint32(permitted)},
		{Effective: uint32(effective >> 32), Permitted: uint32(permitted >> 32)},
	}
	// This clears the inheritable set, and with it the ambient one (capabilities(7)).
	_, _, _ = syscall.AllThreadsSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&data)
}

// canSignalThreads reports whether syscall.AllThreadsSyscall would work. The runtime sends each thread a real-time signal, and retries
// forever if the user's signal queue is full (RLIMIT_SIGPENDING, tgkill's EAGAIN).
func canSignalThreads() bool {
	const room = 256 // more than lastack has threads
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

// WithoutCapabilities calls f on a separate thread without effective capabilities.
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

// MakesSandboxAsRoot is Facts.RootSandbox of this process as it is now.
func MakesSandboxAsRoot() bool {
	f := Facts{UID: os.Geteuid(), InitialUserNS: netns.InInitialUserNamespace()}
	if effective, _, err := effectiveCaps(); err == nil {
		f.Capabilities = capabilityNames(effective)
	}
	return f.RootSandbox()
}
