package drain

import (
	"net/netip"
	"time"

	"lastack/loadgen"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// closeTimeout is how long a client waits for the server to close a connection, as it has announced.
const closeTimeout = 5 * time.Second

// plan makes the groups of a load on a target.
func (c *Spec) plan(target netip.AddrPort) loadgen.Plan {
	l := &c.Load
	p := loadgen.Plan{Duration: loadgen.MaxTime, Workers: c.Workers}
	add := func(name string, clients int, set func(g *loadgen.Group)) {
		g := loadgen.Group{
			Name: name, Targets: []netip.AddrPort{target}, Connections: clients,
			Close: teardown.Policy{Who: teardown.ClientFirst, How: teardown.FIN}, Exchange: l.Exchange,
			Host: l.Host, Headers: l.Headers,
			ConnectTimeout: l.ConnectTimeout, RequestTimeout: l.RequestTimeout, CloseTimeout: closeTimeout,
		}
		set(&g)
		p.Groups = append(p.Groups, g)
	}
	if l.Idle > 0 {
		add(groupIdle, l.Idle, func(g *loadgen.Group) { g.Keep, g.Reconnect = loadgen.KeepIdle, l.Reconnect })
	}
	if l.InFlight > 0 {
		add(groupInFlight, l.InFlight, func(g *loadgen.Group) {
			g.Keep, g.Reconnect, g.Think = loadgen.KeepAsking, l.Reconnect, l.Think
			if l.InFlightExchange.Kind != exchange.None {
				g.Exchange = l.InFlightExchange
			}
		})
	}
	if l.Partial > 0 {
		add(groupPartial, l.Partial, func(g *loadgen.Group) { g.Keep = loadgen.KeepPartial })
	}
	if l.Arrivals > 0 {
		add(groupArrivals, 0, func(g *loadgen.Group) { g.RateFrom, g.RateTo = l.Arrivals, l.Arrivals })
	}
	if l.Queued > 0 {
		add(groupQueued, l.Queued, func(g *loadgen.Group) { g.Keep, g.Gated = loadgen.KeepIdle, true })
	}
	return p
}

// groupsOf says what each group of a plan is for.
func groupsOf(p *loadgen.Plan) (gs groups) {
	for i := range p.Groups {
		g := &p.Groups[i]
		gs = append(gs, group{name: g.Name, keep: g.Keep, asked: g.Connections, bytes: requestBytes(g)})
	}
	return gs
}

// requestBytes is the length of a request.
func requestBytes(g *loadgen.Group) int {
	if g.Exchange.Kind == exchange.HTTP {
		host := g.Host
		if host == "" {
			host = g.Targets[0].String()
		}
		return len(exchange.AppendRequest(nil, host, g.Exchange.Path, g.Headers, false))
	}
	return g.Exchange.Request
}
