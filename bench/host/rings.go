package host

import (
	"sort"

	"lastack/sockstate/sockio"
)

// Loops are the loops that drive the sockets of a load and of its embedded server, of which Server is 0 without one. With io_uring each
// has rings of its own.
type Loops struct {
	Load, Server, Listeners int
	// Scheduled is set if the load follows a schedule: each of its loops then has room for all connections, and uses its share.
	Scheduled bool
	// Outlive is set if any number of the server's ends may outlive the client's.
	Outlive bool
}

const (
	// ProbedRings is the memlock still charged for the probe's closed rings, which the kernel frees a little later. With a reserve of
	// 16 KiB only 1 of 8 runs found enough memory; with 24 KiB and more, 39 of 40.
	ProbedRings = 48 << 10
	// ReservedFds are the descriptors kept free for everything but connections and loops.
	ReservedFds = 64
	// MaxSpareSlots limits the slots beyond the connections asked for, if RLIMIT_NOFILE hardly does.
	MaxSpareSlots = 1 << 20
	// slack is how many more slots than connections a loop of the server has, for ends that it has not seen closed yet.
	slack = 4096
)

// FreeFds is how many descriptors RLIMIT_NOFILE leaves for connections.
func (l Loops) FreeFds(limit int64) int {
	const ofLoop = 2
	return int(min(limit, 1<<30)) - ReservedFds - ofLoop*(l.Load+l.Server) - l.Listeners
}

// each is n divided among the loops, rounded up.
func each(n, loops int) int { return (n + loops - 1) / loops }

// share is how many of so many connections a loop of the server may have. SO_REUSEPORT distributes them by hash, evenly to within some
// hundreds of a million. If loops share a listener, one may get all of them.
func (l Loops) share(connections int) int {
	if l.Listeners < l.Server {
		return connections
	}
	return each(connections*each(l.Listeners, l.Server), l.Listeners)
}

// ServerSlots is how many slots a loop of the server needs for so many connections; 0 without a server.
func (l Loops) ServerSlots(connections int) int {
	if l.Server == 0 {
		return 0
	}
	n := l.share(connections)
	n += n/4 + slack
	if l.Outlive {
		n = max(n, MaxSpareSlots)
	}
	return n
}

// RingMemory returns how many rings the loops use for so many open connections, and the memory charged for them. load is the number of
// all slots of the load, server that of each loop of the server, nofile that of a ring's table. A ring is made with its first connection.
func (l Loops) RingMemory(connections, load, server, nofile int) (rings int, bytes int64) {
	add := func(loops, slots, used int, accepts bool) {
		n, b := sockio.RingMemory(slots, used, nofile, accepts)
		rings += loops * n
		bytes += int64(loops) * b
	}
	slots := load
	if !l.Scheduled {
		slots = each(load, l.Load)
	}
	add(l.Load, slots, each(connections, l.Load), false)
	switch {
	case l.Server == 0:
	case l.Listeners < l.Server:
		// Loops that share a listener do not share evenly: one may get all connections.
		add(l.Listeners, server, each(connections, l.Listeners), true)
		add(l.Server-l.Listeners, server, 1, true)
	default:
		add(l.Server, server, l.share(connections), true)
	}
	return rings, bytes
}

// MostInRings is how many connections, at most limit, the rings can hold within so many bytes (RLIMIT_MEMLOCK).
func (l Loops) MostInRings(limit, nofile int, memory int64) int {
	return sort.Search(limit, func(n int) bool {
		_, bytes := l.RingMemory(n+1, n+1, l.ServerSlots(n+1), nofile)
		return bytes > memory-ProbedRings
	})
}
