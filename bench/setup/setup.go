// Package setup turns what the user asked for into what runs. Resolve makes every choice that the user left open, and refuses what
// cannot run, before a socket opens:
//
//	Spec (asked for) ---+
//	                    +-- Resolve --> Setup (what runs) --> bench.Run, drain.Run
//	Facts (of the host) +
//
// Resolve is a pure function of its arguments. A Setup never changes. Only the run itself can find out what the inside of a sandbox
// allows, like a sysctl that the kernel refuses.
package setup

import (
	"fmt"
	"slices"
	"strings"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/server"
)

// Setup is what runs: nothing is left to choose. It is plain data, like Spec.
type Setup struct {
	// Plan is complete, except that it has no targets if the server is embedded.
	Plan loadgen.Plan `json:"plan"`
	// Slots is how many connections the load may have open.
	Slots int `json:"slots"`
	// Server is the embedded server, nil if there is none. It takes the first of ServerPorts that is free.
	Server      *server.Config `json:"server,omitempty"`
	ServerPorts []uint16       `json:"server_ports,omitempty"`
	V6          bool           `json:"v6,omitempty"` // the server listens on IPv6

	// Sandbox is the sandbox to make. If it is nil, the run uses this process's namespace.
	Sandbox *sandbox.Spec `json:"sandbox,omitempty"`
	// NeedsSandbox is the flag that requires the sandbox. If it is empty, the host's namespace is a fallback.
	NeedsSandbox string `json:"needs_sandbox,omitempty"`

	// Engine drives the sockets of both ends. EngineReason says why it is not io_uring.
	Engine       string `json:"engine"`
	EngineReason string `json:"engine_reason,omitempty"`
	// CPUs lists the CPUs that the workers of each side are pinned to; empty: not pinned.
	CPUs []int `json:"cpus,omitempty"`
	// Threads is the least GOMAXPROCS.
	Threads int `json:"threads"`

	Common

	// Needs estimates what the run needs.
	Needs record.Needs `json:"needs"`
	// Sockets is about how many sockets the load will have on this host at once, TIME_WAIT included.
	Sockets int64 `json:"sockets,omitempty"`
	// Warnings lists the warnings that are known before the run.
	Warnings []string `json:"warnings,omitempty"`
	// Record is the plan for the record, except for what is known only after the run.
	Record record.Plan `json:"record"`
	// Host holds the facts read outside of the sandbox. Inside, memory cannot be read.
	Host host.Facts `json:"host"`
}

// resolver is a Setup that Resolve is working on.
type resolver struct {
	Setup
	spec  *Spec
	facts *Facts
	// inside holds the facts in the client's network namespace.
	inside *host.Facts
	// chosen is how many source addresses lastack chose itself.
	chosen int
}

// Resolve makes a Setup. It returns a *sockstate.ValueError if the spec asks for something that cannot run.
func Resolve(spec Spec, facts Facts) (Setup, error) {
	r := newResolver(&spec, &facts)
	for _, step := range []func() error{
		r.checkTargets,
		r.checkGiven,
		r.complete,
		r.embed,
		r.enclose,
		r.validate,
		r.chooseEngine,
		r.divide,
		r.spread,
		r.estimateNeeds,
		r.preflight,
		r.checkPorts,
		r.checkSources,
	} {
		if err := step(); err != nil {
			return Setup{}, err
		}
	}
	r.shareCPUs()
	r.Threads = r.Plan.Workers + 2
	if r.Server != nil {
		r.Threads += r.Server.Workers
	}
	if w := r.bufferWarning(); w != "" {
		r.Warnings = append(r.Warnings, w)
	}
	return r.Setup, r.describe()
}

func newResolver(spec *Spec, facts *Facts) *resolver {
	r := &resolver{spec: spec, facts: facts, inside: &facts.Host, Setup: Setup{Plan: spec.Plan, Common: spec.Common, Host: facts.Host}}
	r.Plan.Groups = slices.Clone(spec.Plan.Groups)
	return r
}

// describe sets the plan for the record.
func (r *resolver) describe() (err error) {
	if r.Record, err = recordPlan(&r.Plan); err != nil {
		return err
	}
	p := &r.Record
	p.Engine, p.EngineReason, p.CPUs, p.Command, p.Resolved = r.Engine, r.EngineReason, r.CPUs, r.spec.Command, r.spec.Resolved
	if r.Server != nil {
		p.ServerWorkers = r.Server.Workers
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		// As typed, since a prefix may stand for thousands of addresses.
		switch sources := r.Plan.Groups[i].Sources; {
		case len(sources) > 0 && r.chosen > 0:
			g.Sources, g.SourcesChosen = []string{fmt.Sprintf("%v-%v", sources[0], sources[len(sources)-1])}, r.chosen
		case len(sources) > 0 && r.spec.Sources != "":
			g.Sources = strings.Split(r.spec.Sources, ",")
		}
	}
	return nil
}
