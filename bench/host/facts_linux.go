package host

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
	"lastack/sockstate/netns"
)

// Read reads the facts of the process's own namespaces. It needs no privilege and
// changes nothing. A fact that cannot be read stays zero, and Unread names it. An error is a *readError, and means
// that /proc is missing.
func Read() (*Facts, error) {
	f := &Facts{
		CPUs:      runtime.NumCPU(),
		PageBytes: int64(os.Getpagesize()),
		UID:       os.Geteuid(),
		Sysctls:   make(map[string]string),
		Clock:     readWord("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
		BootID:    readWord("/proc/sys/kernel/random/boot_id"),
		ClockNs:   clockCost(),
		HZ:        clock.HZ(),
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, &readError{What: "uname", Err: err}
	}
	f.Kernel = unix.ByteSliceToString(uts.Release[:])
	f.Arch = unix.ByteSliceToString(uts.Machine[:])

	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return nil, &readError{What: "RLIMIT_NOFILE", Err: err}
	}
	f.NoFileSoft, f.NoFileHard = lim.Cur, lim.Max
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &lim); err != nil {
		return nil, &readError{What: "RLIMIT_MEMLOCK", Err: err}
	}
	f.MemLock = lim.Cur

	f.identify(os.Readlink)

	for _, name := range Names() {
		b, err := os.ReadFile(sysctlPath(name))
		if err == nil {
			value := strings.Join(strings.Fields(string(b)), " ")
			if err := checkSysctl(name, value); err != nil {
				f.unread(name, err)
				continue
			}
			f.Sysctls[name] = value
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			f.unread(name, err)
		}
	}
	if err := f.readProc(); err != nil {
		return nil, err
	}
	return f, nil
}

// sysctlPath returns the file of a sysctl. No part of a name in Names contains a dot.
func sysctlPath(name string) string {
	return "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
}

// readProc reads the facts that package procfs parses.
func (f *Facts) readProc() error {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return &readError{What: "/proc", Err: err}
	}
	if mem, err := proc.Meminfo(); err != nil {
		f.unread("/proc/meminfo", err)
	} else if f.MemoryBytes, f.AvailableBytes = value(mem.MemTotalBytes), value(mem.MemAvailableBytes); f.MemoryBytes == 0 {
		f.unread("/proc/meminfo", errors.New("it has no MemTotal"))
	}

	if stat, err := proc.NetSockstat(); err != nil {
		f.unread("/proc/net/sockstat", err)
	} else {
		for _, p := range stat.Protocols {
			if p.Protocol == "TCP" {
				f.Usage.Orphans, f.Usage.TimeWait, f.Usage.TCPPages = value(p.Orphan), value(p.TW), value(p.Mem)
			}
		}
	}
	files, _, _ := strings.Cut(readWord(sysctlPath("fs.file-nr")), "\t")
	f.Usage.Files, _ = strconv.ParseInt(files, 10, 64)
	f.Usage.Conntrack, _ = strconv.ParseInt(readWord(sysctlPath("net.netfilter.nf_conntrack_count")), 10, 64)

	f.Slabs = slabsOf(proc)

	self, err := proc.Self()
	if err != nil {
		return &readError{What: "/proc/self", Err: err}
	}
	if status, err := self.NewStatus(); err != nil {
		f.unread("/proc/self/status", err)
	} else {
		f.Capabilities = capabilityNames(status.CapEff)
	}
	f.InitialUserNS = netns.InInitialUserNamespace()
	// If prctl is forbidden, there is a filter.
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	f.Seccomp = mode == unix.SECCOMP_MODE_FILTER || errors.Is(err, unix.EPERM)

	if groups, err := ownCgroups(); err != nil {
		e, _ := errors.AsType[*readError](err)
		f.unread(e.What, e.Err)
	} else {
		f.CPUQuota, f.CPUQuotaFile = groups.cpus()
		f.CgroupMemoryBytes, f.CgroupAvailableBytes, f.CgroupMemoryFile = groups.memory()
	}
	return nil
}

// slabsOf reads what an object of the caches of TCP takes, nil if this user may not. A cache that was merged with another is missing.
func slabsOf(proc procfs.FS) map[string]int64 {
	info, err := proc.SlabInfo()
	if err != nil {
		return nil
	}
	slabs := make(map[string]int64)
	for _, s := range info.Slabs {
		switch s.Name {
		case "TCP", "TCPv6", "sock_inode_cache", "filp", "dentry", "tw_sock_TCP", "request_sock_TCP", "tcp_bind_bucket", "tcp_bind2_bucket", "nf_conntrack":
			if s.ObjPerSlab > 0 {
				slabs[s.Name] = s.PagesPerSlab * int64(os.Getpagesize()) / s.ObjPerSlab
			}
		}
	}
	return slabs
}

// identify fills in NetNS.
func (f *Facts) identify(readlink func(string) (string, error)) {
	var err error
	if f.NetNS, err = readlink(netns.File); err != nil {
		f.NetNS = "not read"
		f.unread(netns.File, err)
	}
}

// unread notes a fact that could not be read.
func (f *Facts) unread(what string, err error) {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // what says at least as much as its path
	}
	f.Unread = append(f.Unread, what+": "+err.Error())
}

// value is *p as an int64, 0 for nil.
func value[T int | uint64](p *T) int64 {
	if p == nil {
		return 0
	}
	return int64(*p)
}

// readWord returns the content of a file of one line, or "" if it cannot be read.
func readWord(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

// clockCost is the time of one reading of the clock. It takes the best of several
// batches, because the machine may be busy during the others.
func clockCost() int64 {
	const batches, readings = 20, 100
	best := int64(math.MaxInt64)
	for range batches {
		start := time.Now()
		for range readings {
			_ = time.Now()
		}
		best = min(best, time.Since(start).Nanoseconds()/readings)
	}
	return best
}
