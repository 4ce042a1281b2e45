package host

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// readError says that a fact could not be read. It wraps the cause.
type readError struct {
	// What is the file or the system call.
	What string
	Err  error
}

func (e *readError) Error() string { return fmt.Sprintf("reading %s: %v", e.What, e.Err) }

func (e *readError) Unwrap() error { return e.Err }

// Facts describes this host at one moment.
type Facts struct {
	Kernel string `json:"kernel"` // uname -r
	Arch   string `json:"arch"`   // uname -m
	CPUs   int    `json:"cpus"`   // in this process's affinity
	// HZ is the kernel's CONFIG_HZ, 0 if unknown. The length of TIME_WAIT depends on it.
	HZ int `json:"hz,omitempty"`
	// CPUQuota is the smallest CPU quota, in CPUs, of the process's control group and its ancestors, of either version.
	// CPUQuotaFile is the file that sets it (cpu.max, cpu.cfs_quota_us). 0 means none.
	CPUQuota       float64 `json:"cpu_quota,omitempty"`
	CPUQuotaFile   string  `json:"cpu_quota_file,omitempty"`
	MemoryBytes    int64   `json:"memory_bytes"`
	AvailableBytes int64   `json:"available_bytes"` // MemAvailable
	// CgroupMemoryBytes is the smallest memory limit of these groups (memory.max, memory.limit_in_bytes), CgroupAvailableBytes
	// the least that a limited group has left. 0 means none. The kernel charges the memory of sockets to it.
	CgroupMemoryBytes    int64  `json:"cgroup_memory_bytes,omitempty"`
	CgroupMemoryFile     string `json:"cgroup_memory_file,omitempty"`
	CgroupAvailableBytes int64  `json:"cgroup_available_bytes,omitempty"`
	PageBytes            int64  `json:"page_bytes"`
	BootID               string `json:"boot_id"`
	NetNS                string `json:"netns"` // the process's, like "net:[4026531840]"; "not read" if unknown
	UID                  int    `json:"uid"`   // effective
	// Capabilities is the effective set, in lower case without CAP_, in the kernel's order.
	Capabilities []string `json:"capabilities"`
	// InitialUserNS is false in a user namespace (rootless containers), where capabilities allow less.
	InitialUserNS bool `json:"initial_user_ns"`
	// Seccomp is set if system calls are filtered (prctl PR_GET_SECCOMP).
	Seccomp bool `json:"seccomp"`
	// NoFileSoft and NoFileHard are RLIMIT_NOFILE. The Go runtime raises soft to hard at start.
	NoFileSoft uint64 `json:"nofile_soft"`
	NoFileHard uint64 `json:"nofile_hard"`
	// MemLock is the soft RLIMIT_MEMLOCK in bytes. It limits io_uring without CAP_IPC_LOCK.
	MemLock uint64 `json:"memlock"`
	// Clock is the kernel's clock source, ClockNs the cost of reading it.
	Clock   string `json:"clock"`
	ClockNs int64  `json:"clock_ns"`
	// Sysctls holds the sysctls of Names as the kernel prints them, without those that are absent or may not be read.
	Sysctls map[string]string `json:"sysctls"`
	Usage   Usage             `json:"usage"`
	// Slabs is the memory in bytes that an object of a kernel cache of TCP takes, the slabs' loss included. Only root may read it.
	Slabs map[string]int64 `json:"slabs,omitempty"`
	// Unread says what could not be read, and why: "/proc/meminfo: permission denied". The fields above are then 0 or
	// missing, as if the kernel did not have them.
	Unread []string `json:"unread,omitempty"`
}

// Usage is how much of the limits is in use.
type Usage struct {
	Files     int64 `json:"files"`     // fs.file-nr, allocated: whole host
	Orphans   int64 `json:"orphans"`   // sockstat "orphan": whole host
	TCPPages  int64 `json:"tcp_pages"` // sockstat "mem": whole host
	TimeWait  int64 `json:"time_wait"` // sockstat "tw": this namespace, FIN_WAIT_2 minisockets included
	Conntrack int64 `json:"conntrack"` // nf_conntrack_count: this namespace
}

// Names lists the sysctls that matter for a load of connections.
func Names() []string {
	return []string{
		"net.ipv4.ip_local_port_range",
		"net.ipv4.ip_local_reserved_ports",
		"net.ipv4.tcp_tw_reuse",
		"net.ipv4.tcp_tw_reuse_delay",
		"net.ipv4.tcp_fin_timeout",
		"net.ipv4.tcp_max_tw_buckets",
		"net.ipv4.tcp_ehash_entries",
		"net.ipv4.tcp_max_orphans",
		"net.ipv4.tcp_mem",
		"net.ipv4.tcp_max_syn_backlog",
		"net.ipv4.tcp_syncookies",
		"net.ipv4.tcp_timestamps",
		"net.ipv4.tcp_abort_on_overflow",
		"net.ipv4.tcp_migrate_req",
		"net.ipv4.tcp_rfc1337",
		"net.core.somaxconn",
		"net.netfilter.nf_conntrack_max",
		"net.netfilter.nf_conntrack_buckets",
		"net.netfilter.nf_conntrack_tcp_timeout_time_wait",
		"net.netfilter.nf_conntrack_tcp_timeout_close_wait",
		"net.netfilter.nf_conntrack_tcp_timeout_close",
		"fs.file-max",
		"fs.nr_open",
		"kernel.io_uring_disabled",
		"kernel.unprivileged_bpf_disabled",
		"kernel.unprivileged_userns_clone",
		"kernel.apparmor_restrict_unprivileged_userns",
		"user.max_user_namespaces",
		"user.max_net_namespaces",
	}
}

// checkSysctl refuses a value that cannot be that of the sysctl, as when another file is mounted over it. Such a sysctl is reported as
// unread: to leave it out would mean that the kernel does not have it.
func checkSysctl(name, value string) error {
	fields, want := strings.Fields(value), 1
	switch name {
	case "net.ipv4.ip_local_reserved_ports": // a list, and most often empty
		_, err := usablePorts(1, 1, 1, value)
		return err
	case "net.ipv4.ip_local_port_range":
		want = 2
	case "net.ipv4.tcp_mem":
		want = 3
	}
	notNumber := func(s string) bool { _, err := strconv.ParseInt(s, 10, 64); return err != nil }
	if len(fields) != want || slices.ContainsFunc(fields, notNumber) {
		return fmt.Errorf("not a valid value: %.40q", value)
	}
	return nil
}

// Sysctl returns a sysctl as an integer. ok is false if it is absent or not an integer.
func (f *Facts) Sysctl(name string) (n int64, ok bool) {
	n, err := strconv.ParseInt(f.Sysctls[name], 10, 64)
	return n, err == nil
}

// Can reports whether a capability, named as in Capabilities, is in effect.
func (f *Facts) Can(capability string) bool { return slices.Contains(f.Capabilities, capability) }

// RootSandbox reports whether this process makes the namespaces of a sandbox as root. Otherwise it makes a user namespace too, in which
// capabilities allow less: another user with CAP_SYS_ADMIN would lose it, or PDEATHSIG, at exec. It never falls back from one to the other.
func (f *Facts) RootSandbox() bool { return f.UID == 0 && f.InitialUserNS && f.Can("sys_admin") }

// LockableMemory is RLIMIT_MEMLOCK in bytes. bound is false if it does not limit io_uring: if it is unlimited, or with
// CAP_IPC_LOCK in the initial user namespace (io_uring_create).
func (f *Facts) LockableMemory() (bytes int64, bound bool) {
	exempt := f.InitialUserNS && f.Can("ipc_lock")
	return int64(min(f.MemLock, math.MaxInt64)), !exempt && f.MemLock < math.MaxInt64
}

// UsableCPUs is how many CPUs this process may use: its affinity, or its control group's CPU quota if that is less.
func (f *Facts) UsableCPUs() float64 {
	if f.CPUQuota > 0 {
		return min(f.CPUQuota, float64(f.CPUs))
	}
	return float64(f.CPUs)
}

// UsableMemory is how many bytes this process may use: what the host has available, or, with byCgroup
// set, what the control group's limit leaves if that is less. It is 0 if unknown.
func (f *Facts) UsableMemory() (bytes int64, byCgroup bool) {
	c := f.CgroupAvailableBytes
	if c == 0 {
		c = f.CgroupMemoryBytes // the usage is unknown
	}
	if c > 0 && (c < f.AvailableBytes || f.AvailableBytes == 0) {
		return c, true
	}
	return f.AvailableBytes, false
}

// LocalPorts returns net.ipv4.ip_local_port_range and the number of its ports that
// are not reserved: as many connections one source address can have to one
// destination. ok is false if the range could not be read.
func (f *Facts) LocalPorts() (lo, hi, free int, ok bool) {
	fields := strings.Fields(f.Sysctls["net.ipv4.ip_local_port_range"])
	if len(fields) != 2 {
		return 0, 0, 0, false
	}
	lo, err1 := strconv.Atoi(fields[0])
	hi, err2 := strconv.Atoi(fields[1])
	if err1 != nil || err2 != nil || lo > hi {
		return 0, 0, 0, false
	}
	free, err := f.UsablePorts(lo, hi)
	return lo, hi, free, err == nil
}

// UsablePorts counts the ports from lo to hi that are not reserved (ip_local_reserved_ports).
func (f *Facts) UsablePorts(lo, hi int) (int, error) {
	return usablePorts(lo, hi, 1, f.Sysctls["net.ipv4.ip_local_reserved_ports"])
}

// FirstPass counts those ports that connect() tries first: the ones of lo's parity (__inet_hash_connect).
func (f *Facts) FirstPass(lo, hi int) (int, error) {
	return usablePorts(lo, hi, 2, f.Sysctls["net.ipv4.ip_local_reserved_ports"])
}

// TCPMemoryPages is the third value of tcp_mem: above it the kernel drops TCP data.
func (f *Facts) TCPMemoryPages() (int64, bool) {
	fields := strings.Fields(f.Sysctls["net.ipv4.tcp_mem"])
	if len(fields) != 3 {
		return 0, false
	}
	n, err := strconv.ParseInt(fields[2], 10, 64)
	return n, err == nil
}
