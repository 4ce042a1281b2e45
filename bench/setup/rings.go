package setup

import (
	"cmp"
	"fmt"
	"math"
	"sort"

	"lastack/bench/quantity"
	"lastack/bench/sandbox"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// inUserNamespace reports whether the run will be in a user namespace of its own, where capabilities count for less.
func (r *resolver) inUserNamespace() bool {
	h := &r.facts.Host
	switch {
	case r.Sandbox == nil:
		return false
	case r.Sandbox.Mode != "":
		return r.Sandbox.Mode == sandbox.User
	}
	return h.UID != 0 || !h.Can("sys_admin") || !h.InitialUserNS
}

// triedRings is RLIMIT_MEMLOCK still charged for the probe's closed rings: the kernel frees them a little later. Of 8 runs with
// 16 KiB 1 found its memory, with 24 KiB and more 39 of 40.
const triedRings = 48 << 10

// ringMemory is how many rings the load and the server have with so many connections open at once, and the memory charged for
// them. load and server are their slots: a ring is made with its first connection.
func (r *resolver) ringMemory(connections, load, server int, limit int64) (rings int, bytes int64) {
	nofile := int(min(limit, math.MaxInt32))
	add := func(loops, slots, used int, accepts bool) {
		n, b := sockio.RingMemory(slots, used, nofile, accepts)
		rings += loops * n
		bytes += int64(loops) * b
	}
	workers := max(r.Plan.Workers, 1)
	each := (connections + workers - 1) / workers
	slots := (load + workers - 1) / workers
	for i := range r.Plan.Groups {
		if r.Plan.Groups[i].OpenLoop() {
			slots = load // each worker has room for all, and uses its share
		}
	}
	add(workers, slots, each, false)
	if r.Server == nil {
		return rings, bytes
	}
	loops, listeners := max(r.Server.Workers, 1), max(r.Server.Listeners, 1)
	if listeners < loops {
		// Those that share a listener do not share evenly: all connections may come to one.
		add(listeners, server, (connections+listeners-1)/listeners, true)
		add(loops-listeners, server, 1, true)
		return rings, bytes
	}
	add(loops, server, (connections*((listeners+loops-1)/loops)+listeners-1)/listeners, true)
	return rings, bytes
}

// fitRings bounds the slots by the memory for rings, in bytes. load and server are what the descriptors allow. Where the engine was
// left open and descriptors suffice, it takes epoll instead.
func (r *resolver) fitRings(load, server int, limit, memory int64) (int, int, error) {
	left := memory - triedRings
	connections := min(r.openAtOnce(), max(load, 1))
	rings, bytes := r.ringMemory(connections, load, server, limit)
	if bytes <= left {
		return load, server, nil
	}
	lacks := fmt.Sprintf("needs %s %s of io_uring, charged with %s, and RLIMIT_MEMLOCK allows all processes of this user %s together",
		quantity.Count(int64(rings)), quantity.Plural(rings, "ring", "rings"), quantity.Bytes(bytes), quantity.Bytes(memory))
	page := cmp.Or(r.facts.Host.PageBytes, 4096)
	remedy := fmt.Sprintf("raise it (ulimit -l %d)", (bytes+triedRings+page-1)/page*page>>10)
	fdLoad, fdServer, err := r.divideFds(limit)
	open := cmp.Or(r.spec.Engine, auto) == auto
	if err == nil && open {
		r.Engine = epoll
		r.EngineReason = fmt.Sprintf("--connections %s %s: %s", quantity.Count(int64(connections)), lacks, remedy)
		return fdLoad, fdServer, nil
	}
	if err == nil {
		remedy += ", take --engine auto"
	}
	most := sort.Search(connections, func(n int) bool {
		slots, room := r.slotsFor(n + 1)
		_, bytes := r.ringMemory(n+1, slots, room, limit)
		return bytes > left
	})
	if err != nil && open {
		most = max(most, r.freeFds(limit)/int(r.ends())) // with epoll
	}
	if most > 0 {
		remedy += ", or ask for at most " + quantity.Count(int64(most))
	}
	flag, value := "connections", quantity.Count(int64(connections))
	if _, uncapped := r.planned(); uncapped {
		flag, value = "hold", r.Plan.Groups[0].Hold.String()
	}
	return 0, 0, sockstate.BadValue(flag, value, "%s", lacks+": "+remedy)
}

// slotsFor is what a plan of so many connections would get.
func (r *resolver) slotsFor(connections int) (load, server int) {
	if r.Server == nil {
		return connections, 0
	}
	return connections, r.serverSlots(connections)
}

// openAtOnce is how many connections the plan has open at once, as far as it tells.
func (r *resolver) openAtOnce() int {
	sum := int64(0)
	for i := range r.Plan.Groups {
		sum += max(r.open(&r.Plan.Groups[i]), 1)
	}
	return int(min(sum, math.MaxInt32))
}
