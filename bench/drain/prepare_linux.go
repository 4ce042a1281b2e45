package drain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"lastack/bench"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
	"lastack/sockstate/exchange"
	"lastack/sockstate/observe"
)

// prepare finds or starts the server, and opens the observers and the load.
func (t *try) prepare(ctx context.Context) (err error) {
	if t.FewPorts != "" {
		t.seen.warnings.add("%s", t.FewPorts)
	}
	if t.Stop.Ledger != "" {
		if t.ledgerBefore, err = lookAtLedger(t.Stop.Ledger); err != nil {
			return err
		}
	}
	if t.server, err = t.openServer(ctx, t.n); err != nil {
		return err
	}
	plan := t.plan(t.target)
	t.seen.groups = groupsOf(&plan)
	probe := t.probe(ctx, &plan)
	defer probe.End()
	if t.observer, err = observe.New(observe.Config{Filter: *t.filter()}); err != nil {
		return err
	}
	if err := t.greeted(probe); err != nil {
		return err
	}
	t.seen.before = t.observer.Counters()[0]
	t.capture, t.seen.noPackets = capture.Open(capture.Config{Server: t.target})
	t.load, err = loadgen.New(loadgen.Config{Plan: plan, Backend: t.backend, Slots: t.Slots, Journal: true})
	return err
}

// filter selects the load's sockets.
func (x *experiment) filter() *sockstate.Filter {
	return &sockstate.Filter{Servers: []netip.AddrPort{x.target}}
}

// probe opens a connection on which a server that gets requests may speak first. A server is tried once.
func (t *try) probe(ctx context.Context, p *loadgen.Plan) *bench.Probe {
	asked := slices.ContainsFunc(p.Groups, func(g loadgen.Group) bool { return !g.Gated && g.Exchange.Kind != exchange.None })
	if t.n > 0 || !asked {
		return new(bench.Probe)
	}
	return bench.NewProbe(ctx, t.target, netip.Addr{})
}

// greeted refuses a server that speaks before it gets a request.
func (t *try) greeted(p *bench.Probe) error {
	if p.Connected() {
		t.seen.probed = 1
	}
	if said := p.End(); len(said) > 0 {
		return fmt.Errorf("%v speaks before it is asked (it begins %s), so its replies do not show what became of requests: check the port, or have the server read a request before it answers",
			t.target, exchange.Beginning(said))
	}
	return nil
}
