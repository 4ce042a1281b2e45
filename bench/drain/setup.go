package drain

import (
	"cmp"

	"lastack/bench/record"
	"lastack/bench/setup"
)

// Setup is a Spec with everything decided, and what Resolve chose. It is plain data.
type Setup struct {
	Spec
	// Engine is the name of the backend; EngineReason says why it is not a better one.
	EngineReason string
	// Slots is the number of connections that the load can have open.
	Slots int
	// FewPorts warns that TIME_WAITs of the load may use up the local ports; empty if they cannot.
	FewPorts string
	// Record is the plan for the record, without what is known only at the end.
	Record record.Plan
}

// Read reads what Resolve needs to know about the host. The error is a *sockstate.ValueError if this host refuses the path of the ledger.
func Read(spec Spec) (setup.Facts, error) {
	if spec.Stop.Ledger != "" {
		if _, err := lookAtLedger(spec.Stop.Ledger); err != nil {
			return setup.Facts{}, err
		}
	}
	load := spec.load()
	return setup.Read(&load)
}

// Resolve makes every choice that spec leaves open, and refuses a drain that cannot be done. The error is a *sockstate.ValueError.
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
	plan := c.plan(c.Target)
	plan.Workers = cmp.Or(plan.Workers, 1)
	return setup.Spec{Plan: plan, Names: []string{c.Load.Host}, AllowPublic: c.AllowPublic, Engine: c.Engine, Sandbox: c.Sandbox, Command: c.Command}
}
