// Package handshake runs one connection and watches it packet by packet. Both ends are in namespaces of a sandbox, with a relay between them:
//
//	client's loop      relay       server's loop
//	   |-- packet ------>|                        one goroutine, so that nothing happens unseen
//	   |            look up both ends' states
//	   |                 |-- forward, or drop --->|
//	   |            look up both ends' states
//
// All of it runs on one thread, a step at a time: states are the kernel's own (sock_diag), before and after each packet, and not samples.
//
// Against a server somewhere else the client's end is watched alone, and the other one's states are inferred from the packets.
package handshake
