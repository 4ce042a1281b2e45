package host

import "lastack/sockstate"

// Feature is the result of trying a feature.
type Feature struct {
	Answer sockstate.Answer `json:"answer"`
	// Why says which step failed and how, unless Answer is Supported.
	Why string `json:"why,omitempty"`
	// N is the size of a feature that has one: the length of TCP_INFO in bytes, the highest io_uring operation.
	N int `json:"n,omitempty"`
}

// Features is what the kernel allows this process, found by trying.
type Features struct {
	// NetNS is a new network namespace in which lo comes up, a sysctl can be written and a socket can listen. Needs
	// CAP_SYS_ADMIN.
	NetNS Feature `json:"netns"`
	// UserNS is the same inside a new user namespace, which needs no privilege.
	UserNS Feature `json:"userns"`
	// SockDiag is a dump of TCP sockets over NETLINK_SOCK_DIAG. Needs no privilege.
	SockDiag Feature `json:"sock_diag"`
	// SockDestroy is SOCK_DESTROY on an own socket. Needs CAP_NET_ADMIN and CONFIG_INET_DIAG_DESTROY.
	SockDestroy Feature `json:"sock_destroy"`
	// IOUring is io_uring_setup. N is the kernel's highest operation (IORING_REGISTER_PROBE).
	IOUring Feature `json:"io_uring"`
	// BPF is loading a raw tracepoint program. Needs CAP_BPF and CAP_PERFMON in the initial user namespace.
	BPF Feature `json:"bpf"`
	// LocalPortRange is the socket option IP_LOCAL_PORT_RANGE, Linux 6.3.
	LocalPortRange Feature `json:"ip_local_port_range"`
	// BindNoPort is the socket option IP_BIND_ADDRESS_NO_PORT, Linux 4.2.
	BindNoPort Feature `json:"ip_bind_address_no_port"`
	// EpollPwait2 is epoll_pwait2, whose timeout has nanoseconds, Linux 5.11.
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
