package record

import "slices"

// What limited a run.
const (
	LimitTarget       = "target_rate_met"
	LimitGeneratorCPU = "generator_cpu"
	LimitServerCPU    = "server_cpu"
	LimitCPUQuota     = "cpu_quota" // of the control group
	LimitSoftirq      = "kernel_softirq"
	LimitCPU          = "cpu"
	LimitPorts        = "local_ports"
	LimitPortSearch   = "port_search" // connect() walking past local ports in use
	LimitFds          = "fd_limit"
	LimitTWBuckets    = "tcp_max_tw_buckets"
	LimitAcceptQueue  = "accept_queue"
	LimitSYNDrops     = "syn_drops"
	LimitConntrack    = "conntrack"
	LimitMemory       = "memory"
	LimitConnections  = "connections" // a closed loop with all its connections waiting for the server
	LimitServer       = "server"      // the server failed or refused
	LimitNetwork      = "network"
	// Only a plan finds these.
	LimitNATPorts          = "nat_ports"
	LimitBalancerPorts     = "lb_ports"
	LimitMiddleConnections = "nat_connections"
	LimitFiles             = "file_max"
	LimitOrphans           = "tcp_max_orphans"
	LimitTCPMemory         = "tcp_mem"

	LimitHalted      = "generator_halted" // the load itself did not run part of the time
	LimitInterrupted = "interrupted"
	LimitUnknown     = "unknown"
)

// Limit describes what limited a run.
type Limit struct {
	Name string
	// Words follow "valid;" in a report. Do says what to try; it may be empty.
	Words, Do string
}

// Limits lists everything that can limit a run.
func Limits() []Limit {
	return []Limit{
		{LimitTarget, "the target rate was met", "ask for a higher rate, to find the limit"},
		{LimitConnections, "limited by the number of connections asked for", "more --connections, or a shorter --hold: each connection waited for the server, or was held"},
		{LimitServer, "limited by the server", "see what failed, and the server's log"},
		{LimitNetwork, "limited by the network", "check routes, firewalls and packet loss"},
		{LimitGeneratorCPU, "limited by the generator's CPU", "more CPUs, or more hosts that generate load"},
		{LimitServerCPU, "limited by the server's CPU", "this is what the server can do; give it more CPUs"},
		{LimitCPU, "limited by the CPUs of this host", "load from another host: both ends share the CPUs"},
		{LimitCPUQuota, "limited by the CPU quota of a control group", "raise cpu.max of the container"},
		{LimitSoftirq, "limited by the kernel's network work (softirq)", "spread packets over the CPUs (RSS, RPS)"},
		{LimitPorts, "limited by local ports", "more addresses, a wider port range, or no TIME_WAIT at the client"},
		{LimitPortSearch, "limited by connect's search for a free local port", "more addresses, --source-ports, or no TIME_WAIT at the client"},
		{LimitFds, "limited by file descriptors", "ulimit -n, or --engine uring"},
		{LimitTWBuckets, "limited by TIME_WAIT buckets", "raise net.ipv4.tcp_max_tw_buckets"},
		{LimitAcceptQueue, "limited by the accept queue", "a longer backlog and net.core.somaxconn, or accept faster"},
		{LimitSYNDrops, "limited by dropped SYNs", "raise net.ipv4.tcp_max_syn_backlog, or accept faster"},
		{LimitConntrack, "limited by connection tracking", "raise nf_conntrack_max, or do not track this traffic"},
		{LimitMemory, "limited by memory", "raise net.ipv4.tcp_mem or the container's memory, or fewer connections"},
		{LimitNATPorts, "limited by the NAT's ports", "more addresses for the NAT, or more targets"},
		{LimitBalancerPorts, "limited by the load balancer's local ports", "more addresses for the load balancer, or more targets"},
		{LimitMiddleConnections, "limited by the connections that the NAT tracks", "more NAT gateways"},
		{LimitFiles, "limited by the host's open files", "raise fs.file-max"},
		{LimitOrphans, "limited by orphaned sockets", "raise net.ipv4.tcp_max_orphans"},
		{LimitTCPMemory, "limited by the memory of TCP buffers", "raise net.ipv4.tcp_mem"},
		{LimitHalted, "the load did not run all the time", "let nothing stop it: another program, a debugger, a paused machine"},
		{LimitInterrupted, "stopped by a signal", ""},
		{LimitUnknown, "what limited it is unknown", "see the CPU, the states and the counters (-v)"},
	}
}

// LimitNamed finds a limit by its name.
func LimitNamed(name string) (Limit, bool) {
	all := Limits()
	i := slices.IndexFunc(all, func(l Limit) bool { return l.Name == name })
	if i < 0 {
		return Limit{}, false
	}
	return all[i], true
}
