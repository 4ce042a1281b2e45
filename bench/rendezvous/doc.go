// Package rendezvous has the shards of a load start at one moment. Shard 0 listens, the others join it over TCP:
//
//	shard i                                    shard 0
//	hello{magic, i, n, plan, token}  ------->  refuses strangers, other plans, a number that it has already
//	ask{t1}                          ------->
//	                                 <-------  answer{t1, t2, t3}     at least Exchanges times
//	ready                            ------->  when all are ready, or at the timeout with a quorum:
//	                                 <-------  start{at, run_id, absent} or error{text}
//
// Messages are lines of JSON. Times are of CLOCK_REALTIME. The exchange with the shortest round trip tells the offset of the two clocks,
// ((t1 - t2) + (t4 - t3)) / 2, within half of that round trip (RFC 5905, section 8).
//
// The token keeps strangers out. It is no protection against whoever can read the network: the rendezvous is for networks that the user trusts.
// Nothing listens longer than until the start is announced.
package rendezvous
