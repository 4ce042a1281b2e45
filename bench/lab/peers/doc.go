// Command sidebyside compares lastack with other tools that open and close many TCP connections, and with the serial floor: one
// thread per CPU that is both ends and so never waits. It prints a table as Markdown; see README.md.
//
// A machine's speed drifts by tens of percent within minutes, so figures of different times are not comparable. Every [contender] runs once
// in each of several rounds, in an order that rotates and turns around; a ratio is taken within a round, and the table has the median
// of the ratios and their range beside the median of the figures.
//
// # Where
//
// A [testbed] is the loopback of a network namespace that bench/sandbox made. Between two runs it destroys the TIME_WAIT sockets that
// the last one left, so that each finds the same empty tables, and waits until the machine is idle. lastack with its own server makes
// a namespace below it, as always. Where the kernel allows no namespace, the loopback is the host's, nothing is destroyed, and the
// table says so.
//
// # CPU
//
// A process's CPU time is what wait4 returns: user and system time, its children's included. On loopback the kernel runs the
// receiver's softirq work on the sender's time (net_rx_action, from do_softirq after dev_queue_xmit), so a client is charged for its
// peer's handling of SYN, request and FIN, and the server for the client's handling of the SYN-ACK and the reply. This holds for every
// contender alike. How the time is split says who ran the work, not whose it was: the sum is the safer figure.
package main
