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

// inUserNamespace reports whether the run will be in a new user namespace, where capabilities allow less.
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

// probedRings is the memlock still charged for the probe's closed rings, which the kernel frees a little later. With a reserve of
// 16 KiB only 1 of 8 runs found enough memory; with 24 KiB and more, 39 of 40.
const probedRings = 48 << 10

// ringMemory returns how many rings the load and the server use for so many open connections, and the memory charged for them.
// load and server are their slots. A ring is made with its first connection.
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
			slots = load // each worker has room for all connections, and uses its share
		}
	}
	add(workers, slots, each, false)
	if r.Server == nil {
		return rings, bytes
	}
	loops, listeners := max(r.Server.Workers, 1), max(r.Server.Listeners, 1)
	if listeners < loops {
		// Loops that share a listener do not share evenly: one may get all connections.
		add(listeners, server, (connections+listeners-1)/listeners, true)
		add(loops-listeners, server, 1, true)
		return rings, bytes
	}
	add(loops, server, (connections*((listeners+loops-1)/loops)+listeners-1)/listeners, true)
	return rings, bytes
}

// fitRings limits the slots by the memory for rings, in bytes. load and server are the slots that the descriptors allow. If the rings do
// not fit, --engine auto falls back to epoll, provided the descriptors suffice.
func (r *resolver) fitRings(load, server int, limit, memory int64) (int, int, error) {
	left := memory - probedRings
	connections := min(r.openAtOnce(), max(load, 1))
	rings, bytes := r.ringMemory(connections, load, server, limit)
	if bytes <= left {
		return load, server, nil
	}
	lacks := fmt.Sprintf("needs %s io_uring %s of %s in all, but RLIMIT_MEMLOCK allows all processes of this user only %s together",
		quantity.Count(int64(rings)), quantity.Plural(rings, "ring", "rings"), quantity.Bytes(bytes), quantity.Bytes(memory))
	page := cmp.Or(r.facts.Host.PageBytes, 4096)
	remedy := fmt.Sprintf("raise it (ulimit -l %d)", (bytes+probedRings+page-1)/page*page>>10)
	fdLoad, fdServer, err := r.divideFds(limit)
	open := cmp.Or(r.spec.Engine, auto) == auto
	if err == nil && open {
		r.Engine = epoll
		r.EngineReason = fmt.Sprintf("--connections %s %s: %s", quantity.Count(int64(connections)), lacks, remedy)
		return fdLoad, fdServer, nil
	}
	if err == nil {
		remedy += ", use --engine auto"
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

// slotsFor is how many slots a plan of so many connections would get.
func (r *resolver) slotsFor(connections int) (load, server int) {
	if r.Server == nil {
		return connections, 0
	}
	return connections, r.serverSlots(connections)
}

// openAtOnce estimates how many connections the plan has open at once.
func (r *resolver) openAtOnce() int {
	sum := int64(0)
	for i := range r.Plan.Groups {
		sum += max(r.open(&r.Plan.Groups[i]), 1)
	}
	return int(min(sum, math.MaxInt32))
}
