package drain

import (
	"cmp"

	"lastack/bench/record"
	"lastack/bench/setup"
)

// Setup is a drain as it is carried out: a Spec in which nothing is left open, and what Resolve chose. It is plain data.
type Setup struct {
	Spec
	// Engine names the backend of the clients' sockets; EngineReason is why it is not a better one.
	EngineReason string
	// Slots is the number of connections for which the load has room.
	Slots int
	// FewPorts says that TIME_WAITs of the load may use up the local ports, empty if not.
	FewPorts string
	// Record is the plan as the record shows it, but for what is known when the drain is over.
	Record record.Plan
}

// Read reads what Resolve has to know of the host. A *sockstate.ValueError says that this host refuses the path of the ledger.
func Read(spec Spec) (setup.Facts, error) {
	if spec.Stop.Ledger != "" {
		if _, err := lookAtLedger(spec.Stop.Ledger); err != nil {
			return setup.Facts{}, err
		}
	}
	load := spec.load()
	return setup.Read(&load)
}

// Resolve makes every choice that spec leaves open, and refuses what cannot be carried out: a *sockstate.ValueError.
func Resolve(spec Spec, facts setup.Facts) (Setup, error) {
	s := Setup{Spec: spec}
	if err := spec.Validate(); err != nil {
		return s, err
	}
	load, err := setup.Resolve(spec.load(), facts)
	if err != nil {
		return s, spec.Load.asRefused(err)
	}
	s.Engine, s.EngineReason, s.Slots, s.Record = load.Engine, load.EngineReason, load.Slots, load.Record
	s.Stop.Then = spec.Stop.then()
	s.FewPorts = spec.portDoubt(load.Needs.PortsEach, facts.Inside(spec.Sandbox))
	return s, nil
}

// load is the load of the clients.
func (c *Spec) load() setup.Spec {
	plan, _ := c.plan(c.Target)
	plan.Workers = cmp.Or(plan.Workers, 1)
	return setup.Spec{Plan: plan, Names: []string{c.Load.Host}, AllowPublic: c.AllowPublic, Engine: c.Engine, Sandbox: c.Sandbox, Command: c.Command}
}
