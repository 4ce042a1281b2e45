package host

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ReadError is a fact that could not be read. It wraps the cause.
type ReadError struct {
	// What is the file or the system call.
	What string
	Err  error
}

func (e *ReadError) Error() string { return fmt.Sprintf("reading %s: %v", e.What, e.Err) }

func (e *ReadError) Unwrap() error { return e.Err }

// Facts is what this host is, as one moment saw it.
type Facts struct {
	Kernel string `json:"kernel"` // uname -r
	Arch   string `json:"arch"`   // uname -m
	CPUs   int    `json:"cpus"`   // those that this process may run on
	// HZ is the kernel's CONFIG_HZ, 0 if unknown: how long TIME_WAIT lasts depends on it.
	HZ int `json:"hz,omitempty"`
	// CPUQuota is the least CPU quota of the process's control group and those above it, of either version, in CPUs, and
	// CPUQuotaFile where it stands (cpu.max, cpu.cfs_quota_us); 0 if none is set.
	CPUQuota       float64 `json:"cpu_quota,omitempty"`
	CPUQuotaFile   string  `json:"cpu_quota_file,omitempty"`
	MemoryBytes    int64   `json:"memory_bytes"`
	AvailableBytes int64   `json:"available_bytes"` // MemAvailable
	// CgroupMemoryBytes is the least memory limit likewise (memory.max, memory.limit_in_bytes), and CgroupAvailableBytes
	// what the fullest of the limited groups has left; 0 if none is set. Kernel memory of sockets counts to it.
	CgroupMemoryBytes    int64  `json:"cgroup_memory_bytes,omitempty"`
	CgroupMemoryFile     string `json:"cgroup_memory_file,omitempty"`
	CgroupAvailableBytes int64  `json:"cgroup_available_bytes,omitempty"`
	PageBytes            int64  `json:"page_bytes"`
	BootID               string `json:"boot_id"`
	NetNS                string `json:"netns"` // "net:[4026531840]", of the process; "not read" if it could not be
	UID                  int    `json:"uid"`   // effective
	// Capabilities is the effective set by name, without CAP_ in lower case, in the kernel's order.
	Capabilities []string `json:"capabilities"`
	// InitialUserNS is unset in a user namespace, where capabilities count for less (rootless containers).
	InitialUserNS bool `json:"initial_user_ns"`
	// Seccomp is set when a filter of system calls is on (prctl PR_GET_SECCOMP).
	Seccomp bool `json:"seccomp"`
	// NoFileSoft and NoFileHard are RLIMIT_NOFILE. The Go runtime raises soft to hard at start.
	NoFileSoft uint64 `json:"nofile_soft"`
	NoFileHard uint64 `json:"nofile_hard"`
	// MemLock is RLIMIT_MEMLOCK, soft, in bytes: it bounds the rings of io_uring of a user without CAP_IPC_LOCK.
	MemLock uint64 `json:"memlock"`
	// Clock is the kernel's clock source, ClockNs the cost of one reading, best of many.
	Clock   string `json:"clock"`
	ClockNs int64  `json:"clock_ns"`
	// Sysctls holds the sysctls of Names as the kernel prints them; one that is absent or may not be read
	// is left out.
	Sysctls map[string]string `json:"sysctls"`
	Usage   Usage             `json:"usage"`
	// Unread names what could not be read, and why: "/proc/meminfo: permission denied". Its fields above are 0 or
	// missing, as where the kernel has none.
	Unread []string `json:"unread,omitempty"`
}

// Usage is how much of the limits is taken already.
type Usage struct {
	Files     int64 `json:"files"`     // fs.file-nr, allocated: whole host
	Orphans   int64 `json:"orphans"`   // sockstat "orphan": whole host
	TCPPages  int64 `json:"tcp_pages"` // sockstat "mem": whole host
	TimeWait  int64 `json:"time_wait"` // sockstat "tw": this namespace, FIN_WAIT_2 minisockets included
	Conntrack int64 `json:"conntrack"` // nf_conntrack_count: this namespace
}

// Names lists the sysctls that bear on a load of connections.
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

// checkSysctl refuses what is no value of a sysctl of Names, as where something else is mounted over its file: left out, or shown as it
// is, it would pass for one that the kernel does not have.
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
		return fmt.Errorf("no value of it: %.40q", value)
	}
	return nil
}

// Sysctl returns a sysctl that is one integer; ok is false if it is absent or not one.
func (f *Facts) Sysctl(name string) (n int64, ok bool) {
	n, err := strconv.ParseInt(f.Sysctls[name], 10, 64)
	return n, err == nil
}

// Can reports whether a capability, named as in Capabilities, is in effect.
func (f *Facts) Can(capability string) bool {
	for _, c := range f.Capabilities {
		if c == capability {
			return true
		}
	}
	return false
}

// LockableMemory is RLIMIT_MEMLOCK in bytes; bound is unset where it bounds no ring of io_uring: CAP_IPC_LOCK over the
// first user namespace exempts (io_uring_create), and it can be unlimited.
func (f *Facts) LockableMemory() (bytes int64, bound bool) {
	exempt := f.InitialUserNS && f.Can("ipc_lock")
	return int64(min(f.MemLock, math.MaxInt64)), !exempt && f.MemLock < math.MaxInt64
}

// UsableCPUs is how many CPUs' worth of work this process may do at once: those that it may run on, less where a
// quota of its control group allows less.
func (f *Facts) UsableCPUs() float64 {
	if f.CPUQuota > 0 {
		return min(f.CPUQuota, float64(f.CPUs))
	}
	return float64(f.CPUs)
}

// UsableMemory bounds in bytes what this process may take: what the host has available, or what the
// limit of the cgroup leaves if that is less, which byCgroup tells. It is 0 if unknown.
func (f *Facts) UsableMemory() (bytes int64, byCgroup bool) {
	c := f.CgroupAvailableBytes
	if c == 0 {
		c = f.CgroupMemoryBytes // how much of it is taken is not known
	}
	if c > 0 && (c < f.AvailableBytes || f.AvailableBytes == 0) {
		return c, true
	}
	return f.AvailableBytes, false
}

// LocalPorts is net.ipv4.ip_local_port_range, and the number of its ports that are
// not reserved: what one source address can open to one destination. ok is false
// if the range could not be read.
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

// FirstPass counts those of them that connect() tries first: the ones of lo's parity (__inet_hash_connect).
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
