package host

import "slices"

// capabilities lists the capabilities by number (include/uapi/linux/capability.h).
func capabilities() []string {
	return []string{
		"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid",
		"setuid", "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin",
		"net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace",
		"sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time",
		"sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
		"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
		"perfmon", "bpf", "checkpoint_restore",
	}
}

// capabilityNames names the bits of a set. It leaves out newer capabilities, which
// lastack does not need.
func capabilityNames(set uint64) []string {
	names := []string{}
	for i, n := range capabilities() {
		if set&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// setOf is the set of the named capabilities.
func setOf(names []string) (set uint64) {
	for i, n := range capabilities() {
		if slices.Contains(names, n) {
			set |= 1 << i
		}
	}
	return set
}
