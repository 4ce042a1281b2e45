package loadgen

import (
	"fmt"
	"strconv"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// The bounds of a plan.
const (
	MaxConnections = 100_000_000
	MaxRate        = 100_000_000
	MaxTime        = 30 * 24 * time.Hour
	MaxWorkers     = 1024
	maxGroups      = 64
	maxRequests    = 1 << 30
)

// Validate checks the whole plan and returns a *sockstate.ValueError for the first thing wrong.
func (p *Plan) Validate() error {
	if err := checkTimes([]fieldTime{{"duration", p.Duration, 0}, {"warmup", p.Warmup, 0}, {"ramp", p.Ramp, 0}}); err != nil {
		return err
	}
	switch {
	case len(p.Groups) == 0 || len(p.Groups) > maxGroups:
		return sockstate.BadValue("groups", len(p.Groups), "want 1 to %d", maxGroups)
	case p.Count < 0:
		return sockstate.BadValue("count", p.Count, "want a number of lifecycles above 0")
	case p.Workers < 0 || p.Workers > MaxWorkers:
		return sockstate.BadValue("workers", p.Workers, "want 0 (automatic) to %d", MaxWorkers)
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		if err := g.validate(); err != nil {
			return err
		}
		switch {
		case g.Plateau > 0 && p.Warmup > 0:
			return sockstate.BadValue("warmup", p.Warmup, "not with --plateau, which opens each connection once")
		case p.Duration == 0 && p.Count == 0 && g.Plateau == 0:
			return sockstate.BadValue("duration", "0s", "want a duration above 0, or a --count")
		case p.Ramp > p.Duration+p.Warmup && p.Duration > 0:
			return sockstate.BadValue("ramp", p.Ramp, "want at most the warm-up and the duration, %v", p.Warmup+p.Duration)
		case p.Ramp > 0 && g.Plateau > 0 && g.OpenLoop():
			return sockstate.BadValue("ramp", p.Ramp, "not with a --rate under --plateau: the connections open at that rate")
		case p.Ramp > 0 && g.RateFrom != g.RateTo:
			return sockstate.BadValue("ramp", p.Ramp, "not with a --rate that changes: LO..HI is a ramp already")
		case p.Duration == 0 && g.RateFrom != g.RateTo:
			return sockstate.BadValue("rate", g.rate(), "LO..HI needs a --duration to change over")
		}
	}
	return nil
}

// fieldTime is a time of a plan, and the shortest that it may be.
type fieldTime struct {
	field    string
	d, least time.Duration
}

func checkTimes(times []fieldTime) error {
	for _, t := range times {
		switch {
		case t.d >= t.least && t.d <= MaxTime:
		case t.least > 0:
			return sockstate.BadValue(t.field, t.d, "want a duration above 0 and up to %v", MaxTime)
		default:
			return sockstate.BadValue(t.field, t.d, "want a duration from 0s to %v", MaxTime)
		}
	}
	return nil
}

func (g *Group) rate() string {
	if g.RateFrom == g.RateTo {
		return fmt.Sprint(g.RateFrom)
	}
	return fmt.Sprintf("%v..%v", g.RateFrom, g.RateTo)
}

func (g *Group) validate() error {
	if len(g.Targets) == 0 {
		return sockstate.BadValue("target", `""`, "want at least one address")
	}
	for _, t := range g.Targets {
		if !t.IsValid() || t.Port() == 0 || t.Addr().IsUnspecified() || t.Addr().IsMulticast() {
			return sockstate.BadValue("target", t, "want an address and a port that can be connected to")
		}
	}
	times := []fieldTime{
		{"hold", g.Hold, 0},
		{"plateau", g.Plateau, 0},
		{"think", g.Think, 0},
		{"connect-timeout", g.ConnectTimeout, 1},
		{"request-timeout", g.RequestTimeout, 1},
		{"close-timeout", g.CloseTimeout, 1},
	}
	if err := checkTimes(times); err != nil {
		return err
	}
	switch {
	case g.Connections < 0 || g.Connections > MaxConnections:
		return sockstate.BadValue("connections", g.Connections, "want 1 to %d", MaxConnections)
	case g.Connections == 0 && !g.OpenLoop():
		return sockstate.BadValue("connections", "0", "want at least 1 in closed loop, or a --rate")
	case !(g.RateFrom >= 0 && g.RateFrom <= MaxRate && g.RateTo >= 0 && g.RateTo <= MaxRate):
		return sockstate.BadValue("rate", g.rate(), "want 0 (closed loop) to %d connections/s", MaxRate)
	case g.OpenLoop() && g.RateFrom+g.RateTo < 1e-3:
		return sockstate.BadValue("rate", g.rate(), "want at least 0.001 connections/s")
	case g.Poisson && !g.OpenLoop():
		return sockstate.BadValue("poisson", "", "needs a --rate: in closed loop nothing arrives by itself")
	case g.Poisson && g.Plateau > 0:
		return sockstate.BadValue("poisson", "", "not with --plateau, whose connections open evenly")
	case !(g.CloseRate >= 0 && g.CloseRate <= MaxRate):
		return sockstate.BadValue("close-rate", g.CloseRate, "want 0 (as fast as possible) to %d connections/s", MaxRate)
	case g.CloseRate > 0 && g.Plateau == 0:
		return sockstate.BadValue("close-rate", g.CloseRate, "only with a --plateau, whose end it paces")
	case g.Requests < 0 || g.Requests > maxRequests:
		return sockstate.BadValue("requests", g.Requests, "want 1 to %d", maxRequests)
	case g.Requests > 1 && g.Exchange.Kind == exchange.None:
		return sockstate.BadValue("requests", g.Requests, "needs an --exchange of echo or http")
	case g.Think > 0 && g.Exchanges() < 2 && g.Keep != KeepAsking:
		return sockstate.BadValue("think", g.Think, "needs --requests of 2 or more")
	case len(g.Headers) > 0 && g.Exchange.Kind != exchange.HTTP:
		return sockstate.BadValue("header", strconv.Quote(exchange.HeaderName(g.Headers[0])), "needs an --exchange of http")
	case g.Close.NeedsExchange() && g.Exchange.Kind == exchange.None:
		return sockstate.BadValue("close", g.Close, "needs an --exchange of echo or http: without data nothing is left unread")
	}
	if err := exchange.CheckHeaders(g.Headers); err != nil {
		return err
	}
	if err := g.validatePlateau(); err != nil {
		return err
	}
	if err := g.validateKeep(); err != nil {
		return err
	}
	return g.validateSources()
}

func (g *Group) validatePlateau() error {
	switch {
	case g.Plateau == 0:
	case g.Connections == 0:
		return sockstate.BadValue("plateau", g.Plateau, "needs --connections, the number to open")
	case g.Close.Who != teardown.ClientFirst && g.Close.Who != teardown.Nobody:
		return sockstate.BadValue("plateau", g.Plateau, "needs a close policy of client:* or never, not %s: its end is timed by the client", g.Close)
	case g.Hold > 0:
		return sockstate.BadValue("plateau", g.Plateau, "not with --hold: the plateau is the hold")
	case g.OpenLoop() && g.RateFrom != g.RateTo:
		return sockstate.BadValue("rate", g.rate(), "with a --plateau the connections open at one rate")
	}
	return nil
}

func (g *Group) validateSources() error {
	for _, a := range g.Sources {
		if !a.IsValid() || a.IsMulticast() || a.IsUnspecified() {
			return sockstate.BadValue("source", a, "want a unicast address of this host")
		}
		for _, t := range g.Targets {
			if a.Unmap().Is4() != t.Addr().Unmap().Is4() {
				return sockstate.BadValue("source", a, "is not of the target's address family (%v)", t)
			}
		}
	}
	return nil
}
