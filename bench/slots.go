package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"sort"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// slotsAtMost bounds what no plan asks for, where RLIMIT_NOFILE is as good as none.
const slotsAtMost = 1 << 20

// divide says how many connections the load, and each worker of the server, may have open.
// Where b was chosen automatically and its rings find no memory, but descriptors suffice, it makes epoll the Backend.
func (c *Config) divide(b sockio.Backend, f *host.Facts) (load, server int, err error) {
	limit := int64(f.NoFileSoft)
	if b.Descriptors {
		return c.divideFds(limit)
	}
	load, server, err = c.divideRings(limit)
	if err != nil || b.Name != ringsName {
		return load, server, err
	}
	memory, bound := f.LockableMemory()
	if !bound {
		return load, server, err
	}
	return c.fitRings(load, server, limit, memory)
}

// LoadSlots is how many connections a load on somebody else's server may have open. Like Check it may make epoll
// the Backend.
func (c *Config) LoadSlots(f *host.Facts) (int, error) {
	load, _, err := c.divide(c.Backend, f)
	return load, err
}

// planned is the sum of what the groups ask for; uncapped is set where one of them leaves it open.
func (c *Config) planned() (n int, uncapped bool) {
	for i := range c.Plan.Groups {
		k := c.Plan.Groups[i].Connections
		n += max(k, 1)
		uncapped = uncapped || k == 0
	}
	return n, uncapped
}

// freeFds is what RLIMIT_NOFILE leaves when everything but connections has its descriptors.
func (c *Config) freeFds(limit int64) int {
	n := int(min(limit, 1<<30)) - reservedFds - fdsOfWorker*c.Plan.Workers
	if c.Server != nil {
		n -= fdsOfWorker*c.Server.Workers + c.Server.Listeners
	}
	return n
}

// divideFds is divide where each end of a connection has a descriptor.
func (c *Config) divideFds(limit int64) (load, server int, err error) {
	budget := c.freeFds(limit)
	planned, uncapped := c.planned()
	ends := int(c.ends())
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
	if c.Server == nil {
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
func (c *Config) divideRings(limit int64) (load, server int, err error) {
	rings := c.freeFds(limit)
	table := int(min(max(limit, 1), slotsAtMost))
	planned, uncapped := c.planned()
	workers := max(c.Plan.Workers, 1) // the last ring of each is not full
	if c.Server != nil {
		workers += max(c.Server.Workers, 1)
	}
	most := max(rings-workers, 0) * table / int(c.ends())
	if planned > most && (rings < workers || planned > table) {
		remedy := "raise it (ulimit -n)"
		if most > 0 {
			remedy += ", or ask for at most " + quantity.Count(int64(most))
		}
		return 0, 0, sockstate.BadValue("connections", quantity.Count(int64(planned)), "needs %s rings of %s sockets (a descriptor each), and RLIMIT_NOFILE leaves %s of %s: %s", quantity.Count(int64((planned*int(c.ends())+table-1)/table+workers)), quantity.Count(int64(table)), quantity.Count(int64(max(rings, 0))), quantity.Count(limit), remedy)
	}
	load = planned
	if uncapped {
		load = min(max(c.reach(), planned), max(planned, slotsAtMost), max(most, table))
	}
	if c.Server == nil {
		return load, 0, nil
	}
	return load, c.serverSlots(load), nil
}

// reach is the most that the schedules without a cap could pile up: nothing that the target does keeps
// a connection longer than its timeouts.
func (c *Config) reach() int {
	sum := 0.0
	for i := range c.Plan.Groups {
		g := &c.Plan.Groups[i]
		if g.Connections > 0 {
			sum += float64(g.Connections)
			continue
		}
		exchanges := float64(g.Exchanges())
		lasts := g.ConnectTimeout.Seconds() + g.Hold.Seconds() + g.CloseTimeout.Seconds() +
			exchanges*(g.RequestTimeout.Seconds()+g.Think.Seconds())
		n := max(g.RateFrom, g.RateTo) * lasts
		if d := c.Plan.Warmup + c.Plan.Duration; c.Plan.Duration > 0 {
			n = min(n, max(g.RateFrom, g.RateTo)*d.Seconds())
		}
		if c.Plan.Count > 0 {
			n = min(n, float64(c.Plan.Count)+max(g.RateFrom, g.RateTo)*c.Plan.Warmup.Seconds())
		}
		sum += n
	}
	return int(min(math.Ceil(sum), loadgen.MaxConnections))
}

// slack is what a server's worker has beyond its share: ends that it has not yet seen closed.
const slack = 4096

// serverSlots is what a worker of the server may have open, for so many connections. SO_REUSEPORT deals them out by hash,
// to within some hundreds of a million; a listener that workers share may give all of them to one.
func (c *Config) serverSlots(connections int) int {
	s := c.Server
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
	// ringsName is the backend whose rings are charged against RLIMIT_MEMLOCK.
	ringsName = "uring"
	// triedRings is what the rings by which the kernel was tried may still be charged with, before the sandbox and
	// inside: they go a little after they were closed. Of 8 runs with 16 KiB 1 found its memory, with 24 KiB and more 39 of 40.
	triedRings = 48 << 10
)

// ringMemory is how many rings the load and the server have when so many connections are open at once, and what they
// are charged with. load and server are what divide gives: slots that nobody uses have no ring.
func (c *Config) ringMemory(connections, load, server int, limit int64) (rings int, bytes int64) {
	nofile := int(min(limit, math.MaxInt32))
	add := func(loops, slots, used int, accepts bool) {
		n, b := sockio.RingMemory(slots, used, nofile, accepts)
		rings += loops * n
		bytes += int64(loops) * b
	}
	workers := max(c.Plan.Workers, 1)
	each := (connections + workers - 1) / workers
	slots := (load + workers - 1) / workers
	for i := range c.Plan.Groups {
		if c.Plan.Groups[i].OpenLoop() {
			slots = load // each worker has room for all, and uses its share
		}
	}
	add(workers, slots, each, false)
	if c.Server == nil {
		return rings, bytes
	}
	loops, listeners := max(c.Server.Workers, 1), max(c.Server.Listeners, 1)
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
func (c *Config) fitRings(load, server int, limit, memory int64) (int, int, error) {
	left := memory - triedRings
	connections := min(c.openAtOnce(), max(load, 1))
	rings, bytes := c.ringMemory(connections, load, server, limit)
	if bytes <= left {
		return load, server, nil
	}
	lacks := fmt.Sprintf("needs %s %s of io_uring, charged with %s, and RLIMIT_MEMLOCK allows all processes of this user %s together",
		quantity.Count(int64(rings)), quantity.Plural(rings, "ring", "rings"), quantity.Bytes(bytes), quantity.Bytes(memory))
	page := int64(os.Getpagesize())
	remedy := fmt.Sprintf("raise it (ulimit -l %d)", (bytes+triedRings+page-1)/page*page>>10)
	fdLoad, fdServer, err := c.divideFds(limit)
	if err == nil && slices.Contains([]string{"", "auto"}, c.Engine) {
		c.Backend, _, err = sockio.Choose("epoll")
		c.BackendReason = fmt.Sprintf("--connections %s %s: %s", quantity.Count(int64(connections)), lacks, remedy)
		return fdLoad, fdServer, err
	}
	if err == nil {
		remedy += ", take --engine auto"
	}
	most := sort.Search(connections, func(n int) bool {
		slots, room := c.slotsFor(n + 1)
		_, bytes := c.ringMemory(n+1, slots, room, limit)
		return bytes > left
	})
	if err != nil && c.Engine != ringsName {
		most = max(most, c.freeFds(limit)/int(c.ends())) // with epoll
	}
	if most > 0 {
		remedy += ", or ask for at most " + quantity.Count(int64(most))
	}
	flag, value := "connections", quantity.Count(int64(connections))
	if _, uncapped := c.planned(); uncapped {
		flag, value = "hold", c.Plan.Groups[0].Hold.String()
	}
	return 0, 0, sockstate.BadValue(flag, value, "%s", lacks+": "+remedy)
}

// slotsFor is what divide would give a plan of so many connections.
func (c *Config) slotsFor(connections int) (load, server int) {
	if c.Server == nil {
		return connections, 0
	}
	return connections, c.serverSlots(connections)
}

// openAtOnce is how many connections the plan has open at once, as far as it tells.
func (c *Config) openAtOnce() int {
	sum := int64(0)
	for i := range c.Plan.Groups {
		sum += max(c.open(&c.Plan.Groups[i]), 1)
	}
	return int(min(sum, math.MaxInt32))
}
