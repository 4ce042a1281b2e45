package setup

import (
	"slices"
	"time"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
)

// Spec is a run as the user asked for it. It is plain data: JSON keeps all of it. Resolve chooses a value for a zero field.
type Spec struct {
	// Plan is the load. Its groups need no targets if Server is set. Resolve chooses the connections (64 slots in closed loop, no
	// cap in open loop), the duration (10 s, unless a count or a plateau ends the run), the workers and the source addresses.
	Plan loadgen.Plan `json:"plan"`
	// Names lists the targets as typed, for messages.
	Names []string `json:"names,omitempty"`
	// AllowPublic says that the owners of targets outside of private and loopback ranges consent.
	AllowPublic bool `json:"allow_public,omitempty"`
	// Resolved says which address of a name is used, and why.
	Resolved []string `json:"resolved,omitempty"`
	// Sources is --source as typed.
	Sources string `json:"sources,omitempty"`
	// SourceCount is how many source addresses Resolve chooses for a sandbox, where --source names none; 0: as many as the load needs.
	SourceCount int `json:"source_count,omitempty"`
	// SharedHash keeps a sandbox's connection hash as it is, and with it the default of tcp_max_tw_buckets. Otherwise it becomes as large
	// as the load needs.
	SharedHash bool `json:"shared_hash,omitempty"`
	// Server is the embedded server, nil if the plan has targets.
	Server *Server `json:"server,omitempty"`

	// Sandbox is the sandbox to run in. If it is nil, the run uses this process's network namespace.
	Sandbox *sandbox.Spec `json:"sandbox,omitempty"`
	// Engine is auto, uring or epoll; empty is auto.
	Engine string `json:"engine,omitempty"`
	Common

	// Given lists the flags that the user gave. Resolve refuses one that does not apply, even if it has its default value.
	Given []string `json:"given,omitempty"`
	// Command is for the record.
	Command []string `json:"command,omitempty"`
}

// Common is what a Spec and its Setup have in common. Resolve only chooses a missing Interval.
type Common struct {
	// StartAt is when the load starts, on the wall clock; zero means at once.
	StartAt time.Time `json:"start_at,omitzero"`
	// Shard is set for a part of a load that Divide made, RunID is what the shards of a run have in common.
	Shard *record.Shard `json:"shard,omitempty"`
	RunID string        `json:"run_id,omitempty"`
	// Census is auto, bpf, diag or proc.
	Census string `json:"census,omitempty"`
	// Trace is auto, on or off; empty means off.
	Trace string `json:"trace,omitempty"`
	// Interval is the time between samples; 0 means 1 s.
	Interval time.Duration `json:"interval_ns,omitempty"`
	// Settle is how long to watch the teardown after the load, at most; 0 means until only TIME_WAIT is left.
	Settle time.Duration `json:"settle_ns,omitempty"`
	// Flush ends the TIME_WAITs of the load's pairs of addresses, before the load and after it.
	Flush bool `json:"flush,omitempty"`
	// ServerPID is the process of a local target; 0 if unknown.
	ServerPID int `json:"server_pid,omitempty"`
	// Version is for the record.
	Version string `json:"version,omitempty"`
}

// Server is the embedded server. It behaves on a connection as the first group of the plan needs it.
type Server struct {
	// Listeners and Workers: 0 means as many as the load has workers. Backlog: 0 means server.DefaultBacklog.
	Listeners int           `json:"listeners,omitempty"`
	Workers   int           `json:"workers,omitempty"`
	Backlog   int           `json:"backlog,omitempty"`
	Delay     time.Duration `json:"delay_ns,omitempty"`
	V6        bool          `json:"v6,omitempty"`
}

func (s *Spec) given(flag string) bool { return slices.Contains(s.Given, flag) }
