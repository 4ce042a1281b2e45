package sandbox

import (
	"fmt"
	"strings"
	"syscall"
)

// likelyCause explains a refusal by the host's settings. read returns a file's
// content without surrounding blanks, empty if it cannot be read.
func likelyCause(step step, mode Mode, errno syscall.Errno, read func(path string) string) string {
	switch step {
	case stepSpec, stepFresh, stepConnect, stepSysctl:
		return ""
	case stepLoss:
		switch errno {
		case syscall.EOPNOTSUPP, syscall.EPROTONOSUPPORT, syscall.EAFNOSUPPORT, syscall.ENOENT, syscall.EINVAL:
			return "this kernel has no nftables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET, CONFIG_NFT_NUMGEN)"
		}
	case stepVeth:
		if errno == syscall.EOPNOTSUPP {
			return "this kernel has no veth (CONFIG_VETH)"
		}
	}

	switch errno {
	case syscall.EROFS:
		return "/proc/sys is mounted read-only, as in most containers"
	case syscall.EUSERS:
		return "user namespaces are nested too deeply here"
	case syscall.ENOSPC:
		for _, key := range []string{"user.max_user_namespaces", "user.max_net_namespaces"} {
			if v := read(procSys(key)); v == "0" {
				return key + " is 0"
			}
		}
		return "user.max_user_namespaces or user.max_net_namespaces is reached"
	case syscall.EINVAL, syscall.ENOSYS:
		if step == stepNamespaces {
			return "this kernel is built without user or network namespaces"
		}
	case syscall.EPERM, syscall.EACCES:
		return deniedBy(step, mode, read)
	}
	return ""
}

// deniedBy lists the host's settings that may deny namespaces, or their use, to a process.
func deniedBy(step step, mode Mode, read func(path string) string) string {
	var causes []string
	if mode == User {
		if step == stepNamespaces && read(procSys("kernel.unprivileged_userns_clone")) == "0" {
			causes = append(causes, "kernel.unprivileged_userns_clone is 0")
		}
		if key := "kernel.apparmor_restrict_unprivileged_userns"; read(procSys(key)) == "1" {
			causes = append(causes, key+" is 1: AppArmor denies it to programs without a profile that allows userns")
		}
		if read("/sys/fs/selinux/enforce") == "1" {
			causes = append(causes, "SELinux is enforcing")
		}
	}
	for line := range strings.Lines(read("/proc/self/status")) {
		if v, ok := strings.CutPrefix(line, "Seccomp:"); ok && strings.TrimSpace(v) == "2" {
			causes = append(causes, "a seccomp filter is in effect, as in most containers")
		}
	}
	switch len(causes) {
	case 0:
		return ""
	case 1:
		return causes[0]
	}
	return fmt.Sprintf("one of: %s", strings.Join(causes, "; "))
}

func procSys(key string) string { return "/proc/sys/" + swapSeparators(key) }
