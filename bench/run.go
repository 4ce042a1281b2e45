package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/observe"
	"lastack/sockstate/sockio"
)

// experiment is a Config being carried out.
type experiment struct {
	cfg   Config
	facts *host.Facts // the client's namespace is this process's
	// backend drives the sockets of both ends; why is the reason that it is not a better one.
	backend sockio.Backend
	why     string
	cpus    []int // of the workers of each side; empty: the scheduler's choice
	needs   record.Needs
	watch   *observe.Observer

	server *server.Server
	load   *loadgen.Generator

	sampler *sampler
	before  reading
	after   reading
	ended   server.Stats // the server's ledger once all had settled
	result  *loadgen.Result
	// greetings are what targets said before they were asked.
	greetings map[string]string
	probed    int // connections made to hear them
	settle    *record.Settle
	started   time.Time
}

// Run carries out an experiment. A *sockstate.ValueError
// says what cannot be done as asked. When ctx is cancelled the load stops, and what was
// measured until then is returned. A record may come together with an error: what could be
// saved of an experiment that broke.
func Run(ctx context.Context, cfg Config) (*record.Run, error) {
	if cfg.Interval <= 0 {
		cfg.Interval = defaultInterval
	}
	e := &experiment{cfg: cfg}
	defer e.close()
	if err := e.prepare(ctx); err != nil {
		return nil, err
	}
	if err := e.measure(ctx); err != nil && e.result == nil {
		return nil, err
	} else if err != nil {
		run, aerr := e.assemble()
		return run, errors.Join(err, aerr)
	}
	return e.assemble()
}

// prepare checks what can be checked before a socket opens, and opens the observers.
func (e *experiment) prepare(ctx context.Context) (err error) {
	c := &e.cfg
	if e.facts, err = host.Read(); err != nil {
		return err
	}
	if err := c.chooseBackend(); err != nil {
		return err
	}
	load, srv, err := c.divide(c.Backend, e.facts)
	if err != nil {
		return err
	}
	e.backend, e.why = c.Backend, c.BackendReason
	c.spread(e.facts)
	e.needs = c.needs(e.facts)
	if err := c.checkPorts(e.facts); err != nil {
		return err
	}
	if err := e.clientNS().Do(c.checkSources); err != nil {
		return err
	}
	if c.OnNeeds != nil {
		c.OnNeeds(&e.needs)
	}
	e.cpus = c.shareCPUs()
	if c.Server != nil {
		c.Server.Slots, c.Server.Backend, c.Server.CPUs = srv, e.backend, e.cpus
		if err := e.serve(); err != nil {
			return err
		}
	}
	if err := c.Plan.Validate(); err != nil {
		return err
	}
	if err := c.checkSourcePorts(e.facts); err != nil {
		return err
	}
	procs := c.Plan.Workers + 2
	if c.Server != nil {
		procs += c.Server.Workers
	}
	if err := host.CheckThreads(int64(procs)); err != nil {
		return err
	}
	// With fewer, workers in system calls keep the observers from running.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), procs))

	if c.Server == nil {
		e.greetings, e.probed = greetings(ctx, &c.Plan)
	}
	e.watch, err = observe.New(observe.Config{
		Namespaces: e.namespaces(),
		Filter:     sockstate.Filter{Servers: e.targets(), Since: time.Now()},
		Census:     c.Census,
		ServerPID:  c.ServerPID,
	})
	if err != nil {
		return err
	}
	e.before = e.read()
	e.load, err = loadgen.New(loadgen.Config{Plan: c.Plan, Namespace: e.clientNS(), Slots: load, Backend: e.backend, CPUs: e.cpus, Unfiltered: e.unfiltered(), StartAt: c.StartAt})
	return err
}

// targets are the addresses that the load connects to, each once.
func (e *experiment) targets() []netip.AddrPort {
	var all []netip.AddrPort
	seen := make(map[netip.AddrPort]bool)
	for i := range e.cfg.Plan.Groups {
		for _, t := range e.cfg.Plan.Groups[i].Targets {
			if !seen[t] {
				seen[t] = true
				all = append(all, t)
			}
		}
	}
	return all
}

func (e *experiment) clientNS() *netns.NS {
	if e.cfg.Sandbox == nil {
		return nil
	}
	return e.cfg.Sandbox.Client
}

func (e *experiment) serverNS() *netns.NS {
	if e.cfg.Sandbox == nil {
		return nil
	}
	return e.cfg.Sandbox.Server
}

// unfiltered reports whether the way to the server has no firewall: the sandbox begins without one, and loses packets by one.
func (e *experiment) unfiltered() bool { return e.cfg.Sandbox != nil && e.cfg.Status.Loss == "" }

// split reports whether client and server have a namespace each.
func (e *experiment) split() bool {
	return e.cfg.Sandbox != nil && e.cfg.Sandbox.Client != e.cfg.Sandbox.Server
}

// namespaces are those to observe: the client's first.
func (e *experiment) namespaces() []*netns.NS {
	if e.split() {
		return []*netns.NS{e.clientNS(), e.serverNS()}
	}
	return []*netns.NS{e.clientNS()}
}

// serve starts the embedded server and points the load at it.
func (e *experiment) serve() error {
	c := &e.cfg
	c.Server.Namespace = e.serverNS()
	var last error
	for _, port := range serverPorts(e.facts) {
		c.Server.Addrs = []netip.AddrPort{netip.AddrPortFrom(e.serverAddr(), port)}
		s, err := server.Start(c.Server.Config)
		if err == nil {
			e.server = s
			for i := range c.Plan.Groups {
				c.Plan.Groups[i].Targets = s.Addrs()
			}
			return nil
		}
		last = err
		if !sockio.IsAddrInUse(err) {
			break
		}
	}
	return fmt.Errorf("start the embedded server: %w", last)
}

func (e *experiment) serverAddr() netip.Addr {
	sb, v6 := e.cfg.Sandbox, e.cfg.Server.V6
	switch {
	case sb != nil && v6:
		return sb.ServerAddr6
	case sb != nil:
		return sb.ServerAddr4
	case v6:
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// serverPorts are ports to try for the embedded server, outside the local port range: inside
// it a client's connection could have taken the port, or would find it missing.
func serverPorts(f *host.Facts) []uint16 {
	lo, hi, _, ok := f.LocalPorts()
	if !ok {
		lo, hi = 32768, 60999
	}
	var ports []uint16
	for _, p := range []int{7777, 7778, 17777, 27777, lo - 1, hi + 1, lo - 2, hi + 2, 80, 443, 777} {
		if p > 0 && p < 1<<16 && (p < lo || p > hi) {
			ports = append(ports, uint16(p))
		}
	}
	return append(ports, 7777)
}

// measure runs the load and watches it.
func (e *experiment) measure(ctx context.Context) error {
	e.sampler = newSampler(e)
	if e.cfg.OnReady != nil {
		e.cfg.OnReady()
	}
	if err := e.load.Start(ctx); err != nil {
		return err
	}
	e.started = time.Now()
	if e.cfg.Plan.Warmup == 0 {
		e.sampler.beginCPU()
	}
	tick := time.NewTicker(e.cfg.Interval)
	defer tick.Stop()
	var failed error
	for over := false; !over; {
		select {
		case <-tick.C:
			e.sampler.interval("")
		case <-e.load.Done():
			over = true
		case failed = <-e.serverFailed():
			over = true
		}
	}
	if failed != nil {
		e.load.Stop()
	}
	result, err := e.load.Wait()
	e.result = result
	e.sampler.interval("")
	e.sampler.endCPU()
	e.settleDown(ctx)
	e.after = e.read()
	if e.server != nil {
		e.ended = e.server.Stats()
	}
	return errors.Join(failed, err)
}

func (e *experiment) serverFailed() <-chan error {
	if e.server == nil {
		return nil
	}
	return e.server.Failed()
}

// close ends what is still open, the load's connections by RST first.
func (e *experiment) close() {
	if e.load != nil {
		_ = e.load.Close() // its error came with Wait
	}
	if e.server != nil {
		_, _ = e.server.Stop() // its ledger was taken when all had settled
	}
	if e.watch != nil {
		_ = e.watch.Close()
	}
}
