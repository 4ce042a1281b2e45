// Package setup turns what a person asked for into what runs. Resolve makes every choice that the person did not make, and refuses what
// cannot be carried out, before a socket opens:
//
//	Spec (asked for) ---+
//	                    +-- Resolve --> Setup (what runs) --> bench.Run, drain.Run
//	Facts (of the host) +
//
// Resolve is pure: Read reads the facts, and a test writes them down. A Setup does not change any more. What only the inside of a sandbox
// can tell, like a kernel that refuses a sysctl, is for whoever carries it out.
package setup

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/server"
)

// Setup is a run as it is carried out: nothing is left to choose. It is plain data, like Spec.
type Setup struct {
	// Plan is complete but for the targets, where the server is embedded: those are where it listens.
	Plan loadgen.Plan `json:"plan"`
	// Slots is how many connections the load may have open.
	Slots int `json:"slots"`
	// Server is the embedded server, nil if there is none. It has no address yet: it takes the first of ServerPorts that is free.
	Server      *server.Config `json:"server,omitempty"`
	ServerPorts []uint16       `json:"server_ports,omitempty"`
	V6          bool           `json:"v6,omitempty"` // the server listens on IPv6

	// Sandbox is what to make for the run; nil: it takes place in the namespace of this process, for the reason NoSandbox.
	Sandbox   *sandbox.Spec `json:"sandbox,omitempty"`
	NoSandbox string        `json:"no_sandbox,omitempty"`
	// NeedsSandbox is the flag without which the host's namespace would do; empty: it would.
	NeedsSandbox string `json:"needs_sandbox,omitempty"`

	// Engine drives the sockets of both ends; EngineReason is why it is not a better one.
	Engine       string `json:"engine"`
	EngineReason string `json:"engine_reason,omitempty"`
	// CPUs are those of the workers of each side; empty: the scheduler's choice.
	CPUs []int `json:"cpus,omitempty"`
	// Threads is how many run at once: GOMAXPROCS is no less.
	Threads int `json:"threads"`

	StartAt   time.Time     `json:"start_at,omitzero"`
	Census    string        `json:"census,omitempty"`
	Interval  time.Duration `json:"interval_ns"`
	Settle    time.Duration `json:"settle_ns,omitempty"`
	ServerPID int           `json:"server_pid,omitempty"`

	// Needs is what the run takes.
	Needs record.Needs `json:"needs"`
	// Warnings are doubts about the run that are known before it.
	Warnings []string `json:"warnings,omitempty"`
	// Record is the plan as the record shows it, but for what is known when the run is over.
	Record  record.Plan `json:"record"`
	Version string      `json:"version,omitempty"`
	// Host is what was read outside of the sandbox, which alone tells of memory.
	Host host.Facts `json:"host"`
}

// resolver is a Setup in the making.
type resolver struct {
	Setup
	spec  *Spec
	facts *Facts
	// inside is what the client's network namespace is, or will be.
	inside *host.Facts
	// chosen is the number of source addresses that nobody asked for.
	chosen int
}

// Resolve makes a Setup of what was asked for and what the host is. A *sockstate.ValueError says what cannot be carried out as asked.
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
		r.reckon,
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
	r := &resolver{spec: spec, facts: facts, inside: &facts.Host, Setup: Setup{
		Plan: spec.Plan, NoSandbox: spec.NoSandbox,
		StartAt: spec.StartAt, Census: spec.Census, Interval: spec.Interval, Settle: spec.Settle, ServerPID: spec.ServerPID,
		Version: spec.Version, Host: facts.Host,
	}}
	r.Plan.Groups = slices.Clone(spec.Plan.Groups)
	return r
}

// describe fills in the plan for the record.
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
		// As typed: a prefix may stand for thousands of addresses.
		switch sources := r.Plan.Groups[i].Sources; {
		case len(sources) > 0 && r.chosen > 0:
			g.Sources, g.SourcesChosen = []string{fmt.Sprintf("%v-%v", sources[0], sources[len(sources)-1])}, r.chosen
		case len(sources) > 0 && r.spec.Sources != "":
			g.Sources = strings.Split(r.spec.Sources, ",")
		}
	}
	return nil
}
