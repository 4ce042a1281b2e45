// Package trace follows every connection of a load through the kernel, by eBPF: each change of state with the time that was spent
// in the old one, the end of each TIME_WAIT, resets with the kernel's reason, retransmissions. Everything is counted in the
// kernel and read once, at the end.
//
//	tracepoint                     counts
//	inet_sock_set_state            changes of state, dwell; it never shows TIME_WAIT
//	timer_start, _cancel, _expire  TIME_WAIT and FIN_WAIT_2 minisockets: begin, end
//	kfree_skb                      a minisocket that went from FIN_WAIT_2 to TIME_WAIT
//	tcp_send_reset                 resets sent, by reason and state
//	tcp_receive_reset              resets received, by state
//	tcp_retransmit_skb             retransmissions, by state
//
// The programs are assembled here, with the offsets of struct members from the kernel's own BTF: there is neither a compiler nor a
// compiled object. They need CAP_BPF and CAP_PERFMON in the initial user namespace, and no tracefs.
//
// Each tracepoint has two programs, so that an event in an interrupt of one is not missed (role). A kernel may still run neither: on one (6.18), changes
// of state that ftrace showed reached no program while a certain process of the host was on the CPU, and the kernel's count of misses stayed 0.
// Lost.Unbalanced and Lost.Unknown show what was missed so: a connection came into a state and never left it, or came from one that it was never in.
//
// A socket belongs to the load if it is in one of its network namespaces and has a server's port at either end. Addresses are not
// compared.
package trace
