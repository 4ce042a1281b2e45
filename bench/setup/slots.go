package setup

import (
	"cmp"
	"fmt"
	"math"
	"sort"
	"strings"

	"lastack/bench/quantity"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

const (
	// reservedFds stay free for everything that is not a connection of the load.
	reservedFds = 64
	// fdsOfWorker are a loop's own.
	fdsOfWorker = 2
)

// slotsAtMost bounds what no plan asks for, where RLIMIT_NOFILE is as good as none.
const slotsAtMost = 1 << 20

// The engines, as sockio names them.
const (
	auto  = "auto"
	uring = "uring"
	epoll = "epoll"
)

// chooseEngine takes io_uring where it can be used, unless the other was asked for.
func (r *resolver) chooseEngine() error {
	switch e := cmp.Or(r.spec.Engine, auto); {
	case e == epoll, e == auto && r.facts.NoRing != "":
		r.Engine = epoll
		if e == auto {
			r.EngineReason = r.facts.NoRing
		}
	case e == uring && r.facts.NoRing != "":
		return sockstate.BadValue("engine", e, "%s", r.facts.NoRing)
	case e == uring, e == auto:
		r.Engine = uring
	default:
		return sockstate.BadValue("engine", e, "want %s", strings.Join(sockio.BackendNames(), ", "))
	}
	return nil
}

// divide says how many connections the load, and each worker of the server, may have open.
// Where the engine was left open and its rings find no memory, but descriptors suffice, it takes epoll.
func (r *resolver) divide() error {
	load, server, err := r.rooms()
	if err != nil {
		return err
	}
	r.Slots = load
	if r.Server != nil {
		r.Server.Slots = server
	}
	return nil
}

func (r *resolver) rooms() (load, server int, err error) {
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

// planned is the sum of what the groups ask for; uncapped is set where one of them leaves it open.
func (r *resolver) planned() (n int, uncapped bool) {
	for i := range r.Plan.Groups {
		k := r.Plan.Groups[i].Connections
		n += max(k, 1)
		uncapped = uncapped || k == 0
	}
	return n, uncapped
}

// freeFds is what RLIMIT_NOFILE leaves when everything but connections has its descriptors.
func (r *resolver) freeFds(limit int64) int {
	n := int(min(limit, 1<<30)) - reservedFds - fdsOfWorker*r.Plan.Workers
	if r.Server != nil {
		n -= fdsOfWorker*r.Server.Workers + r.Server.Listeners
	}
	return n
}

// divideFds is divide where each end of a connection has a descriptor.
func (r *resolver) divideFds(limit int64) (load, server int, err error) {
	budget := r.freeFds(limit)
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
		return 0, 0, sockstate.BadValue("connections", quantity.Count(int64(planned)), "needs %s descriptors (%s), and RLIMIT_NOFILE leaves %s of %s: %s", quantity.Count(int64(planned*ends)), why, quantity.Count(int64(max(budget, 0))), quantity.Count(limit), remedy)
	}
	most := max(planned, slotsAtMost)
	if r.Server == nil {
		return min(budget, most), 0, nil
	}
	if uncapped {
		return min(budget/2, most), min(budget-budget/2, most), nil
	}
	// A server's end may outlive the client's; what the client cannot use is there for that.
	return planned, min(budget-planned, most), nil
}

// divideRings is divide where sockets are places in the tables of rings: a ring is one descriptor, and its
// table holds as many sockets as RLIMIT_NOFILE allows. A loop makes its rings as it needs them, and a slot that
// nobody uses takes no memory, so there may be more of them than connections.
func (r *resolver) divideRings(limit int64) (load, server int, err error) {
	rings := r.freeFds(limit)
	table := int(min(max(limit, 1), slotsAtMost))
	planned, uncapped := r.planned()
	workers := max(r.Plan.Workers, 1) // the last ring of each is not full
	if r.Server != nil {
		workers += max(r.Server.Workers, 1)
	}
	most := max(rings-workers, 0) * table / int(r.ends())
	if planned > most && (rings < workers || planned > table) {
		remedy := "raise it (ulimit -n)"
		if most > 0 {
			remedy += ", or ask for at most " + quantity.Count(int64(most))
		}
		return 0, 0, sockstate.BadValue("connections", quantity.Count(int64(planned)), "needs %s rings of %s sockets (a descriptor each), and RLIMIT_NOFILE leaves %s of %s: %s", quantity.Count(int64((planned*int(r.ends())+table-1)/table+workers)), quantity.Count(int64(table)), quantity.Count(int64(max(rings, 0))), quantity.Count(limit), remedy)
	}
	load = planned
	if uncapped {
		load = min(max(r.reach(), planned), max(planned, slotsAtMost), max(most, table))
	}
	if r.Server == nil {
		return load, 0, nil
	}
	return load, r.serverSlots(load), nil
}

// reach is the most that the schedules without a cap could pile up: nothing that the target does keeps
// a connection longer than its timeouts.
func (r *resolver) reach() int {
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

// slack is what a server's worker has beyond its share: ends that it has not yet seen closed.
const slack = 4096

// serverSlots is what a worker of the server may have open, for so many connections. SO_REUSEPORT deals them out by hash,
// to within some hundreds of a million; a listener that workers share may give all of them to one.
func (r *resolver) serverSlots(connections int) int {
	s := r.Server
	workers, listeners := max(s.Workers, 1), max(s.Listeners, 1)
	share := connections
	if listeners >= workers {
		share = (connections*((listeners+workers-1)/workers) + listeners - 1) / listeners
	}
	n := share + share/4 + slack
	// By policy, or by its slowness, an end can outlive the client's any number of times.
	if s.Delay > 0 || s.OnEOF.Kind == teardown.ReactDelay || s.OnEOF.Kind == teardown.ReactNever {
		n = max(n, slotsAtMost)
	}
	return n
}

const (
	// triedRings is RLIMIT_MEMLOCK still charged for the probe's closed rings: the kernel frees them a little later. Of 8 runs with
	// 16 KiB 1 found its memory, with 24 KiB and more 39 of 40.
	triedRings = 48 << 10
)

// ringMemory is how many rings the load and the server have when so many connections are open at once, and what they
// are charged with. load and server are what divide gives: slots that nobody uses have no ring.
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

// fitRings is divide where memory bounds the rings, in bytes: load and server are what the descriptors allow.
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

// slotsFor is what divide would give a plan of so many connections.
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
