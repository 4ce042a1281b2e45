package record

import (
	"encoding/json"
	"strings"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/arrivals"
)

// Schema names the format of Run.
const Schema = "lastack.run/v1"

// The kinds of run.
const (
	KindRun       = "run"
	KindDrain     = "drain"
	KindSweep     = "sweep"
	KindTune      = "tune"
	KindPlan      = "plan"
	KindHandshake = "handshake"
)

func kinds() []string {
	return []string{KindRun, KindDrain, KindSweep, KindTune, KindPlan, KindHandshake}
}

// Run is one finished run.
type Run struct {
	Schema  string `json:"schema"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
	Build   *Build `json:"build,omitempty"`
	// RunID is what the shards of one run have in common. A run of one process may have none.
	RunID    string    `json:"run_id,omitempty"`
	Started  time.Time `json:"started"`
	ElapsedS float64   `json:"elapsed_s"`
	// LoadS is the part of ElapsedS in which lifecycles could start. Rates refer to it. In the rest,
	// lifecycles in flight finish.
	LoadS float64 `json:"load_s"`
	// Interrupted is set if a signal ended the run early.
	Interrupted bool   `json:"interrupted,omitempty"`
	Plan        Plan   `json:"plan"`
	Shard       *Shard `json:"shard,omitempty"`
	// Shards is set in a merged run, in their order. ShardsMissing lists those that were not merged although they took part.
	Shards        []ShardResult `json:"shards,omitempty"`
	ShardsMissing []int         `json:"shards_missing,omitempty"`
	Hosts         []Host        `json:"hosts"`
	Sandbox       Sandbox       `json:"sandbox"`

	Result
	// Groups holds the result of each group of the plan, if there are several.
	Groups []GroupResult `json:"groups,omitempty"`
	// Greetings holds the beginning of what targets sent unasked, quoted, by target. It was read on a connection before the load.
	Greetings map[string]string `json:"greetings,omitempty"`
	// Warmup counts the lifecycles of the warm-up, which Result does not include.
	Warmup *Connections `json:"warmup,omitempty"`
	// Server is the embedded server's ledger.
	Server *Server `json:"server,omitempty"`
	// Drain is set for the kind drain. Result then covers all tries.
	Drain *Drain `json:"drain,omitempty"`
	// Sweep is set for the kind sweep. Plan and Sandbox are then the base's, and Result is empty.
	Sweep *Sweep `json:"sweep,omitempty"`
	// Capacity is set for the kind plan. Result is then empty: nothing was measured.
	Capacity *Capacity `json:"capacity,omitempty"`
	// Handshake is set for the kind handshake. Result is then empty: its connections are all in it.
	Handshake *Handshake `json:"handshake,omitempty"`

	TCPInfo  *TCPInfo         `json:"tcp_info,omitempty"`
	States   States           `json:"states"`
	TimeWait TimeWait         `json:"time_wait"`
	Counters map[string]int64 `json:"counters"`
	// CountersBySide splits Counters if client and server have separate namespaces.
	CountersBySide map[string]map[string]int64 `json:"counters_by_side,omitempty"`
	Pressure       Pressure                    `json:"pressure"`
	// Tracking is set if a router was between client and server.
	Tracking *Tracking `json:"tracking,omitempty"`
	// Generator is set if the load's workers did not run all the time.
	Generator *Generator `json:"generator,omitempty"`
	// Needs is the estimate, made before the first socket opened, of what the plan needs.
	Needs    *Needs     `json:"needs,omitempty"`
	Observer Observer   `json:"observer"`
	Timeline []Interval `json:"timeline"`
	Settle   *Settle    `json:"settle,omitempty"`

	Predicted Predicted `json:"predicted"`
	// Accounting lists the checks of lastack's counts against the prediction and the
	// kernel's counters.
	Accounting []Check           `json:"accounting"`
	Thresholds []ThresholdResult `json:"thresholds,omitempty"`
	Verdict    Verdict           `json:"verdict"`
	// Warnings lists doubts about the result. A warning about a part of the record starts with the part's
	// path and a colon, so that it can be shown next to the number: "latency.lag: p99 is 40 ms: ...".
	Warnings []string `json:"warnings"`
	// Tune is set for the kind tune. Plan and Sandbox are then those without any change, and Result is empty.
	Tune *Tune `json:"tune,omitempty"`
}

// Unread says why a counter of the kernel was not read. It returns "" if it was read, or if the reason is not known.
func (r *Run) Unread(counter string) string {
	file := "/proc/net/snmp"
	if strings.HasPrefix(counter, "TcpExt") {
		file = "/proc/net/netstat"
	}
	for _, u := range r.Observer.Unread {
		if strings.HasPrefix(u, file+":") {
			return "not read: " + u
		}
	}
	return ""
}

// Result is the result of a load or of one of its groups.
type Result struct {
	Connections Connections        `json:"connections"`
	Outcomes    map[string]int64   `json:"outcomes"`
	Rate        Rate               `json:"rate"`
	Latency     map[string]Latency `json:"latency"`
	// LatencySource says where a key of Latency comes from, if not from the generator: trace is the trace of the kernel.
	LatencySource map[string]string `json:"latency_source,omitempty"`
	// LatencyAbsent says why a key of Latency is missing.
	LatencyAbsent map[string]string `json:"latency_absent,omitempty"`
	// HTTP counts replies by status class, see sockstate.StatusClassNames.
	HTTP map[string]int64 `json:"http,omitempty"`
	// FirstFailureS is when each failure first happened, in seconds from the start, the warm-up included.
	FirstFailureS map[string]float64 `json:"first_failure_s,omitempty"`
	// Errnos counts the errno names behind the outcome "other".
	Errnos map[string]int64 `json:"errnos,omitempty"`
	// ExchangeErrors counts the rest of "other", invalid replies, by kind, see sockstate.FaultNames.
	ExchangeErrors map[string]int64 `json:"exchange_errors,omitempty"`
	// ExchangeExamples holds a sentence about the first of each kind.
	ExchangeExamples map[string]string `json:"exchange_examples,omitempty"`
}

// GroupResult is one group's Result.
type GroupResult struct {
	Name string `json:"name"`
	Result
}

// Connections counts lifecycles: attempted = completed + failed + unfinished.
type Connections struct {
	// Scheduled is the number of arrivals of an open loop's schedule, 0 in closed loop.
	Scheduled int64 `json:"scheduled,omitempty"`
	Attempted int64 `json:"attempted"`
	// Opened is the number of connections established.
	Opened    int64 `json:"opened"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
	// Unfinished = interrupted + held.
	Unfinished int64 `json:"unfinished"`
	// Capped is the number of arrivals that had to wait for a slot.
	Capped int64 `json:"capped,omitempty"`
	// Requests is the number of exchanges completed.
	Requests int64 `json:"requests,omitempty"`
	// PeakOpen is an upper bound for the connections open at once: the sum of the workers' peaks.
	PeakOpen int64 `json:"peak_open"`
}

// Rate counts per second of LoadS what was completed within it.
type Rate struct {
	OpenedPerS    float64 `json:"opened_per_s"`
	CompletedPerS float64 `json:"completed_per_s"`
	RequestsPerS  float64 `json:"requests_per_s,omitempty"`
	// TargetPerS is the rate of the open loop's schedule, 0 in closed loop.
	TargetPerS float64 `json:"target_per_s"`
}

// Latency summarizes a histogram. Hdr is the whole histogram, which can be merged: base64
// of HdrHistogram V2 compressed, 1 ns to 1 h, 3 significant digits.
type Latency struct {
	Count  int64   `json:"count"`
	MinUs  float64 `json:"min_us"`
	MeanUs float64 `json:"mean_us"`
	P50Us  float64 `json:"p50_us"`
	P90Us  float64 `json:"p90_us"`
	P99Us  float64 `json:"p99_us"`
	P999Us float64 `json:"p999_us"`
	MaxUs  float64 `json:"max_us"`
	Hdr    string  `json:"hdr,omitempty"`
}

// Plan is what was asked for, in terms of the flags.
type Plan struct {
	Groups     []Group `json:"groups"`
	DurationNs int64   `json:"duration_ns,omitempty"`
	Count      int64   `json:"count,omitempty"`
	WarmupNs   int64   `json:"warmup_ns,omitempty"`
	RampNs     int64   `json:"ramp_ns,omitempty"`
	Workers    int     `json:"workers"`
	// Engine is the backend: uring or epoll. EngineReason says why lastack did not choose uring.
	Engine       string `json:"engine"`
	EngineReason string `json:"engine_reason,omitempty"`
	// ServerWorkers is 0 without an embedded server.
	ServerWorkers int `json:"server_workers,omitempty"`
	// CPUs lists the CPU of worker i of each side, empty if workers were not pinned.
	CPUs []int `json:"cpus,omitempty"`
	// Command is the command line as typed.
	Command []string `json:"command,omitempty"`
	// Resolved says, for each target whose name has several addresses, which of them was used, and why.
	Resolved []string `json:"resolved,omitempty"`
	// Probed counts the connections before the load on which nothing was sent, see Run.Greetings. No other count includes them, but the
	// target's may.
	Probed int `json:"probed,omitempty"`
}

// Schedule is that of the plan's open loops, all groups together. A plateau has none that could go on.
func (p *Plan) Schedule() arrivals.Schedule {
	l := arrivals.Load{Warmup: time.Duration(p.WarmupNs), Ramp: time.Duration(p.RampNs), Duration: time.Duration(p.DurationNs), Count: p.Count}
	for i := range p.Groups {
		if g := &p.Groups[i]; g.PlateauNs == 0 {
			l.From, l.To = l.From+g.RateFrom, l.To+g.RateTo
		}
	}
	return l.Schedule()
}

// Group is one group of a plan: a load model, an exchange, a hold and a policy.
type Group struct {
	Name        string   `json:"name"`
	Targets     []string `json:"targets"`
	Connections int      `json:"connections,omitempty"`
	RateFrom    float64  `json:"rate_from,omitempty"`
	RateTo      float64  `json:"rate_to,omitempty"`
	// Poisson is set if arrivals came by chance. Seed began their sequence.
	Poisson bool   `json:"poisson,omitempty"`
	Seed    uint64 `json:"seed,omitempty"`
	// Phase is the share of a gap by which paced arrivals were later than those of shard 0.
	Phase     float64 `json:"phase,omitempty"`
	HoldNs    int64   `json:"hold_ns,omitempty"`
	PlateauNs int64   `json:"plateau_ns,omitempty"`
	CloseRate float64 `json:"close_rate,omitempty"`
	// Keep is idle, asking or partial for clients that keep their connection. ReconnectNs is how long they wait after they lost it.
	Keep        string `json:"keep,omitempty"`
	ReconnectNs int64  `json:"reconnect_ns,omitempty"`
	// Gated is set for a group that starts later than the others.
	Gated    bool     `json:"gated,omitempty"`
	Close    string   `json:"close"`
	OnEOF    string   `json:"on_eof"`
	Exchange string   `json:"exchange"`
	Requests int      `json:"requests,omitempty"`
	ThinkNs  int64    `json:"think_ns,omitempty"`
	Host     string   `json:"host,omitempty"`
	Headers  []string `json:"headers,omitempty"`

	ConnectTimeoutNs int64    `json:"connect_timeout_ns,omitempty"`
	RequestTimeoutNs int64    `json:"request_timeout_ns,omitempty"`
	CloseTimeoutNs   int64    `json:"close_timeout_ns,omitempty"`
	Sources          []string `json:"sources,omitempty"`
	// SourcesChosen is the number of Sources if lastack chose them.
	SourcesChosen int    `json:"sources_chosen,omitempty"`
	SourcePorts   string `json:"source_ports,omitempty"`
}

// Shard is this process's part of a run that is spread over several processes. Plan is this part.
type Shard struct {
	I int `json:"i"`
	N int `json:"n"`
	// PlanSHA256 identifies the plan of all shards together.
	PlanSHA256 string `json:"plan_sha256,omitempty"`
	// StartAt is the moment that the shards agreed to start at, on this host's clock, nil if there was none. StartSkewUs is how much later this
	// one did.
	StartAt     *time.Time `json:"start_at,omitempty"`
	StartSkewUs int64      `json:"start_skew_us,omitempty"`
	// ClockOffsetUs is how much this host's clock was ahead of shard 0's, ClockUncertaintyUs how wrong that may be at most (half of the shortest
	// round trip). They are 0 without a rendezvous.
	ClockOffsetUs      int64 `json:"clock_offset_us,omitempty"`
	ClockUncertaintyUs int64 `json:"clock_uncertainty_us,omitempty"`
	// Absent lists shards that did not come to the rendezvous, and without which a quorum started.
	Absent []int `json:"absent,omitempty"`
}

// Host is where the run took place.
type Host struct {
	Kernel      string `json:"kernel"`
	CPUs        int    `json:"cpus"`
	GoMaxProcs  int    `json:"gomaxprocs"`
	MemoryBytes int64  `json:"memory_bytes"`
	// CPUQuota and CgroupMemoryBytes are the limits of control groups, in CPUs and bytes; 0 without a limit.
	CPUQuota          float64 `json:"cpu_quota,omitempty"`
	CgroupMemoryBytes int64   `json:"cgroup_memory_bytes,omitempty"`
	BootID            string  `json:"boot_id"`
	NetNS             string  `json:"netns"`
	ClockOffsetUs     int64   `json:"clock_offset_us"`
	HZ                int     `json:"hz,omitempty"` // the kernel's CONFIG_HZ, 0 if unknown
	// TimeWaitMinS and TimeWaitMaxS are how long a TIME_WAIT lasts here: its timer, and the most to which the kernel's timer
	// wheel rounds it up, so that they end in bursts. 0 if unknown.
	TimeWaitMinS float64           `json:"time_wait_min_s,omitempty"`
	TimeWaitMaxS float64           `json:"time_wait_max_s,omitempty"`
	NoFile       int64             `json:"nofile"`
	Sysctls      map[string]string `json:"sysctls"`
}

// Sandbox says where the load took place.
type Sandbox struct {
	// Mode is off, root or user.
	Mode     string `json:"mode"`
	Topology string `json:"topology,omitempty"` // lo, veth or nat
	// NAT is what the router of the topology nat has.
	NAT *NAT `json:"nat,omitempty"`
	// Reason says why there is no sandbox, or what it cannot do.
	Reason  string            `json:"reason,omitempty"`
	Sysctls map[string]string `json:"sysctls,omitempty"` // those asked for
	Loss    string            `json:"loss,omitempty"`
	// EhashEntries is the size of each namespace's own connection hash; a namespace keeps half as many
	// TIME_WAIT sockets. 0 means that they share the host's hash.
	EhashEntries int `json:"ehash_entries,omitempty"`
}

// Split reports whether client and server had a network namespace each.
func (s *Sandbox) Split() bool { return s.Topology == "veth" || s.Topology == "nat" }

// NAT is a router that puts an address and a port of its own in place of the client's.
type NAT struct {
	Addresses int    `json:"addresses"`
	Ports     string `json:"ports"` // of each address for a destination: "1024-65535"
}

// Tracking is what the router's connection tracking did.
type Tracking struct {
	// Peak is the most entries at once, Max their limit (nf_conntrack_max).
	Peak int64 `json:"peak"`
	Max  int64 `json:"max,omitempty"`
	// States counts the entries by state when no socket changed its state any more. StatesReason says why it is missing.
	States       map[string]int64 `json:"states,omitempty"`
	StatesReason string           `json:"states_reason,omitempty"`
	// InsertFailed counts connections for which the NAT had no free port, as they clashed with another one. Dropped counts packets for which
	// there was no entry left, EarlyDropped entries that made room.
	InsertFailed int64 `json:"insert_failed"`
	Dropped      int64 `json:"dropped"`
	EarlyDropped int64 `json:"early_dropped"`
}

// Server is the embedded server's ledger.
type Server struct {
	Listeners int `json:"listeners"`
	Backlog   int `json:"backlog"`
	// DelayNs is how long it waited before each reply.
	DelayNs  int64 `json:"delay_ns,omitempty"`
	Accepted int64 `json:"accepted"`
	Requests int64 `json:"requests"`
	// Open is the number still open when the ledger was read.
	Open int64 `json:"open,omitempty"`
	// Outcomes counts how connections ended as the server saw it. Accepted is Open plus their sum.
	Outcomes     map[string]int64 `json:"outcomes"`
	AcceptErrors map[string]int64 `json:"accept_errors,omitempty"`
}

// TCPInfo summarizes TCP_INFO of the connections that were sampled just before they closed.
type TCPInfo struct {
	Sampled     int64    `json:"sampled"`
	RTTUs       *Latency `json:"rtt_us,omitempty"`
	MinRTTUs    *Latency `json:"min_rtt_us,omitempty"`
	Retransmits int64    `json:"retransmits"`
	Lost        int64    `json:"lost"`
	SndMSS      int64    `json:"snd_mss"`  // median
	SndCwnd     int64    `json:"snd_cwnd"` // median
}

// States counts sockets by side and TCP state.
type States struct {
	// Source is the source of the census: bpf, diag or proc; empty if there was none. Of several the last.
	Source string                    `json:"source"`
	Peak   map[string]map[string]int `json:"peak"`
	// Final is the last census, after settling.
	Final map[string]map[string]int `json:"final,omitempty"`
	// Transitions counts the changes of state that the trace saw, by side: "ESTABLISHED>FIN_WAIT_1". Those of the warm-up count too. Without a trace it
	// is missing, as are all that follow.
	Transitions map[string]map[string]int64 `json:"transitions,omitempty"`
	// Dwell is the time spent in each state, by side, of the connections that have left it. Count, minimum, mean and maximum are exact, the percentiles
	// within 0.5 %.
	Dwell map[string]map[string]Latency `json:"dwell,omitempty"`
	// Living counts the sockets that were in a state when the trace ended.
	Living map[string]map[string]int64 `json:"living,omitempty"`
	// Unpredicted counts the changes of state that are on no predicted path.
	Unpredicted map[string]map[string]int64 `json:"unpredicted,omitempty"`
	// Paths compares both ends with the predicted paths, by side, and Exceptions are the connections that left them, the most first. Missing with several
	// groups.
	Paths      map[string]Paths `json:"paths,omitempty"`
	Exceptions []Exception      `json:"exceptions,omitempty"`
	// ResetsSent counts resets by side and the kernel's reason (enum sk_rst_reason), ResetsReceived by side and the receiver's state, Retransmits the
	// segments sent again, by side and state.
	ResetsSent map[string]map[string]int64 `json:"resets_sent,omitempty"`
	// ResetsSentIn splits ResetsSent by the sender's state: side, reason, state. An open connection that is reset is in CLOSED when the reset is sent; a
	// reset that belongs to no socket is in NONE.
	ResetsSentIn   map[string]map[string]map[string]int64 `json:"resets_sent_in,omitempty"`
	ResetsReceived map[string]map[string]int64            `json:"resets_received,omitempty"`
	Retransmits    map[string]map[string]int64            `json:"retransmits,omitempty"`
	// Minisockets is how those sockets ended that the kernel keeps for a connection without a process: side, TIME_WAIT or FIN_WAIT_2.
	Minisockets map[string]map[string]Minis `json:"minisockets,omitempty"`
	// Lost counts events that the trace missed or could not follow; the numbers above lack them. LostBy splits them by LostSockets and the following;
	// an event can be in several.
	Lost   int64            `json:"lost,omitempty"`
	LostBy map[string]int64 `json:"lost_by,omitempty"`
}

// Minis counts the ends of minisockets.
type Minis struct {
	// Expired lived until their timer fired. Early ended before: a connect or a SYN took their ports, or a reset came.
	Expired int64 `json:"expired"`
	Early   int64 `json:"early"`
	// Rearmed counts how often the timer of one started anew, as a FIN came again; at least, as the kernel does not show one that stays in its bucket
	// (__mod_timer).
	Rearmed int64 `json:"rearmed,omitempty"`
}

// What a trace lost, in States.LostBy.
const (
	// LostInterrupted are events for which no program ran, as it was interrupted on the same CPU. They may be of other sockets.
	LostInterrupted = "interrupted"
	// LostSockets, LostTimeWaits and LostResets found no room in a map. Without the latter only latency.close lacks something.
	LostSockets   = "sockets"
	LostTimeWaits = "time_waits"
	LostResets    = "resets"
	// LostUnknown are changes of sockets whose state before was not known, LostUnbalanced the connections that came into a state and neither left it nor
	// are there, or the reverse.
	LostUnknown    = "unknown"
	LostUnbalanced = "unbalanced"
)

// FromTrace in Result.LatencySource is the trace of the kernel: latency.close is then from the client's FIN to its TIME_WAIT or CLOSED, or, if it resets an
// open connection, to the server's CLOSED.
const FromTrace = "trace"

// Paths counts the connections of one side that came to ESTABLISHED, and those of them that went on as the close policy predicts.
type Paths struct {
	Connections int64 `json:"connections"`
	AsPredicted int64 `json:"as_predicted"`
}

// Exception counts the connections of one side that left the predicted paths by the same change of state.
type Exception struct {
	Side string `json:"side"`
	From string `json:"from"`
	To   string `json:"to,omitempty"`
	// How is one of the following, or empty.
	How string `json:"how,omitempty"`
	N   int64  `json:"n"`
}

// How a connection left its predicted path: it was closed by a reset that came, by a timer, or otherwise, as by a reset that it sent itself; or it was still
// in From, which no path ends in, when the trace ended.
const (
	ByReset    = "reset"
	ByTimeout  = "timeout"
	ByItself   = "itself"
	StillThere = "still"
)

// TimeWait is the build-up of TIME_WAIT.
type TimeWait struct {
	Peak       int            `json:"peak"` // census, both sides
	PeakBySide map[string]int `json:"peak_by_side,omitempty"`
	// Entered and EnteredShort are the growth of TcpExtTW and TcpExtTWKilled, which count
	// entries with a timeout above 4 s, and of at most 4 s.
	Entered      int64 `json:"entered"`
	EnteredShort int64 `json:"entered_short"`
	// Overflow is TcpExtTCPTimeWaitOverflow: closed at once, because tcp_max_tw_buckets was reached.
	Overflow int64 `json:"overflow"`
	// Simultaneous counts the connections whose FINs crossed, so that both ends entered TIME_WAIT. It is set
	// only with both:fin, in a private namespace, if every connection completed.
	Simultaneous *int64 `json:"simultaneous,omitempty"`
	// ReusedByConnect is TcpExtTWRecycled: a connect reused the port of a TIME_WAIT socket.
	ReusedByConnect  int64 `json:"reused_by_connect"`
	FinWait2MiniPeak int   `json:"fin_wait2_mini_peak"`
	OrphanPeak       int   `json:"orphan_peak"`
	// EndedEarly counts those that ended before their time without a reuse by connect: a SYN from the same port reopened
	// them at the server, or a reset ended them. No counter has these. It is set in a sandbox, for runs of less than a minute.
	EndedEarly int64 `json:"ended_early,omitempty"`
	// HostBuckets is net.ipv4.tcp_max_tw_buckets of the host's namespace if the load was in a sandbox, which may have more.
	HostBuckets int `json:"host_buckets,omitempty"`
	// MaxBuckets is net.ipv4.tcp_max_tw_buckets of the namespace of the load.
	MaxBuckets int `json:"max_buckets,omitempty"`
	// LongestLeftS is the longest remaining time of a TIME_WAIT in the last census, by its timer, which the kernel rounds up, see
	// Host.
	LongestLeftS float64 `json:"longest_left_s,omitempty"`
	// Ages counts the TIME_WAITs of the last census by side and age: the first are less than a second old, those after the 60th at least 60 s. Zeros at
	// the end are left out.
	Ages map[string][]int `json:"ages,omitempty"`
	// Flush is set if --flush ended TIME_WAITs. All else is of before that.
	Flush *Flush `json:"flush,omitempty"`
	// NotRead says why Entered, EnteredShort, Overflow and ReusedByConnect, the kernel's counters, are not known. JSON then
	// lacks their keys.
	NotRead string `json:"not_read,omitempty"`
}

// Flush counts the TIME_WAITs that --flush ended: Before the load, of earlier loads, and After it. Left is how many it found afterwards.
type Flush struct {
	Before int `json:"before"`
	After  int `json:"after"`
	Left   int `json:"left"`
}

// MarshalJSON leaves out what was not read.
func (t TimeWait) MarshalJSON() ([]byte, error) {
	type plain TimeWait // without this method
	if t.NotRead == "" {
		return json.Marshal(plain(t))
	}
	// Of two fields with the same name, encoding/json encodes the less nested one.
	return json.Marshal(struct {
		plain
		Entered         int `json:"entered,omitempty"`
		EnteredShort    int `json:"entered_short,omitempty"`
		Overflow        int `json:"overflow,omitempty"`
		ReusedByConnect int `json:"reused_by_connect,omitempty"`
	}{plain: plain(t)})
}

// Interval is one sample of the timeline. Counts cover the interval; states are those at its end.
type Interval struct {
	TS    float64 `json:"t_s"`
	Phase string  `json:"phase,omitempty"` // one of Phases

	Started   int64 `json:"started"`
	Opened    int64 `json:"opened"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
	Requests  int64 `json:"requests,omitempty"`
	InFlight  int64 `json:"in_flight"`
	// Failures splits Failed by outcome.
	Failures map[string]int64 `json:"failures,omitempty"`
	// The latency of the lifecycles that completed in the interval.
	P50Us float64 `json:"p50_us,omitempty"`
	P99Us float64 `json:"p99_us,omitempty"`
	MaxUs float64 `json:"max_us,omitempty"`
	// Lifecycle is the same without lifecycles that started in the warm-up, so that the intervals' histograms add up to the result's. It is
	// nil if none completed.
	Lifecycle *Latency `json:"lifecycle,omitempty"`
	// RestP50Us and RestP99Us are of a merged record: the largest percentiles of the shards of which Lifecycle does not have all lifecycles, where it
	// has some.
	RestP50Us float64 `json:"rest_p50_us,omitempty"`
	RestP99Us float64 `json:"rest_p99_us,omitempty"`
	// Connect is the latency of the connects of the interval, without those of the warm-up.
	Connect *Latency `json:"connect,omitempty"`

	Client map[string]int `json:"client,omitempty"`
	Server map[string]int `json:"server,omitempty"`
	// AcceptQueue is the listeners' queue length, NotAccepted the census's count of it.
	AcceptQueue  int `json:"accept_queue,omitempty"`
	NotAccepted  int `json:"not_accepted,omitempty"`
	FinWait2Mini int `json:"fin_wait2_mini,omitempty"`
	Orphans      int `json:"orphans,omitempty"`
	PortsInUse   int `json:"ports_in_use,omitempty"` // of the pair with the most
	// PortsReusable is the part of PortsInUse that connect would take over at once (tcp_tw_reuse).
	PortsReusable int   `json:"ports_reusable,omitempty"`
	Fds           int   `json:"fds,omitempty"`
	Tracked       int64 `json:"tracked,omitempty"`       // entries of the router's connection tracking
	MemBytes      int64 `json:"tcp_mem_bytes,omitempty"` // sockstat mem of the whole host
	// Counters holds the growth of counters that indicate trouble: retransmissions, drops, overflows.
	Counters map[string]int64 `json:"counters,omitempty"`
}

// Census reports whether the sockets were counted at the end of the interval. With a million of them a census takes longer than many an
// interval, so that most have none: their counts are absent, not 0. The census also reads the process's descriptors, of which there are some.
func (iv *Interval) Census() bool {
	return len(iv.Client) > 0 || len(iv.Server) > 0 || iv.Fds > 0 || iv.MemBytes > 0
}

// Pressure is how close the run came to the limits around it.
type Pressure struct {
	Ports  Ports  `json:"ports"`
	Fds    Fds    `json:"fds"`
	Memory Memory `json:"memory"`
	CPU    CPU    `json:"cpu"`
	// AcceptQueuePeak is the longest accept queue seen.
	AcceptQueuePeak int        `json:"accept_queue_peak"`
	Backlog         int        `json:"backlog,omitempty"`
	Orphans         Gauge      `json:"orphans"`
	TWBuckets       Gauge      `json:"tw_buckets"`
	Conntrack       *Gauge     `json:"conntrack,omitempty"`
	PSI             *PSI       `json:"psi,omitempty"`
	Files           Gauge      `json:"files"` // fs.file-nr of the whole host
	Pairs           []PortPair `json:"port_pairs,omitempty"`
	// Unread lists the kinds of pressure that were not read, so that a 0 there does not mean none.
	Unread []string `json:"unread,omitempty"`
}

// What Pressure.Unread lists.
const (
	UnreadPorts    = "ports"    // no census saw local ports in use
	UnreadCounters = "counters" // the kernel's, of retransmissions and of full queues
	UnreadMemory   = "memory"   // TCP buffers
	UnreadQuota    = "quota"    // how often the control group's CPU quota was used up
)

// Needs is what a plan needs, estimated without measuring.
type Needs struct {
	// Connections and Sockets are those open at once. With the embedded server a connection has two sockets here.
	Connections int64 `json:"connections"`
	Sockets     int64 `json:"sockets"`
	// TimeWaits is the least number that the plan leaves at once.
	TimeWaits NeedsBySide `json:"time_waits"`
	// SourceAddresses is their number; each has PortsEach local ports to each target.
	SourceAddresses int `json:"source_addresses"`
	PortsEach       int `json:"ports_each"`
	// KernelBytes is the kernel's memory for sockets and TIME_WAITs, ProcessBytes this process's.
	KernelBytes  int64 `json:"kernel_bytes"`
	ProcessBytes int64 `json:"process_bytes"`
	// ExchangeBytes is the memory of socket buffers if all exchanges are in progress at once.
	ExchangeBytes int64 `json:"exchange_bytes,omitempty"`
}

// NeedsBySide splits a number by the side that holds it.
type NeedsBySide struct {
	Client int64 `json:"client"`
	Server int64 `json:"server"`
}

// Gauge is a peak and its limit, 0 if unknown.
type Gauge struct {
	Peak  int64 `json:"peak"`
	Limit int64 `json:"limit"`
}

// Fds is this process's descriptors.
type Fds struct {
	Peak  int   `json:"peak"`
	Limit int64 `json:"limit"`
	// ServerPeak is the peak of --server-pid and its descendants; 0 without one, or if they are another
	// user's.
	ServerPeak int `json:"server_peak,omitempty"`
}

// Memory of sockets and of processes.
type Memory struct {
	TCPPeakBytes  int64 `json:"tcp_peak_bytes"`  // sockstat "mem", buffers of the whole host
	TCPLimitBytes int64 `json:"tcp_limit_bytes"` // tcp_mem, third value
	// SlabPeakBytes is the growth of the sockets' slabs. Only root can read those; otherwise it is the growth of all
	// slabs.
	SlabPeakBytes int64 `json:"slab_peak_bytes,omitempty"`
	RSSPeakBytes  int64 `json:"rss_peak_bytes"` // VmHWM of this process
	// CgroupLimitBytes is the memory limit of this process's control group, 0 without one. CgroupHits is how often an
	// allocation, page cache included, hit it, CgroupOOM how often reclaim then failed.
	CgroupLimitBytes int64 `json:"cgroup_limit_bytes,omitempty"`
	CgroupHits       int64 `json:"cgroup_hits,omitempty"`
	CgroupOOM        int64 `json:"cgroup_oom,omitempty"`
	// ServerRSSPeakBytes is the peak resident memory of --server-pid and its descendants; a shared page counts once per
	// process. 0 without one.
	ServerRSSPeakBytes int64 `json:"server_rss_peak_bytes,omitempty"`
}

// CPU holds CPU seconds over the measured time. On loopback the kernel charges the
// receiver's softirq work to the sender.
type CPU struct {
	CPUs       int     `json:"cpus"`
	ElapsedS   float64 `json:"elapsed_s"`
	GeneratorS float64 `json:"generator_s"` // the load's worker threads
	ServerS    float64 `json:"server_s"`    // the embedded server's worker threads, or --server-pid
	ObserverS  float64 `json:"observer_s"`  // the rest of this process
	SystemS    float64 `json:"system_s"`    // the whole machine in the kernel, softirq included
	UserS      float64 `json:"user_s"`      // the whole machine in user space
	SoftirqS   float64 `json:"softirq_s"`   // the whole machine
	StealS     float64 `json:"steal_s"`
	IdleS      float64 `json:"idle_s"`
	// GeneratorBusiest and ServerBusiest are the CPU share of the busiest worker thread, 0 to 1.
	GeneratorBusiest float64 `json:"generator_busiest"`
	ServerBusiest    float64 `json:"server_busiest"`
	// Quota is the CPU quota of this process's control group, in CPUs, 0 without one. In Throttled of its QuotaPeriods
	// threads had to wait for the next one, ThrottledS in all.
	Quota        float64 `json:"quota,omitempty"`
	QuotaPeriods int64   `json:"quota_periods,omitempty"`
	Throttled    int64   `json:"throttled,omitempty"`
	ThrottledS   float64 `json:"throttled_s,omitempty"`
	// NotRead says why the times of the whole machine are not known. JSON then lacks their keys.
	NotRead string `json:"not_read,omitempty"`
	// WorkersNotRead says why the times of the worker threads are not known. They are then 0.
	WorkersNotRead string `json:"workers_not_read,omitempty"`
}

// SharesTell reports whether the time was long enough for CPU shares: the kernel counts CPU time in ticks of 10 ms (USER_HZ), so
// that shares of less than 0.2 s are off by a tenth or more.
func (c *CPU) SharesTell() bool { return c.ElapsedS >= 0.2 }

// MarshalJSON leaves out what was not read.
func (c CPU) MarshalJSON() ([]byte, error) {
	type plain CPU // without this method
	if c.NotRead == "" {
		return json.Marshal(plain(c))
	}
	// Of two fields with the same name, encoding/json encodes the less nested one.
	return json.Marshal(struct {
		plain
		SystemS  int `json:"system_s,omitempty"`
		UserS    int `json:"user_s,omitempty"`
		SoftirqS int `json:"softirq_s,omitempty"`
		StealS   int `json:"steal_s,omitempty"`
		IdleS    int `json:"idle_s,omitempty"`
	}{plain: plain(c)})
}

// PSI is the growth of the "some" totals of /proc/pressure over the run, in seconds.
type PSI struct {
	CPUSomeS    float64 `json:"cpu_some_s"`
	MemorySomeS float64 `json:"memory_some_s"`
	IOSomeS     float64 `json:"io_some_s"`
}

// Generator is the time in which the load's workers had work, but neither ran nor waited for a busy CPU: this program was stopped,
// or the machine suspended.
type Generator struct {
	// Halts counts gaps of 250 ms or more, HaltedS is their sum, both of the worker with the most.
	Halts        int     `json:"halts"`
	HaltedS      float64 `json:"halted_s"`
	LongestHaltS float64 `json:"longest_halt_s"`
	SuspendedS   float64 `json:"suspended_s,omitempty"`
}

// Observer says how the run was observed, and what that cost.
type Observer struct {
	Census       string `json:"census"` // bpf, diag, proc or off
	CensusReason string `json:"census_reason,omitempty"`
	Trace        string `json:"trace"` // bpf or off
	TraceReason  string `json:"trace_reason,omitempty"`
	// Unread lists what this process could not read, and why: "/proc/net/netstat: permission denied". The record lacks
	// what would come from there.
	Unread []string `json:"unread,omitempty"`
	Cost   Cost     `json:"cost"`
	// IntervalS is the time between two samples. Records of older versions do not have it.
	IntervalS float64 `json:"interval_s,omitempty"`
}

// Cost is the cost of observing, without that of a trace: its programs run within the load's own system calls and interrupts, whose CPU time is the workers'.
type Cost struct {
	Samples     int     `json:"samples"`
	CPUS        float64 `json:"cpu_s"`
	LongestMs   float64 `json:"longest_ms"` // the slowest sample
	SocketsSeen int64   `json:"sockets_seen"`
	// SkippedTicks counts intervals without a census, which would have taken too much CPU from the load.
	SkippedTicks int `json:"skipped_ticks,omitempty"`
}

// Settle describes the wait for the teardown after the load.
type Settle struct {
	ElapsedS float64 `json:"elapsed_s"`
	// Done is set if the load's sockets were all in TIME_WAIT or gone, Quiet if all were gone.
	Done  bool `json:"done"`
	Quiet bool `json:"quiet"`
	// GoneAfterS is the time from the end of the load until the last socket was gone; 0 if some are left.
	GoneAfterS float64 `json:"gone_after_s,omitempty"`
}

// Predicted is what the close policy should lead to, given the outcomes.
type Predicted struct {
	// Paths lists the possible state paths of each side as text, by side name.
	Paths map[string][]string `json:"paths,omitempty"`
	// TimeWait names the side that holds TIME_WAIT: client, server, both, either or none.
	TimeWait string                     `json:"time_wait,omitempty"`
	Counters map[string]sockstate.Range `json:"counters,omitempty"`
	Notes    []string                   `json:"notes,omitempty"`
}

// Check is one check of the accounting: Got, from the kernel or the other
// ledger, must lie in Want.
type Check struct {
	Name string          `json:"name"`
	Want sockstate.Range `json:"want"`
	Got  int64           `json:"got"`
	OK   bool            `json:"ok"`
	// Exact is false if the counters may include other programs' connections (no sandbox).
	Exact bool   `json:"exact"`
	Note  string `json:"note,omitempty"`
	// NotRead says why Got is not known. OK and Exact are then false.
	NotRead string `json:"not_read,omitempty"`
	// Contradicts is set if Got is too low, which other programs' connections cannot explain.
	Contradicts bool `json:"contradicts,omitempty"`
}

// ThresholdResult is the result of a threshold.
type ThresholdResult struct {
	// Expr is the threshold as given: "connect.p99<5ms".
	Expr   string `json:"expr"`
	Metric string `json:"metric"`
	// Got is the value in the metric's unit: microseconds for latencies, per second for
	// rates, a fraction for shares, a number for counts. 0 if the metric is absent.
	Got float64 `json:"got"`
	// GotText is Got with its unit, empty if the metric is absent.
	GotText string `json:"got_text,omitempty"`
	// Want is the bound with its operator and unit: "<5ms".
	Want string `json:"want"`
	OK   bool   `json:"ok"`
	// Reason says why the metric is absent, and the threshold so missed, or qualifies the value.
	Reason string `json:"reason,omitempty"`
}

// Verdict says what limited the result, and whether it is a statement about the target.
type Verdict struct {
	Valid bool `json:"valid"`
	// LimitedBy is one of the Limit constants.
	LimitedBy string `json:"limited_by"`
	// Reasons explain both with numbers, Advice says what would help. They are the sentences of Findings.
	Reasons []string `json:"reasons"`
	Advice  []string `json:"advice,omitempty"`
	// Findings holds the same as data, in order. Records of older versions have none.
	Findings []Finding `json:"findings,omitempty"`
}

// Finding is a reason or a remedy.
type Finding struct {
	// Code is one of a stable set, which lastack help verdicts lists.
	Code string `json:"code"`
	// Args are the arguments of the sentence: float64, string, []any of strings, or bool.
	Args map[string]any `json:"args,omitempty"`
	// Remedy is set for a remedy, whose sentence is in Advice. Other sentences are in Reasons.
	Remedy bool `json:"remedy,omitempty"`
	// Host is the number of the host in Run.Hosts, from 1; 0 if there is only one, or the finding concerns all.
	Host int `json:"host,omitempty"`
	// Try is the number of the try in Drain.Tries, from 1; 0 if the finding concerns all.
	Try int `json:"try,omitempty"`
}
