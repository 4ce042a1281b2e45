// Package drain measures what clients see while a server stops, restarts or rolls. It holds a load of several groups, stops the server, and
// gives every connection and every request one fate.
//
//	Spec -- Resolve --> Setup -- Run --> tries, each: prepare, hold, fill, stop, watch, conclude
//	                                       |
//	                                       evidence (raw: journal, packets, queue, owners, counters, exits)
//	                                       | join    each connection with its packets, place in the queue and owner
//	                                       joined
//	                                       | fold    pure: fates, listener, timeline, buckets, left, accounting
//	                                       record.DrainTry
package drain
