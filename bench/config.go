package bench

import (
	"time"

	"lastack/bench/host"
	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate/sockio"
)

// Config is one experiment.
type Config struct {
	Plan loadgen.Plan
	// Server is the embedded server; nil where the plan's targets are somebody else's. With it,
	// the groups' targets are filled in.
	Server *ServerConfig
	// Sandbox is what the process is inside of, nil if nothing. Status says it to the record.
	Sandbox *sandbox.Sandbox
	Status  record.Sandbox

	Engine string // as sockio.Choose takes it
	// Backend is what was chosen for Engine, and BackendReason why it is not a better one; zero: chosen here.
	Backend       sockio.Backend
	BackendReason string
	Census        string // auto, diag or proc
	// StartAt is that of loadgen.Config.
	StartAt time.Time
	// Interval is the time between two samples; 0 means 1 s.
	Interval time.Duration
	// Settle is how long the teardown is watched after the load, until no socket of it is left;
	// 0: only until all is settled but TIME_WAIT, at most settleAtMost.
	Settle time.Duration
	// ServerPID is the process of a local target, 0 if unknown.
	ServerPID  int
	Thresholds []metric.Threshold
	// OnInterval sees each interval as it ends, on the goroutine of Run. It may be nil.
	OnInterval func(*record.Interval)
	// OnReady is called when all is open and the load is about to begin: what needs a privilege (another namespace, a listener, a
	// ring) has been done, but for what the load itself does. It may be nil.
	OnReady func()
	// OnNeeds is told what the run will take, before its first socket opens. It may be nil.
	OnNeeds func(*record.Needs)

	Version string
	Command []string
	// Host is what the host's own namespaces hold, for what a sandbox cannot read (tcp_mem,
	// tcp_max_orphans); nil: read here.
	Host *host.Facts
	// Sources is --source as it was typed, for the record.
	Sources string

	// chosen is the number of source addresses that the experiment gave the plan by itself.
	chosen int
	// presuming is set where the sandbox is not made yet.
	presuming bool
}

// ServerConfig is an embedded server.
type ServerConfig struct {
	server.Config
	// V6 has it listen on IPv6.
	V6 bool
}

const (
	defaultInterval = time.Second
	// settleAtMost bounds the wait for what is on its way to a state where it stays.
	settleAtMost = 3 * time.Second
	// lateAtMost bounds what a server's delay adds to that.
	lateAtMost = time.Minute
	// reservedFds stay free for everything that is not a connection of the load.
	reservedFds = 64
	// fdsOfWorker are a loop's own.
	fdsOfWorker = 2
)
