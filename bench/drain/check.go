package drain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
)

// The bounds of a drain.
const (
	MaxTries = 1000
	// minRate is the slowest that arrivals may be, in connections/s.
	minRate = 1e-3
)

// Validate finds the first error that a drain would have on any host: a *sockstate.ValueError.
func (c *Spec) Validate() error {
	if err := c.Load.validate(); err != nil {
		return err
	}
	if err := c.validateStop(); err != nil {
		return err
	}
	for _, t := range []struct {
		flag string
		d    time.Duration
		min  time.Duration
	}{
		{"after", c.Stop.After, 0},
		{"grace", c.Stop.Grace, 0},
		{"watch", c.Stop.Watch, 0},
		{"think", c.Load.Think, 0},
		{"reconnect", c.Load.Reconnect, 0},
		{"connect-timeout", c.Load.ConnectTimeout, 1},
		{"request-timeout", c.Load.RequestTimeout, 1},
	} {
		switch {
		case t.d >= t.min && t.d <= loadgen.MaxTime:
		case t.min > 0:
			return sockstate.BadValue(t.flag, t.d, "want a duration above 0 and up to %v", loadgen.MaxTime)
		default:
			return sockstate.BadValue(t.flag, t.d, "want a duration from 0s to %v", loadgen.MaxTime)
		}
	}
	plan := c.plan(c.Target)
	return c.Load.asRefused(plan.Validate())
}

// groups lists the flags that ask for connections, with their values, and says which are defaults.
func (l *Load) groups() string {
	var parts []string
	add := func(flag string, value any) {
		part := fmt.Sprintf("--%s %v", flag, value)
		if slices.Contains(l.Defaults, flag) {
			part += " (the default)"
		}
		parts = append(parts, part)
	}
	for _, g := range l.kept() {
		if g.n > 0 {
			add(g.flag, g.n)
		}
	}
	if l.Arrivals > 0 {
		add("arrivals", l.Arrivals)
	}
	return strings.Join(parts, ", ")
}

// size is a flag for the number of clients that keep a connection.
type size struct {
	flag string
	n    int
}

func (l *Load) kept() []size {
	return []size{{"idle", l.Idle}, {"in-flight", l.InFlight}, {"partial", l.Partial}, {"queued", l.Queued}}
}

func (l *Load) validate() error {
	clients := 0
	for _, g := range l.kept() {
		if g.n < 0 || g.n > loadgen.MaxConnections {
			return sockstate.BadValue(g.flag, g.n, "want 0 (none) to %d", loadgen.MaxConnections)
		}
		clients += g.n
	}
	switch r := l.Arrivals; {
	case r != 0 && !(r >= minRate && r <= loadgen.MaxRate):
		return sockstate.BadValue("arrivals", r, "want 0 (none), or %v to %d connections/s", minRate, loadgen.MaxRate)
	case clients == 0 && r == 0:
		return sockstate.BadValue("idle", "0 --in-flight 0 --partial 0 --queued 0 --arrivals 0", "there is no client left to ask: want one of them above 0")
	case l.Exchange.Kind == exchange.None:
		return sockstate.BadValue("exchange", "none", "without a request none can be lost: want echo:REQ,RESP or http:/path")
	case l.InFlightExchange.Kind != exchange.None && l.InFlightExchange.Kind != l.Exchange.Kind:
		return sockstate.BadValue("in-flight-exchange", l.InFlightExchange, "the server speaks one protocol: want one of the kind of --exchange %v", l.Exchange)
	}
	return nil
}

func (c *Spec) validateStop() error {
	s := &c.Stop
	ways := 0
	for _, given := range []bool{s.PID != 0, len(s.Exec) > 0, s.Hook != ""} {
		if given {
			ways++
		}
	}
	restarts := len(s.Restart) > 0
	switch n := fmt.Sprint(c.Repeat); {
	case ways != 1 && !(ways == 2 && s.PID == 0):
		return sockstate.BadValue("pid", s.PID, "want exactly one of --pid, --exec and --stop, or --stop with --exec, to say how the server is stopped")
	case len(c.Also) > 0 && len(s.Exec) == 0:
		return sockstate.BadValue("also", strings.Join(c.Also[0], " "), "runs beside a server that lastack starts: want --exec")
	case c.Load.Queued > 0 && s.Hook != "":
		return sockstate.BadValue("queued", c.Load.Queued, "not producible with --stop: the queue fills while the server is halted (SIGSTOP), and it goes on when the signal has been sent, not when a command begins: want --pid or --exec without --stop")
	case s.Handover && !restarts:
		return sockstate.BadValue("handover", "", "needs a second --exec, or a --restart, to hand over to")
	case c.Repeat < 0 || c.Repeat > MaxTries:
		return sockstate.BadValue("repeat", n, "want 1 to %d", MaxTries)
	case c.Repeat > 1 && !restarts && len(s.Exec) == 0:
		return sockstate.BadValue("repeat", n, "the server is gone after the first: want --exec, or a --restart that brings it back")
	case c.Repeat > 1 && s.PID != 0 && s.Handover:
		return sockstate.BadValue("repeat", n, "with --handover want --exec: each try needs a server that has the port to itself")
	}
	return nil
}

// asRefused puts the flags of drain into an error about the load.
func (l *Load) asRefused(err error) error {
	e, ok := errors.AsType[*sockstate.ValueError](err)
	switch {
	case !ok:
		return err
	case e.Name == "connections":
		// It is the sum of all groups, which is no flag's value.
		return sockstate.BadValue("", e.Value+" connections ("+l.groups()+")", "%s", e.Want)
	case e.Name == "rate":
		return sockstate.BadValue("arrivals", e.Value, "%s", e.Want)
	}
	return e
}
