package setup

import (
	"cmp"
	"fmt"
	"math"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/bench/sandbox"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// inUserNamespace reports whether the run will be in a new user namespace, where capabilities allow less.
func (r *resolver) inUserNamespace() bool {
	switch {
	case r.Sandbox == nil:
		return false
	case r.Sandbox.Mode != "":
		return r.Sandbox.Mode == sandbox.User
	}
	return !r.facts.Host.RootSandbox()
}

// loops are the loops of the load and of the server.
func (r *resolver) loops() host.Loops {
	l := host.Loops{Load: r.Plan.Workers}
	for i := range r.Plan.Groups {
		l.Scheduled = l.Scheduled || r.Plan.Groups[i].OpenLoop()
	}
	if s := r.Server; s != nil {
		l.Server, l.Listeners = s.Workers, s.Listeners
		l.Outlive = s.Delay > 0 || s.OnEOF.Kind == teardown.ReactDelay || s.OnEOF.Kind == teardown.ReactNever
	}
	return l
}

// fitRings limits the slots by the memory for rings, in bytes. load and server are the slots that the descriptors allow. If the rings do
// not fit, --engine auto falls back to epoll, provided the descriptors suffice.
func (r *resolver) fitRings(load, server int, limit, memory int64) (int, int, error) {
	loops, nofile := r.loops(), int(min(limit, math.MaxInt32))
	connections := min(r.openAtOnce(), max(load, 1))
	rings, bytes := loops.RingMemory(connections, load, server, nofile)
	if bytes <= memory-host.ProbedRings {
		return load, server, nil
	}
	lacks := fmt.Sprintf("needs %s io_uring %s of %s in all, but RLIMIT_MEMLOCK allows all processes of this user only %s together",
		quantity.Count(int64(rings)), quantity.Plural(rings, "ring", "rings"), quantity.Bytes(bytes), quantity.Bytes(memory))
	page := cmp.Or(r.facts.Host.PageBytes, 4096)
	remedy := fmt.Sprintf("raise it (ulimit -l %d)", (bytes+host.ProbedRings+page-1)/page*page>>10)
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
	most := loops.MostInRings(connections, nofile, memory)
	if err != nil && open {
		most = max(most, loops.FreeFds(limit)/int(r.ends())) // with epoll
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

// openAtOnce estimates how many connections the plan has open at once.
func (r *resolver) openAtOnce() int {
	sum := int64(0)
	for i := range r.Plan.Groups {
		sum += max(r.open(&r.Plan.Groups[i]), 1)
	}
	return int(min(sum, math.MaxInt32))
}
