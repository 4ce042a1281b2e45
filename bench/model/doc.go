// Package model computes how many connections a host and the network around it bear. It is pure: no clock, no file, no socket.
//
// A load is a rate of arrivals r, how long a connection is open, and who closes it how. Plan makes of it every quantity that grows with the
// rate, compares each with its limit, and says which limit is reached first. Each quantity names its formula:
//
//	population      r x E[time in the state]: Little's law (J. Little, 1961). It holds for any distribution of the times.
//	                Under Poisson arrivals the number in the state at an instant is Poisson too, whatever the distribution
//	                (M/G/infinity; L. Takács, 1962): its interval is mean +- 2.58 sqrt(mean). Under paced arrivals only the
//	                times vary: variance r x integral of F(1-F), which is 0 for a constant time, (b-a)/6 r for a uniform one
//	                from a to b, and mean/2 r for an exponential one.
//	states          the population of a TCP state. teardown.Predict says which states a close policy leads to, and the
//	                times are: FIN_WAIT_1, LAST_ACK, CLOSING one round trip (up to 40 ms more if the ACK of a FIN is
//	                delayed, TCP_DELACK_MIN); CLOSE_WAIT the delay of the passive side, FIN_WAIT_2 what the ACK leaves of it, for
//	                an orphan at most tcp_fin_timeout (tcp_fin_time); TIME_WAIT see there.
//	time_wait       r x (60 s and the rounding of the timer wheel). sockstate.TimeWaitLasts derives it: 60.0 to 62.05 s at
//	                250 Hz, in the mean 61.02 s. All TIME_WAITs of one bucket of the wheel end at once, so that the number
//	                moves like a saw between r x 60.0 and r x 62.05. The interval holds both. A server's TIME_WAIT whose
//	                client has no TIME_WAIT is reopened by the client's SYN from the same port (tcp_timewait_state_process),
//	                so that of K open connections and A that would be in TIME_WAIT F(1 - exp(-A/F)) are left: F are the free ports
//	                that connect chooses from, those of the first pass less K, or all less K if that is full.
//	ports_kept      r x (time open + time in the client's states after it): a connection keeps its local port until it
//	                leaves TIME_WAIT, or, with tcp_tw_reuse, until tcp_tw_reuse_delay after it entered it.
//	port_bursts     paced arrivals: ports come back in bursts, one per bucket of the wheel, which is w long. With N ports and
//	                S = time open + 60 s no connection fails up to r = N/(S+w). Above, a port that is taken as soon as it
//	                comes back is away for k+1 buckets, S+v s, if it is among the first rv of its bucket, else for k+2. So
//	                between N/(S+w) and N/(S+v) connections a second get a port; (N+rv)/(k+2) in each bucket if all buckets
//	                have as many. How even they are depends on how the load began.
//	                A load that begins with all ports free takes them in one burst, and again every S+v: for the first
//	                lives it gets N/(S+v). 1,000 ports and 100/s in a run of 195 s: N/(S+v), every 61.44 s, and not every 61.02 s.
//	erlang_b        Poisson arrivals: ports are a loss system without a queue, and the blocked share is Erlang's
//	                B(N, a), a = r x mean time that a port is kept, whatever its distribution (A. Erlang, 1917; B. Sevast'yanov, 1957).
//	                All terms of 1/B = 1 + N/a + N(N-1)/a^2 + ... are positive. As TIME_WAITs end in bursts, times are not independent, and the interval is from B at the shortest time to B at the longest.
//	port_search     connect tries the ports of one parity first (__inet_hash_connect). The share 1 - first / in use of the
//	                connects that succeed finds none of them free, and walks past all, 0.1 to 0.4 us each (measured). A connect that finds no
//	                port walks past those of both parities. With reuse a port in TIME_WAIT is in use until the reuse delay is over:
//	                the first pass bears first / (time open + reuse delay).
//	descriptors     the population of the states in which the process still has the socket: until close(), or until EOF
//	                for client:half.
//	orphans         that of full sockets without a descriptor: FIN_WAIT_1, LAST_ACK and CLOSING after close(). A FIN_WAIT_2
//	                orphan is a minisocket, unless tcp_fin_timeout is above 60 s.
//	slabs           the sum over the states of population x bytes in the kernel's caches, see Memory, and of tracked connections if the
//	                host tracks them. Caches of minisockets, which come and go in bursts, hold up to a fifth more.
//	buffers         r x time of the exchange x pages of the larger message: a socket takes whole pages of tcp_mem while a
//	                buffer is not empty (__sk_mem_schedule).
//	conntrack       r x (time open + the timeout after the close: 120 s after FINs, 10 s after an RST, 60 s in CLOSE_WAIT,
//	                or what the host's sysctls say; nf_conntrack_proto_tcp.c). Entries that are over still count until the
//	                collector finds them. It sleeps between two scans for the mean of what all entries have left, 60 s at most
//	                and 300 s of each (gc_worker of nf_conntrack_core.c): 60 s with open connections or after FINs, 6 s after
//	                RSTs. An entry is late by half of it in the mean. Lookups find some earlier. Other namespaces count too,
//	                so that the interval is 0 to 60 s.
//	                A connection from a port that is free again takes the place of the entry before, also behind a NAT: of the F free
//	                ports that connect tries first, which it chooses evenly, and A entries of connections that are over,
//	                F(1 - exp(-A/F)) are left. A NAT that takes over the ports of closed connections has as many entries as ports at most.
//	carried         r x (1 - blocked share): a need above its limit is what is offered, and this is what local ports let through of it.
//	nat_ports       r x (time open + the time for which the NAT keeps a port after the close), per destination.
//	accept_queue    r x the time in which the server does not accept, at most the pause that is assumed.
//	syn_backlog     r x one round trip: a request socket lives until the final ACK.
//	proxy           a load balancer that is one is a server to the clients and a client to the targets: it has the sockets, the descriptors, the
//	                memory and the CPU time of both, and the client's local ports are for its addresses, however many targets are behind.
//	cpu             r x CPU seconds per lifecycle, from a record or from the table, and what the port search costs. How the rate of one
//	                host grows with the connections at once is another question, which only measurements answer: see FitScaling.
//
// The time until a limit is reached is exact for constant times: until the first ones are over, a number grows by r each second.
//
// Rates at which a limit is reached come from the same functions, by bisection: each need grows with the rate.
package model
