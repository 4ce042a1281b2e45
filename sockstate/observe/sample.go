package observe

import (
	"time"

	"lastack/sockstate"
)

// Sample is what was seen at one instant. Reusing one keeps its memory.
type Sample struct {
	// At is when the census began, Took how long census and gauges lasted: sockets that
	// moved meanwhile may be counted in either state, in both or in none.
	At   time.Time
	Took time.Duration
	// CPU is the thread's CPU time that it cost, most of it in the kernel.
	CPU time.Duration
	// Seen is the number of sockets that the source went through in user space; proc gets
	// all of a namespace to see, diag those with a server's port.
	Seen int

	Census sockstate.Census
	Gauges Gauges
}

// Gauges are levels, each Unknown where it cannot be read.
type Gauges struct {
	// TimeWait counts the minisockets of the namespace that has the most, IPv4 and IPv6, those
	// of FIN_WAIT_2 included, of any load (sockstat "TCP: tw"). A sum over namespaces would have
	// no limit to stand against: the kernel holds tcp_max_tw_buckets against each one's own.
	TimeWait int64
	// Orphans counts the whole host's ("TCP: orphan").
	Orphans int64
	// TCPMem is the whole host's memory in socket buffers, in bytes ("TCP: mem", which
	// the kernel accounts in pages and in batches for each CPU).
	TCPMem int64
	// Conntrack counts the entries of the namespace that has the most (nf_conntrack_count), for
	// nf_conntrack_max is each one's own too.
	Conntrack int64
	// Fds are open in this process, Files on the whole host (fs.file-nr).
	Fds, Files int64
	// RSSPeak is the most resident memory that this process has had, in bytes (VmHWM).
	RSSPeak int64
	// ServerFds and ServerRSS, in bytes, are those of Config.ServerPID and its descendants. Another
	// user's descriptors are not to be seen without CAP_SYS_PTRACE.
	ServerFds, ServerRSS int64
}
