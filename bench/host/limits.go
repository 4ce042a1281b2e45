package host

import (
	"math"
	"time"

	"lastack/bench/model"
)

// Limits is what these facts bound, for package model. Memory is what others leave of it; they use little of the rest.
func (f *Facts) Limits() model.Host {
	h := model.Host{
		Kernel: f.Kernel, HZ: f.HZ, CPUs: f.UsableCPUs(), PortRange: f.Sysctls["net.ipv4.ip_local_port_range"], ReuseMode: f.Sysctls["net.ipv4.tcp_tw_reuse"],
		NoFile: int64(min(f.NoFileHard, math.MaxInt64)), Slabs: f.Slabs,
	}
	if lo, hi, free, ok := f.LocalPorts(); ok {
		h.Ports = free
		h.FirstPass, _ = f.FirstPass(lo, hi)
	}
	timestamps, ok := f.Sysctl("net.ipv4.tcp_timestamps")
	h.ReuseDelay = time.Second
	if ms, ok := f.Sysctl("net.ipv4.tcp_tw_reuse_delay"); ok {
		h.ReuseDelay = time.Duration(ms) * time.Millisecond
	}
	if ok && timestamps == 0 {
		h.ReuseDelay = 0 // reuse needs timestamps
	}
	h.Reuse = h.ReuseMode == "1" && h.ReuseDelay > 0
	if s, ok := f.Sysctl("net.ipv4.tcp_fin_timeout"); ok {
		h.FinTimeout = time.Duration(s) * time.Second
	}
	limit := func(name string) int64 {
		n, ok := f.Sysctl(name)
		if !ok || n >= 1<<40 { // practically unlimited
			return 0
		}
		return n
	}
	h.Files, h.NrOpen = limit("fs.file-max"), limit("fs.nr_open")
	h.Buckets = limit("net.ipv4.tcp_max_tw_buckets")
	h.Orphans = limit("net.ipv4.tcp_max_orphans")
	h.Backlog = limit("net.core.somaxconn")
	h.SYNBacklog = h.Backlog
	if cookies, ok := f.Sysctl("net.ipv4.tcp_syncookies"); ok && cookies == 0 {
		// Without cookies a listener takes no more than three quarters of tcp_max_syn_backlog (tcp_conn_request).
		if n, ok := f.Sysctl("net.ipv4.tcp_max_syn_backlog"); ok {
			h.SYNBacklog = min(h.SYNBacklog, n-n/4)
		}
	}
	h.ConntrackMax, h.ConntrackBuckets = limit("net.netfilter.nf_conntrack_max"), limit("net.netfilter.nf_conntrack_buckets")
	for name, to := range map[string]*time.Duration{"time_wait": &h.TrackedTimeWait, "close_wait": &h.TrackedCloseWait, "close": &h.TrackedClose} {
		*to = time.Duration(limit("net.netfilter.nf_conntrack_tcp_timeout_"+name)) * time.Second
	}
	if f.Usage.Conntrack > 0 { // otherwise no rule makes the kernel track
		h.Conntrack = h.ConntrackMax
	}
	h.MemoryBytes, _ = f.UsableMemory()
	if pages, ok := f.TCPMemoryPages(); ok {
		h.BufferBytes = max(pages-f.Usage.TCPPages, 1) * f.PageBytes
	}
	return h
}
