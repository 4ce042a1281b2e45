// Package capture captures TCP segments with the kernel's timestamps: those that open and end connections (SYN, SYN|ACK,
// FIN, RST), or all (Filter). They show what the two ends did and in which order, without a process's delay in seeing
// it.
//
// A drain orders its events by them (bench/drain). A Capture is not an observe.Tracer: that one gets socket states from the kernel.
//
// # Where a packet is captured, and what its time means
//
// A Capture listens in the clients' network namespace, on the link of the route to the server. It does not listen on
// all links, as a packet that passes a bridge would appear once on each of the bridge's links. Its filter runs in the
// kernel and passes only the headers of the selected segments from and to the server's address and port.
//
//	sent from here            when it is passed to the link (dev_queue_xmit_nit), within the system call, timer
//	                          or softirq that sends it
//	received from a link      when the softirq takes it from the driver's or the CPU's queue
//	                          (__netif_receive_skb_core), just before TCP sees it
//	on lo, in both directions when it is sent: lo shows each packet twice, and the received copy is left
//	                          out, as it is late if the softirq is busy
//
// The timestamp is tpacket_rcv's, of CLOCK_REALTIME (see Trace.ClockStep). It prefers a timestamp that the packet already
// has, but the kernel adds those only while a process on the host requests them (net_enable_timestamp); they are
// earlier by the time in the CPU's queue. Requesting them would cost every packet of the host a clock reading and help
// only behind RPS: lo does not need it, and a veth packet gets none, as it still carries the sender's delivery time.
// From one end of a veth pair to the other, with 8 clients opening connections as fast as they can on two
// CPUs, packets took 3 µs, and at most 0.1 ms.
//
// Not captured: a server behind this host's address translation (DNAT to a container, a cluster's service
// address), because its packets have another address on the link; replies on another link than the requests;
// TCP behind IPv6 extension headers. The sign is an open connection without a SYN in the Trace.
//
// # How
//
// The kernel fills a ring in shared memory (PACKET_RX_RING, TPACKET_V2), which is read 50 times a second. A packet costs
// no system call and wakes no thread, and the ring holds 65,440 packets while the process gets no CPU. A socket's
// buffer would hold a few hundred, and needs CAP_NET_ADMIN to grow beyond net.core.rmem_max (SO_RCVBUFFORCE).
// TPACKET_V3 saves no memory with packets this small, and withholds them until a block is full or its timer
// fires. gopacket's afpacket needs cgo; mdlayher/packet has neither timestamps nor a ring.
package capture
