package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/observe"
	"lastack/sockstate/sockio"
)

const (
	// settleAtMost bounds the wait for what is on its way to a state where it stays.
	settleAtMost = 3 * time.Second
	// lateAtMost bounds what a server's delay adds to that.
	lateAtMost = time.Minute
)

// phaseLoad is the phase in which the load runs: all is open then, and what needs a privilege (another namespace, a listener, a ring)
// has been done, but for what the load itself does.
const phaseLoad = "load"

// experiment is a setup.Setup being carried out.
type experiment struct {
	setup   *setup.Setup
	sandbox *sandbox.Sandbox // nil: this process's namespace
	status  record.Sandbox
	emit    func(record.Event)

	plan  loadgen.Plan // with the address of the embedded server
	facts *host.Facts  // the client's namespace is this process's
	// backend drives the sockets of both ends.
	backend sockio.Backend
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

// Run carries out a setup in the sandbox that was made for it, in, or in the network namespace of this process where in is nil. emit is
// called on the goroutine of Run with what the run needs, with its phase once the load begins, and with each interval as it ends. A
// *sockstate.ValueError says what cannot be done as asked. When ctx is cancelled the load stops, and what was
// measured until then is returned. A record may come together with an error: what could be
// saved of an experiment that broke.
func Run(ctx context.Context, s setup.Setup, in *sandbox.Sandbox, emit func(record.Event)) (*record.Run, error) {
	e := &experiment{setup: &s, sandbox: in, emit: emit, plan: s.Plan, status: record.Sandbox{Mode: string(sandbox.Off), Reason: s.NoSandbox}}
	if in != nil {
		e.status = in.Status
	}
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

// prepare opens the server, the observers and the load.
func (e *experiment) prepare(ctx context.Context) (err error) {
	s := e.setup
	if e.facts, err = host.Read(); err != nil {
		return err
	}
	if e.backend, err = sockio.Named(s.Engine); err != nil {
		return err
	}
	if e.sandbox != nil {
		if err := e.clientNS().Do(s.CheckSources); err != nil {
			return err
		}
	}
	if err := host.CheckThreads(int64(s.Threads)); err != nil {
		return err
	}
	// With fewer, workers in system calls keep the observers from running.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), s.Threads))
	e.emit(record.Event{Needs: &s.Needs})

	if s.Server != nil {
		if err := e.serve(); err != nil {
			return err
		}
	} else {
		e.greetings, e.probed = greetings(ctx, &e.plan)
	}
	e.watch, err = observe.New(observe.Config{
		Namespaces: e.namespaces(),
		Filter:     sockstate.Filter{Servers: e.targets(), Since: time.Now()},
		Census:     s.Census,
		ServerPID:  s.ServerPID,
	})
	if err != nil {
		return err
	}
	e.before = e.read()
	e.load, err = loadgen.New(loadgen.Config{Plan: e.plan, Namespace: e.clientNS(), Slots: s.Slots, Backend: e.backend, CPUs: s.CPUs, Unfiltered: e.unfiltered(), StartAt: s.StartAt})
	return err
}

// targets are the addresses that the load connects to, each once.
func (e *experiment) targets() []netip.AddrPort {
	var all []netip.AddrPort
	seen := make(map[netip.AddrPort]bool)
	for i := range e.plan.Groups {
		for _, t := range e.plan.Groups[i].Targets {
			if !seen[t] {
				seen[t] = true
				all = append(all, t)
			}
		}
	}
	return all
}

func (e *experiment) clientNS() *netns.NS {
	if e.sandbox == nil {
		return nil
	}
	return e.sandbox.Client
}

func (e *experiment) serverNS() *netns.NS {
	if e.sandbox == nil {
		return nil
	}
	return e.sandbox.Server
}

// unfiltered reports whether the way to the server has no firewall: the sandbox begins without one, and loses packets by one.
func (e *experiment) unfiltered() bool { return e.sandbox != nil && e.status.Loss == "" }

// split reports whether client and server have a namespace each.
func (e *experiment) split() bool {
	return e.sandbox != nil && e.sandbox.Client != e.sandbox.Server
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
	addr, err := e.serverAddr()
	if err != nil {
		return err
	}
	c := *e.setup.Server
	c.Namespace, c.Backend = e.serverNS(), e.backend
	for _, port := range e.setup.ServerPorts {
		c.Addrs = []netip.AddrPort{netip.AddrPortFrom(addr, port)}
		if e.server, err = server.Start(c); err == nil {
			e.plan.Groups = slices.Clone(e.plan.Groups)
			for i := range e.plan.Groups {
				e.plan.Groups[i].Targets = e.server.Addrs()
			}
			return nil
		}
		e.server = nil
		if !sockio.IsAddrInUse(err) {
			break
		}
	}
	return fmt.Errorf("start the embedded server: %w", err)
}

func (e *experiment) serverAddr() (netip.Addr, error) {
	sb, v6 := e.sandbox, e.setup.V6
	switch {
	case sb != nil && v6 && !sb.ServerAddr6.IsValid():
		return netip.Addr{}, sockstate.BadValue("ipv6", "", "the sandbox has no IPv6, as this kernel has none, or it is switched off: leave the flag out")
	case sb != nil && v6:
		return sb.ServerAddr6, nil
	case sb != nil:
		return sb.ServerAddr4, nil
	case v6:
		return netip.IPv6Loopback(), nil
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
}

// measure runs the load and watches it.
func (e *experiment) measure(ctx context.Context) error {
	e.sampler = newSampler(e)
	e.emit(record.Event{Phase: &record.Phase{Text: phaseLoad}})
	if err := e.load.Start(ctx); err != nil {
		return err
	}
	e.started = time.Now()
	if e.plan.Warmup == 0 {
		e.sampler.beginCPU()
	}
	tick := time.NewTicker(e.setup.Interval)
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
