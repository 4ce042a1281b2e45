package observe

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Limits reads them; the namespaces' were read by New.
func (o *Observer) Limits() (Limits, error) {
	l := Limits{TCPMem: Unknown, MaxOrphans: Unknown, NoFile: Unknown, Files: Unknown, Memory: Unknown}
	var errs []error
	for _, n := range o.namespaces {
		l.Namespaces = append(l.Namespaces, n.limits)
	}
	// Here it is the calling thread's namespace that matters; only the initial one has them.
	mem, err := readInts("net/ipv4/tcp_mem")
	errs = append(errs, err)
	if len(mem) == 3 {
		l.TCPMem = mem[2] * int64(os.Getpagesize())
	}
	for _, s := range []struct {
		into *int64
		name string
	}{
		{&l.MaxOrphans, "net/ipv4/tcp_max_orphans"},
		{&l.Files, "fs/file-max"},
	} {
		v, err := readInts(s.name)
		errs = append(errs, err)
		if len(v) == 1 {
			*s.into = v[0]
		}
	}
	var rlim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &rlim); err != nil {
		errs = append(errs, os.NewSyscallError("getrlimit", err))
	} else {
		l.NoFile = int64(min(rlim.Cur, 1<<63-1))
	}
	info, err := o.proc.Meminfo()
	errs = append(errs, err)
	if info.MemTotalBytes != nil {
		l.Memory = int64(*info.MemTotalBytes)
	}
	return l, errors.Join(errs...)
}

// readNamespaceLimits reads those of the calling thread's namespace.
func readNamespaceLimits(id string) (NamespaceLimits, error) {
	l := NamespaceLimits{ID: id, PortLow: Unknown, PortHigh: Unknown, Ports: Unknown, MaxTimeWait: Unknown, Conntrack: Unknown}
	ports, err := readInts("net/ipv4/ip_local_port_range")
	if err != nil {
		return l, err
	}
	if len(ports) == 2 {
		l.PortLow, l.PortHigh = int(ports[0]), int(ports[1])
		reserved, err := readSysctl("net/ipv4/ip_local_reserved_ports")
		if err != nil {
			return l, err
		}
		if l.Ports, err = UsablePorts(l.PortLow, l.PortHigh, reserved); err != nil {
			return l, err
		}
	}
	for _, s := range []struct {
		into *int64
		name string
	}{
		{&l.MaxTimeWait, "net/ipv4/tcp_max_tw_buckets"},
		{&l.Conntrack, "net/netfilter/nf_conntrack_max"},
	} {
		v, err := readInts(s.name)
		if err != nil {
			return l, err
		}
		if len(v) == 1 {
			*s.into = v[0]
		}
	}
	return l, nil
}

// readSysctl returns "" for one that does not exist here or may not be read. What a thread finds under
// /proc/sys/net is its own namespace's, so this goes through no other thread.
func readSysctl(name string) (string, error) {
	b, err := os.ReadFile("/proc/sys/" + name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

func readInts(name string) ([]int64, error) {
	s, err := readSysctl(name)
	if err != nil {
		return nil, err
	}
	var vs []int64
	for f := range strings.FieldsSeq(s) {
		v, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil, &ParseError{File: "/proc/sys/" + name, Line: 1, What: strconv.Quote(f) + " is no number"}
		}
		vs = append(vs, v)
	}
	return vs, nil
}

// PSI reads the pressure totals, nil on a kernel that has none (CONFIG_PSI, psi=1).
func (o *Observer) PSI() *PSI {
	var p PSI
	for _, r := range []struct {
		name string
		into *time.Duration
	}{{"cpu", &p.CPU}, {"memory", &p.Memory}, {"io", &p.IO}} {
		stats, err := o.proc.PSIStatsForResource(r.name)
		if err != nil || stats.Some == nil {
			return nil
		}
		*r.into = time.Duration(stats.Some.Total) * time.Microsecond
	}
	return &p
}

// Slabs is the memory of the whole host, in bytes, in each cache that sockets are made of
// (/proc/slabinfo), nil for anybody but root. The kernel merges caches of like objects under
// one name, so what sockets took is the growth over all of them; the dentry of each socket
// is left out, for files fill that cache too. It costs some 2 ms, so it is not a part of
// Sample.
func (o *Observer) Slabs() map[string]int64 {
	info, err := o.proc.SlabInfo()
	if err != nil {
		return nil
	}
	slabs := make(map[string]int64)
	for _, s := range info.Slabs {
		switch s.Name {
		case "TCP", "TCPv6", "tw_sock_TCP", "tw_sock_TCPv6", "request_sock_TCP", "request_sock_TCPv6",
			"tcp_bind_bucket", "tcp_bind2_bucket", "sock_inode_cache", "filp", "eventpoll_epi", "eventpoll_pwq":
			slabs[s.Name] = s.SlabNum * s.PagesPerSlab * int64(os.Getpagesize())
		}
	}
	return slabs
}
