// Package wire captures the segments that open and end TCP connections (SYN, SYN|ACK, FIN, RST), with the
// kernel's timestamps: what the two ends did and in which order, free of the delay with which a
// process gets to know of it.
//
// # Where a packet is seen, and what its time means
//
// A Capture listens in the clients' network namespace, on the one link by which the route to the server leaves:
// on all links at once a packet that passes a bridge would be seen once on each of its links. Its filter runs in the
// kernel and lets nothing else through than the headers of such segments from and to the server's address and port.
//
//	sent from here            when it is given to the link (dev_queue_xmit_nit), within the system call, or the
//	                          timer or softirq, that sends it
//	received from a link      when the driver hands it to the stack (net_timestamp_check in netif_rx and
//	                          netif_receive_skb), before it waits for a softirq and before TCP sees it
//	on lo, in both directions when it is sent: each packet is there twice, and the copy that is received is left
//	                          out, for it comes late where the softirq is busy
//
// The kernel stamps received packets that early only while somebody has asked for it (net_enable_timestamp), which
// a Capture does (SO_TIMESTAMPNS); it costs every packet of the host a reading of the clock. Without, the stamp
// would be of tpacket_rcv, behind the softirq's queue. A stamp is of CLOCK_REALTIME: see Trace.ClockStep.
//
// Not seen: a server behind an address translation of this host (DNAT to a container, a cluster's service
// address), because its packets bear another address on the link; answers that come back by another link than
// requests leave; TCP behind IPv6 extension headers. A Trace without a SYN of a connection that opened is the sign.
//
// # How
//
// A ring that the kernel fills (PACKET_RX_RING, TPACKET_V2) holds 65,440 packets, so that a burst is not lost while no
// thread of the process gets a CPU, and costs no system call a packet. A socket buffer would need SO_RCVBUFFORCE for
// that, thus CAP_NET_ADMIN in the initial user namespace's terms. TPACKET_V3 saves no memory with packets this small,
// and holds them back until a block is full or its timer ends. gopacket's afpacket needs cgo; mdlayher/packet has
// neither timestamps nor a ring.
package wire
