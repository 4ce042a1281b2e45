package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"lastack/bench/cell"
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
	"lastack/sockstate/trace"
)

const (
	// maxSettle bounds the wait until no socket changes state any more.
	maxSettle = 3 * time.Second
	// lossySettle is added to it where packets are lost: after a lost SYN the first retransmission of another segment takes 3 s
	// (TCP_TIMEOUT_FALLBACK, RFC 6298, section 5.7), the second twice that.
	lossySettle = 9 * time.Second
	// maxDelay bounds what a server's delay adds to maxSettle.
	maxDelay = time.Minute
)

// phaseLoad is the phase in which the load runs. By then everything is open that needs a privilege (another namespace, a listener,
// a ring), except what the load itself needs.
const phaseLoad = "load"

// experiment is a running setup.Setup.
type experiment struct {
	setup   *setup.Setup
	sandbox *sandbox.Sandbox // nil: this process's namespace
	// clientNS and serverNS are the namespaces of both ends; nil: this process's.
	clientNS, serverNS *netns.NS
	status             record.Sandbox
	emit               func(record.Event)

	plan    loadgen.Plan   // with the address of the embedded server
	facts   *host.Facts    // the client's namespace is this process's
	backend sockio.Backend // of both ends
	watch   *observe.Observer
	traced  *trace.Result // nil: no trace
	flusher *flusher      // nil: TIME_WAITs stay
	tracker *tracker      // nil: no router

	server *server.Server
	load   *loadgen.Generator

	sampler *sampler
	before  reading
	after   reading
	ended   server.Stats // the server's ledger after settling
	result  *loadgen.Result

	probes    []*Probe          // open while the load is prepared
	greetings map[string]string // what targets sent unasked, by target
	probed    int               // connections made to find that out
	settle    *record.Settle
	started   time.Time
}

// Run runs a setup in env. It emits, on its own goroutine, the run's needs, its phase when the load begins, and each interval when it
// ends. A *sockstate.ValueError says which value cannot
// be used. When ctx is cancelled the load stops, and Run returns what was measured until then. Run may return a record together
// with an error: what could be saved of a run that failed.
func Run(ctx context.Context, s setup.Setup, env cell.Env) (*record.Run, error) {
	e := &experiment{setup: &s, sandbox: env.Sandbox, status: env.Status, emit: env.Emit, plan: s.Plan}
	if e.sandbox != nil {
		e.clientNS, e.serverNS = e.sandbox.Client, e.sandbox.Server
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
		if err := e.clientNS.Do(s.CheckSources); err != nil {
			return err
		}
	}
	if err := host.CheckThreads(int64(s.Threads)); err != nil {
		return err
	}
	// With fewer, workers in system calls would keep the observers from running.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), s.Threads))
	e.emit(record.Event{Needs: &s.Needs})

	if s.Server != nil {
		if err := e.serve(); err != nil {
			return err
		}
	} else {
		e.probes = probe(ctx, &e.plan)
	}
	e.watch, err = observe.New(observe.Config{
		Namespaces: e.namespaces(),
		Filter:     sockstate.Filter{Servers: e.targets(), Since: time.Now(), Reuse: e.reuse()},
		Census:     s.Census,
		Sockets:    s.Sockets,
		Pairs:      e.plannedPairs(),
		ServerPID:  s.ServerPID,
	})
	if err != nil {
		return err
	}
	if s.Flush {
		if err := errors.Join(e.openFlusher(), ctx.Err()); err != nil {
			return err
		}
		if err := e.flusher.before(); err != nil {
			return err
		}
	}
	if err := e.openTracker(); err != nil {
		return err
	}
	e.endProbes()
	if t := e.tracer(); t != nil { // no earlier: it would see the ends of the probes, and not their beginnings
		if err := e.watch.StartTrace(t, e.namespaces(), s.Trace == setup.TraceOn); err != nil {
			return err
		}
	}
	e.before = e.read()
	e.load, err = loadgen.New(loadgen.Config{Plan: e.plan, Namespace: e.clientNS, Slots: s.Slots, Backend: e.backend, CPUs: s.CPUs, Unfiltered: e.unfiltered(), StartAt: s.StartAt})
	return err
}

// targets lists the addresses that the load connects to, without duplicates.
func (e *experiment) targets() []netip.AddrPort {
	var all []netip.AddrPort
	for i := range e.plan.Groups {
		for _, t := range e.plan.Groups[i].Targets {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// unfiltered reports whether there is no firewall between client and server: a sandbox has one only for packet loss.
func (e *experiment) unfiltered() bool { return e.sandbox != nil && e.status.Loss == "" }

// split reports whether client and server have separate namespaces.
func (e *experiment) split() bool { return e.clientNS != e.serverNS }

// namespaces lists the namespaces to observe, the client's first.
func (e *experiment) namespaces() []*netns.NS {
	if e.split() {
		return []*netns.NS{e.clientNS, e.serverNS}
	}
	return []*netns.NS{e.clientNS}
}

// serve starts the embedded server and points the load at it.
func (e *experiment) serve() error {
	addr, err := e.serverAddr()
	if err != nil {
		return err
	}
	c := *e.setup.Server
	c.Namespace, c.Backend = e.serverNS, e.backend
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
		if !server.IsTaken(err) {
			break
		}
	}
	return fmt.Errorf("start the embedded server: %w", err)
}

func (e *experiment) serverAddr() (netip.Addr, error) {
	sb, v6 := e.sandbox, e.setup.V6
	switch {
	case sb != nil && v6 && !sb.ServerAddr6.IsValid():
		return netip.Addr{}, sockstate.BadValue("ipv6", "", "the sandbox has no IPv6, because this kernel has none or it is disabled: leave the flag out")
	case sb != nil && v6:
		return sb.ServerAddr6, nil
	case sb != nil:
		return sb.ServerAddr4, nil
	case v6:
		return netip.IPv6Loopback(), nil
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
}

func (e *experiment) measure(ctx context.Context) error {
	e.sampler = newSampler(e)
	e.emit(record.Event{Phase: &record.Phase{Text: phaseLoad}})
	if err := e.load.Start(ctx); err != nil {
		return err
	}
	e.started = time.Now()
	if at := e.setup.StartAt; !at.IsZero() {
		e.started = e.started.Add(at.Sub(e.started)) // keeps the monotonic reading
	}
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
	// Only now has the server answered the last FINs.
	if err := e.tracker.finish(); err != nil {
		e.sampler.warn("tracking: " + err.Error())
	}
	e.after = e.read()
	e.stopTrace()
	if e.server != nil {
		e.ended = e.server.Stats()
	}
	if e.flusher != nil {
		if w := e.flusher.after(); w != "" {
			e.sampler.warn(w)
		}
	}
	return errors.Join(failed, err)
}

func (e *experiment) serverFailed() <-chan error {
	if e.server == nil {
		return nil
	}
	return e.server.Failed()
}

// close closes everything that is still open, first the load's connections, by RST.
func (e *experiment) close() {
	endAll(e.probes)
	if e.load != nil {
		_ = e.load.Close() // Wait returned its error
	}
	if e.server != nil {
		_, _ = e.server.Stop() // its ledger was read after settling
	}
	if e.watch != nil {
		_ = e.watch.Close()
	}
	if e.flusher != nil {
		e.flusher.close()
	}
	if e.tracker != nil {
		e.tracker.source.Close()
	}
}
