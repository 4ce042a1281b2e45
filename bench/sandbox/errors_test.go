package sandbox

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

func TestLikelyCause(t *testing.T) {
	tests := []struct {
		name  string
		step  step
		mode  Mode
		errno syscall.Errno
		files map[string]string
		want  string
	}{
		{"Debian's switch", stepNamespaces, User, syscall.EPERM, map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0"}, "kernel.unprivileged_userns_clone is 0"},
		{"switch on", stepNamespaces, User, syscall.EPERM, map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "1"}, ""},
		{"AppArmor, late", stepLoopback, User, syscall.EPERM, map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}, "kernel.apparmor_restrict_unprivileged_userns is 1: AppArmor denies it to programs without a profile that allows userns"},
		{"not root's concern", stepNamespaces, Root, syscall.EPERM, map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}, ""},
		{"seccomp", stepNamespaces, Root, syscall.EPERM, map[string]string{"/proc/self/status": "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1"}, "a seccomp filter is in effect, as in most containers"},
		{"two suspects", stepNamespaces, User, syscall.EPERM, map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0", "/proc/self/status": "Seccomp:\t2\n"}, "one of: kernel.unprivileged_userns_clone is 0; a seccomp filter is in effect, as in most containers"},
		{"none allowed", stepNamespaces, User, syscall.ENOSPC, map[string]string{"/proc/sys/user/max_user_namespaces": "0"}, "user.max_user_namespaces is 0"},
		{"no more allowed", stepNamespaces, User, syscall.ENOSPC, map[string]string{"/proc/sys/user/max_user_namespaces": "100", "/proc/sys/user/max_net_namespaces": "100"}, "user.max_user_namespaces or user.max_net_namespaces is reached"},
		{"nested", stepNamespaces, User, syscall.EUSERS, nil, "user namespaces are nested too deeply here"},
		{"container", stepWrite, Root, syscall.EROFS, nil, "/proc/sys is mounted read-only, as in most containers"},
		{"old kernel", stepNamespaces, User, syscall.EINVAL, nil, "this kernel is built without user or network namespaces"},
		{"no memfd_create", stepHandoff, User, syscall.ENOSYS, nil, ""},
		{"memfd_create filtered", stepHandoff, User, syscall.EPERM, map[string]string{"/proc/self/status": "Seccomp:\t2\n"}, "a seccomp filter is in effect, as in most containers"},
		{"no nftables", stepLoss, User, syscall.EOPNOTSUPP, nil, "this kernel has no nftables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET, CONFIG_NFT_NUMGEN)"},
		{"no veth", stepVeth, User, syscall.EOPNOTSUPP, nil, "this kernel has no veth (CONFIG_VETH)"},
		{"no errno", stepStart, User, 0, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := likelyCause(tt.step, tt.mode, tt.errno, func(path string) string { return tt.files[path] })
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// What the child had is what the parent gets, errno and words.
func TestFailureRoundTrip(t *testing.T) {
	key := Sysctl{"net.ipv4.tcp_mem", "1 2 3"}
	tests := []struct {
		in   error
		want string
	}{
		{&Error{step: stepVeth, Mode: User, Err: fmt.Errorf("add address: %w", os.NewSyscallError("bind", syscall.EPERM))}, "no sandbox: could not join client and server by a veth pair (as user): add address: bind: operation not permitted"},
		{&Error{step: stepFresh, Mode: User, Err: errors.New("lo is up already")}, "no sandbox: could not check that the namespace is new (as user): lo is up already"},
		{&SysctlError{Sysctl: key, Err: &os.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}}, "sysctl net.ipv4.tcp_mem: this kernel does not have it: want one that is below /proc/sys/net"},
		{&SysctlError{Sysctl: key, Err: syscall.EACCES}, `sysctl net.ipv4.tcp_mem: read-only in a sandbox, for root too: want one that a network namespace can set, like net.ipv4.tcp_fin_timeout`},
		{&SysctlError{Sysctl: key, Err: syscall.EINVAL}, `sysctl net.ipv4.tcp_mem: the kernel does not accept the value "1 2 3": invalid argument`},
		{&SysctlError{Sysctl: key, Held: "4 5 6", Err: syscall.EINVAL}, `sysctl net.ipv4.tcp_mem: the kernel does not accept the value "1 2 3": invalid argument: want one like "4 5 6", which it has`},
		{&SysctlError{Sysctl: key, Held: "4 5 6", Err: syscall.EPERM}, `sysctl net.ipv4.tcp_mem: the kernel does not accept the value "1 2 3": operation not permitted: want one like "4 5 6", which it has`},
		{&SysctlError{Sysctl: key, Held: "4 5 6", Err: syscall.ENOENT}, `sysctl net.ipv4.tcp_mem: the kernel does not accept the value "1 2 3": no such file or directory: want one like "4 5 6", which it has`},
		{&SysctlError{Sysctl: key, Held: "4\t5\t6"}, `sysctl net.ipv4.tcp_mem: the kernel took "1 2 3", but holds "4 5 6" then: want a value that it keeps as it is`},
	}
	for _, tt := range tests {
		got := newFailure(tt.in).error(User)
		if got.Error() != tt.want {
			t.Errorf("%s\nwant %s", got, tt.want)
		}
		if errnoOf(got) != errnoOf(tt.in) {
			t.Errorf("%v: errno %v, want %v", tt.in, errnoOf(got), errnoOf(tt.in))
		}
	}
	rootOnly := &SysctlError{Sysctl: key, RootOnly: true, Err: syscall.ENOENT}
	if want := "sysctl net.ipv4.tcp_mem: only the namespaces of root have it: want one that yours have too, like net.ipv4.tcp_fin_timeout, or start lastack by sudo"; rootOnly.Error() != want {
		t.Errorf("%s\nwant %s", rootOnly, want)
	}
	hostWide := &SysctlError{Sysctl: key, HostWide: true, Err: syscall.ENOENT}
	if want := "sysctl net.ipv4.tcp_mem: not per network namespace, so a sandbox cannot have its own, and the host's is never written: want one of a network namespace, like net.ipv4.tcp_fin_timeout"; hostWide.Error() != want {
		t.Errorf("%s\nwant %s", hostWide, want)
	}
	hidden := &SysctlError{Sysctl: key, Hidden: true, Err: syscall.ENOENT}
	if want := "sysctl net.ipv4.tcp_mem: not per network namespace: either it is the whole host's, which a container does not see and lastack never writes, or this kernel does not have it: want one that is below /proc/sys/net"; hidden.Error() != want {
		t.Errorf("%s\nwant %s", hidden, want)
	}
}
