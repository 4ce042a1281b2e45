package drain

import (
	"lastack/bench"
	"lastack/bench/host"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// Setup is a drain as it is carried out: what was asked for, and the choices that nobody made. It is plain data, like Spec.
type Setup struct {
	Spec
	// Engine names the backend of the clients' sockets; EngineReason is why it is not a better one.
	EngineReason string
	// Slots is the number of connections for which the load has room.
	Slots int
	// FewPorts says that TIME_WAITs of the load may use up the local ports, empty if not.
	FewPorts string
}

// Facts are what Resolve has to know of the host.
type Facts struct {
	// Host is read in the host's own namespaces, which alone tell of memory; Inside in the network namespace of the drain.
	Host, Inside *host.Facts
}

// Resolve makes every choice that spec leaves open, and refuses what cannot be carried out: a *sockstate.ValueError.
func Resolve(spec Spec, facts Facts) (Setup, error) {
	s := Setup{Spec: spec}
	if err := spec.Validate(); err != nil {
		return s, err
	}
	plan, _ := spec.plan(spec.Target)
	c := bench.Config{Plan: plan, Engine: spec.Engine, Host: facts.Host}
	var err error
	if c.Backend, c.BackendReason, err = sockio.Choose(spec.Engine); err != nil {
		return s, sockstate.BadValue("engine", spec.Engine, "%v", err)
	}
	if err := bench.Check(c); err != nil {
		return s, spec.Load.asRefused(err)
	}
	if err := c.CheckKept(facts.Inside); err != nil {
		return s, spec.Load.asRefused(err)
	}
	if s.Slots, err = c.LoadSlots(facts.Inside); err != nil {
		return s, spec.Load.asRefused(err)
	}
	s.Engine, s.EngineReason = c.Backend.Name, c.BackendReason
	s.FewPorts = spec.portDoubt(&c, facts.Inside)
	return s, nil
}
