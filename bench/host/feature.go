package host

import "lastack/sockstate"

// Feature is one trial.
type Feature struct {
	Answer sockstate.Answer `json:"answer"`
	// Why says which step was refused and how, unless Supported.
	Why string `json:"why,omitempty"`
	// N is a size where the feature has one: the length of TCP_INFO in bytes, the highest io_uring operation.
	N int `json:"n,omitempty"`
}

// Features is what the kernel allows this process, tried for real.
type Features struct {
	// NetNS is a network namespace of one's own, in which lo comes up, a sysctl can be written and a socket
	// listens. Needs CAP_SYS_ADMIN.
	NetNS Feature `json:"netns"`
	// UserNS is the same inside a new user namespace: the way without privileges.
	UserNS Feature `json:"userns"`
	// SockDiag is a dump of TCP sockets over NETLINK_SOCK_DIAG. Needs no privilege.
	SockDiag Feature `json:"sock_diag"`
	// SockDestroy is SOCK_DESTROY, on a socket of our own. Needs CAP_NET_ADMIN and CONFIG_INET_DIAG_DESTROY.
	SockDestroy Feature `json:"sock_destroy"`
	// IOUring is io_uring_setup. N is the highest operation that the kernel knows (IORING_REGISTER_PROBE).
	IOUring Feature `json:"io_uring"`
	// BPF is loading a raw tracepoint program. Needs CAP_BPF and CAP_PERFMON in the first user namespace.
	BPF Feature `json:"bpf"`
	// LocalPortRange is the socket option IP_LOCAL_PORT_RANGE, Linux 6.3.
	LocalPortRange Feature `json:"ip_local_port_range"`
	// BindNoPort is the socket option IP_BIND_ADDRESS_NO_PORT, Linux 4.2.
	BindNoPort Feature `json:"ip_bind_address_no_port"`
	// EpollPwait2 waits with nanosecond timeouts, Linux 5.11.
	EpollPwait2 Feature `json:"epoll_pwait2"`
	// Packet is a packet socket. Needs CAP_NET_RAW.
	Packet Feature `json:"packet"`
	// NFTables is a request to nf_tables. Needs CAP_NET_ADMIN.
	NFTables Feature `json:"nf_tables"`
	// TCPInfo is getsockopt(TCP_INFO); N is its length in bytes.
	TCPInfo Feature `json:"tcp_info"`
	// PSI is /proc/pressure.
	PSI Feature `json:"psi"`
	// Slabinfo is /proc/slabinfo, readable by root.
	Slabinfo Feature `json:"slabinfo"`
}

// ProofArg is the name (argv[0]) of the child in which Probe tries a user
// namespace: the main function of a program that gives Options.Child must call
// Proof when it finds itself started by this name.
const ProofArg = "lastack-namespace-proof"

// Options of Probe.
type Options struct {
	// Child is the path of a program that calls Proof when started as ProofArg, normally /proc/self/exe.
	// Without it the rootless namespace stays Untried.
	Child string
}
