package setup

import (
	"slices"
	"time"

	"lastack/bench/sandbox"
	"lastack/loadgen"
)

// Spec is a run as a person asked for it. It is plain data: JSON keeps all of it. A zero value is left open, and Resolve chooses.
type Spec struct {
	// Plan is the load. Groups need no targets where Server is set. Left open may be: the connections (64 slots in closed loop, no
	// cap in open loop), the duration (10 s, unless a count or a plateau ends the run), the workers and the source addresses.
	Plan loadgen.Plan `json:"plan"`
	// Names are the targets as they were typed, for what is said of them.
	Names []string `json:"names,omitempty"`
	// AllowPublic says that the owners of targets outside of private and loopback ranges consent.
	AllowPublic bool `json:"allow_public,omitempty"`
	// Resolved says which address of a name is taken, and why.
	Resolved []string `json:"resolved,omitempty"`
	// Sources is --source as it was typed.
	Sources string `json:"sources,omitempty"`
	// Server is the embedded server; nil: the plan's targets are somebody else's.
	Server *Server `json:"server,omitempty"`

	// Sandbox is where the run takes place; nil: in the network namespace of this process. NoSandbox says why.
	Sandbox   *sandbox.Spec `json:"sandbox,omitempty"`
	NoSandbox string        `json:"no_sandbox,omitempty"`

	// StartAt is when the load starts, on the wall clock; zero: at once.
	StartAt time.Time `json:"start_at,omitzero"`
	// Engine is auto, uring or epoll; empty is auto. Census is auto, diag or proc.
	Engine string `json:"engine,omitempty"`
	Census string `json:"census,omitempty"`
	// Interval is the time between two samples; 0 means 1 s.
	Interval time.Duration `json:"interval_ns,omitempty"`
	// Settle is how long the teardown is watched after the load, at most; 0: only until all is settled but TIME_WAIT.
	Settle time.Duration `json:"settle_ns,omitempty"`
	// ServerPID is the process of a local target; 0 if unknown.
	ServerPID int `json:"server_pid,omitempty"`

	// Given names the flags that the person gave. One that does not apply is refused then, even with its default's value.
	Given []string `json:"given,omitempty"`
	// Version and Command are for the record.
	Version string   `json:"version,omitempty"`
	Command []string `json:"command,omitempty"`
}

// Server is the embedded server. What it does on a connection is what the first group of the plan faces.
type Server struct {
	// Listeners and Workers are 0 for as many as the load has; Backlog is 0 for server.DefaultBacklog.
	Listeners int           `json:"listeners,omitempty"`
	Workers   int           `json:"workers,omitempty"`
	Backlog   int           `json:"backlog,omitempty"`
	Delay     time.Duration `json:"delay_ns,omitempty"`
	V6        bool          `json:"v6,omitempty"`
}

func (s *Spec) given(flag string) bool { return slices.Contains(s.Given, flag) }
