package setup

import (
	"math"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/loadgen"
	"lastack/sockstate"
)

// divide sets how many connections the load, and each worker of the server, may have open.
func (r *resolver) divide() error {
	load, server, err := r.slots()
	if err != nil {
		return err
	}
	r.Slots = load
	if r.Server != nil {
		r.Server.Slots = server
	}
	return nil
}

func (r *resolver) slots() (load, server int, err error) {
	h := &r.facts.Host
	limit := int64(h.NoFileSoft)
	if r.Engine == epoll {
		return r.divideFds(limit)
	}
	if load, server, err = r.divideRings(limit); err != nil {
		return 0, 0, err
	}
	within := *h
	within.InitialUserNS = h.InitialUserNS && !r.inUserNamespace()
	if memory, bound := within.LockableMemory(); bound {
		return r.fitRings(load, server, limit, memory)
	}
	return load, server, nil
}

// planned is the sum of the groups' connections. uncapped is set if a group has no cap.
func (r *resolver) planned() (n int, uncapped bool) {
	for i := range r.Plan.Groups {
		k := r.Plan.Groups[i].Connections
		n += max(k, 1)
		uncapped = uncapped || k == 0
	}
	return n, uncapped
}

// divideFds is for epoll, where each end of a connection has a descriptor.
func (r *resolver) divideFds(limit int64) (load, server int, err error) {
	budget := r.loops().FreeFds(limit)
	planned, uncapped := r.planned()
	ends := int(r.ends())
	if planned*ends > budget {
		why := "a descriptor each"
		if ends == 2 {
			why = "a descriptor at each end, both in this process"
		}
		remedy := "raise it (ulimit -n)"
		if budget >= ends {
			remedy += ", or ask for at most " + quantity.Count(int64(budget/ends))
		}
		return 0, 0, sockstate.BadValue("connections", quantity.Count(int64(planned)), "needs %s descriptors (%s), and RLIMIT_NOFILE leaves %s of %s: %s",
			quantity.Count(int64(planned*ends)), why, quantity.Count(int64(max(budget, 0))), quantity.Count(limit), remedy)
	}
	most := max(planned, host.MaxSpareSlots)
	if r.Server == nil {
		return min(budget, most), 0, nil
	}
	if uncapped {
		return min(budget/2, most), min(budget-budget/2, most), nil
	}
	// The server gets the rest, since its end of a connection may outlive the client's.
	return planned, min(budget-planned, most), nil
}

// divideRings is for io_uring: a ring takes one descriptor, and its fixed-file table holds as many sockets as RLIMIT_NOFILE allows. A loop
// makes rings when it needs them, and an unused slot takes no memory, so there may be more slots than connections.
func (r *resolver) divideRings(limit int64) (load, server int, err error) {
	loops := r.loops()
	rings := loops.FreeFds(limit)
	table := int(min(max(limit, 1), host.MaxSpareSlots))
	planned, uncapped := r.planned()
	workers := loops.Load + loops.Server // the last ring of each may not be full
	most := max(rings-workers, 0) * table / int(r.ends())
	if planned > most && (rings < workers || planned > table) {
		remedy := "raise it (ulimit -n)"
		if most > 0 {
			remedy += ", or ask for at most " + quantity.Count(int64(most))
		}
		return 0, 0, sockstate.BadValue("connections", quantity.Count(int64(planned)), "needs %s rings of %s sockets (a descriptor each), and RLIMIT_NOFILE leaves %s of %s: %s",
			quantity.Count(int64((planned*int(r.ends())+table-1)/table+workers)), quantity.Count(int64(table)),
			quantity.Count(int64(max(rings, 0))), quantity.Count(limit), remedy)
	}
	load = planned
	if uncapped {
		load = min(max(r.mostOpen(), planned), max(planned, host.MaxSpareSlots), max(most, table))
	}
	return load, loops.ServerSlots(load), nil
}

// mostOpen bounds the connections that schedules without a cap can have open: no connection lasts longer
// than its timeouts.
func (r *resolver) mostOpen() int {
	sum := 0.0
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		if g.Connections > 0 {
			sum += float64(g.Connections)
			continue
		}
		exchanges := float64(g.Exchanges())
		lasts := g.ConnectTimeout.Seconds() + g.Hold.Seconds() + g.CloseTimeout.Seconds() +
			exchanges*(g.RequestTimeout.Seconds()+g.Think.Seconds())
		n := max(g.RateFrom, g.RateTo) * lasts
		if d := r.Plan.Warmup + r.Plan.Duration; r.Plan.Duration > 0 {
			n = min(n, max(g.RateFrom, g.RateTo)*d.Seconds())
		}
		if r.Plan.Count > 0 {
			n = min(n, float64(r.Plan.Count)+max(g.RateFrom, g.RateTo)*r.Plan.Warmup.Seconds())
		}
		sum += n
	}
	return int(min(math.Ceil(sum), loadgen.MaxConnections))
}
