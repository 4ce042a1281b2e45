package observe

import (
	"time"

	"lastack/sockstate"
)

// Sample is a census and the gauges at one instant. Reusing one reuses its memory.
type Sample struct {
	// At is when the census began, Took how long census and gauges took. A socket that changed
	// state meanwhile may be counted in either state, in both or in none.
	At   time.Time
	Took time.Duration
	// CPU is the CPU time that the sample cost, mostly in the kernel.
	CPU time.Duration
	// Seen is the number of sockets that the source received from the kernel: for proc all of a
	// namespace, for diag those with a server's port.
	Seen int

	Census sockstate.Census
	Gauges Gauges
}

// Gauges are current levels, each Unknown if it cannot be read.
type Gauges struct {
	// TimeWait is the number of minisockets of the namespace with the most, whatever their load: IPv4 and
	// IPv6, FIN_WAIT_2 included (sockstat "TCP: tw"). It is not a sum, as tcp_max_tw_buckets limits each
	// namespace separately.
	TimeWait int64
	// Orphans is the number of orphans of the whole host ("TCP: orphan").
	Orphans int64
	// TCPMem is the memory in socket buffers of the whole host, in bytes ("TCP: mem"; the kernel
	// accounts it in pages and in batches for each CPU).
	TCPMem int64
	// Conntrack is the number of entries of the namespace with the most (nf_conntrack_count), as
	// nf_conntrack_max limits each namespace separately.
	Conntrack int64
	// Fds is the number of open descriptors of this process, Files of open files of the host (fs.file-nr).
	Fds, Files int64
	// RSSPeak is this process's peak resident memory, in bytes (VmHWM).
	RSSPeak int64
	// ServerFds and ServerRSS, in bytes, are those of Config.ServerPID and its descendants. Without
	// CAP_SYS_PTRACE another user's descriptors are hidden.
	ServerFds, ServerRSS int64
}
