// Package capture captures the segments of TCP connections with the kernel's timestamps: those that open and end them (SYN,
// SYN|ACK, FIN, RST), or all (Filter). They tell what the two ends did and in which order, without the delay after
// which a process sees it.
//
// A drain orders its events by them (bench/drain). It is no observe.Tracer: that one is told by the kernel of its sockets' states.
//
// # Where a packet is seen, and what its time means
//
// A Capture listens in the clients' network namespace, on the one link by which the route to the server leaves:
// on all links at once a packet that passes a bridge would be seen once on each of its links. Its filter runs in the
// kernel and lets nothing else through than the headers of such segments from and to the server's address and port.
//
//	sent from here            when it is given to the link (dev_queue_xmit_nit), within the system call, or the
//	                          timer or softirq, that sends it
//	received from a link      when the softirq takes it from the driver's or the CPU's queue
//	                          (__netif_receive_skb_core), just before TCP sees it
//	on lo, in both directions when it is sent: each packet is there twice, and the copy that is received is left
//	                          out, for it comes late where the softirq is busy
//
// The stamp is tpacket_rcv's, of CLOCK_REALTIME (see Trace.ClockStep on what that means); it prefers one that the
// packet bears already, which is there only while somebody on the host has asked for it (net_enable_timestamp), and
// earlier by the time in the CPU's queue. Asking for it would cost every packet of the host a reading of the clock, and gain
// something only behind RPS: lo does not need it, and what comes by veth still bears the sender's delivery
// time and gets none. From one end of a veth pair to the other, 8 clients opening connections as fast as they can on two
// CPUs, packets took 3 µs, and at most 0.1 ms.
//
// Not seen: a server behind an address translation of this host (DNAT to a container, a cluster's service
// address), because its packets bear another address on the link; answers that come back by another link than
// requests leave; TCP behind IPv6 extension headers. A Trace without a SYN of a connection that opened is the sign.
//
// # How
//
// The kernel fills a ring in shared memory (PACKET_RX_RING, TPACKET_V2), from which packets are taken 50 times a second: a
// packet costs no system call and wakes up nobody, and 65,440 of them are kept while no thread of the process
// gets a CPU. A socket's buffer would take a few hundred, and needs CAP_NET_ADMIN to grow beyond net.core.rmem_max
// (SO_RCVBUFFORCE). TPACKET_V3 saves no memory with packets this small, and holds them back until a block is full or its
// timer ends. gopacket's afpacket needs cgo; mdlayher/packet has neither timestamps nor a ring.
package capture
