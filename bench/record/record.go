package record

import (
	"encoding/json"
	"strings"
	"time"

	"lastack/sockstate"
)

// Schema names the format of Run.
const Schema = "lastack.run/v1"

// The kinds of run.
const (
	KindRun   = "run"
	KindDrain = "drain"
)

// Run is one finished run.
type Run struct {
	Schema   string    `json:"schema"`
	Version  string    `json:"version"`
	Kind     string    `json:"kind"`
	Started  time.Time `json:"started"`
	ElapsedS float64   `json:"elapsed_s"`
	// LoadS is the part of ElapsedS in which lifecycles could start: what rates are of. The rest is
	// the end of those in flight.
	LoadS float64 `json:"load_s"`
	// Interrupted is set when a signal ended the run before its time.
	Interrupted bool    `json:"interrupted,omitempty"`
	Plan        Plan    `json:"plan"`
	Shard       *Shard  `json:"shard,omitempty"`
	Hosts       []Host  `json:"hosts"`
	Sandbox     Sandbox `json:"sandbox"`

	Result
	// Groups holds the result of each group of the plan, when there are several.
	Groups []GroupResult `json:"groups,omitempty"`
	// Greetings has the beginning of what targets said, quoted, on a connection of before the load on which nothing was asked.
	Greetings map[string]string `json:"greetings,omitempty"`
	// Warmup is what happened before the result began; none of it is in Result.
	Warmup *Connections `json:"warmup,omitempty"`
	// Server is the embedded server's own ledger.
	Server *Server `json:"server,omitempty"`
	// Drain is set for the kind drain; Result is then of all tries together.
	Drain *Drain `json:"drain,omitempty"`

	TCPInfo  *TCPInfo         `json:"tcp_info,omitempty"`
	States   States           `json:"states"`
	TimeWait TimeWait         `json:"time_wait"`
	Counters map[string]int64 `json:"counters"`
	// CountersBySide splits Counters where client and server have a namespace each.
	CountersBySide map[string]map[string]int64 `json:"counters_by_side,omitempty"`
	Pressure       Pressure                    `json:"pressure"`
	// Generator is set where the load's own workers did not run all the time.
	Generator *Generator `json:"generator,omitempty"`
	// Needs is what the plan was expected to take, reckoned before the first socket opened.
	Needs    *Needs     `json:"needs,omitempty"`
	Observer Observer   `json:"observer"`
	Timeline []Interval `json:"timeline"`
	Settle   *Settle    `json:"settle,omitempty"`

	Predicted Predicted `json:"predicted"`
	// Accounting lists each statement that must hold between our counts, the
	// prediction and the kernel's counters.
	Accounting []Check           `json:"accounting"`
	Thresholds []ThresholdResult `json:"thresholds,omitempty"`
	Verdict    Verdict           `json:"verdict"`
	// Warnings are doubts. One that concerns a part of the record starts with that part's
	// path and a colon, so that it can be shown beside the number: "latency.lag: p99 is 40 ms: ...".
	Warnings []string `json:"warnings"`
}

// Unread says why a counter of the kernel was not read, empty if it was or nothing is known of it.
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

// Result is what a load, or one group of it, came to.
type Result struct {
	Connections Connections        `json:"connections"`
	Outcomes    map[string]int64   `json:"outcomes"`
	Rate        Rate               `json:"rate"`
	Latency     map[string]Latency `json:"latency"`
	// LatencyAbsent says why a key of Latency is missing.
	LatencyAbsent map[string]string `json:"latency_absent,omitempty"`
	// HTTP counts replies by status class, see sockstate.StatusClassNames.
	HTTP map[string]int64 `json:"http,omitempty"`
	// Errnos counts the errno names behind the outcome "other".
	Errnos map[string]int64 `json:"errnos,omitempty"`
	// ExchangeErrors counts the rest of "other": what came was not a reply, by kind, see sockstate.FaultNames.
	ExchangeErrors map[string]int64 `json:"exchange_errors,omitempty"`
	// ExchangeExamples has a sentence about the first of each kind.
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
	// PeakOpen is the most connections established at once, at most: the sum of the workers' peaks.
	PeakOpen int64 `json:"peak_open"`
}

// Rate is per second of LoadS, and counts what was completed within it.
type Rate struct {
	OpenedPerS    float64 `json:"opened_per_s"`
	CompletedPerS float64 `json:"completed_per_s"`
	RequestsPerS  float64 `json:"requests_per_s,omitempty"`
	// TargetPerS is what the open loop's schedule asked for, 0 in closed loop.
	TargetPerS float64 `json:"target_per_s"`
}

// Latency summarizes one histogram. Hdr is the whole of it: base64 of HdrHistogram
// V2 compressed, nanoseconds, 1 ns to 1 h, 3 significant digits; it can be merged.
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

// Plan is what was asked for, in the words of the flags.
type Plan struct {
	Groups     []Group `json:"groups"`
	DurationNs int64   `json:"duration_ns,omitempty"`
	Count      int64   `json:"count,omitempty"`
	WarmupNs   int64   `json:"warmup_ns,omitempty"`
	RampNs     int64   `json:"ramp_ns,omitempty"`
	Workers    int     `json:"workers"`
	// Engine is the backend that did the work: uring or epoll. EngineReason is why it is not a better
	// one, where that was left to choose.
	Engine       string `json:"engine"`
	EngineReason string `json:"engine_reason,omitempty"`
	// ServerWorkers is 0 where the target was not ours.
	ServerWorkers int `json:"server_workers,omitempty"`
	// CPUs are those that worker i of either side stayed on, empty if the scheduler chose.
	CPUs []int `json:"cpus,omitempty"`
	// Command is the command line as typed.
	Command []string `json:"command,omitempty"`
	// Resolved says of each target that is a name with several addresses which of them was taken, and why.
	Resolved []string `json:"resolved,omitempty"`
	// Probed is the number of connections of before the load on which nothing was asked, see Run.Greetings. No other count has them;
	// the target's own may.
	Probed int `json:"probed,omitempty"`
}

// Group is one group of a plan: a load model, an exchange, a hold and a policy.
type Group struct {
	Name        string   `json:"name"`
	Targets     []string `json:"targets"`
	Connections int      `json:"connections,omitempty"`
	RateFrom    float64  `json:"rate_from,omitempty"`
	RateTo      float64  `json:"rate_to,omitempty"`
	HoldNs      int64    `json:"hold_ns,omitempty"`
	PlateauNs   int64    `json:"plateau_ns,omitempty"`
	CloseRate   float64  `json:"close_rate,omitempty"`
	// Keep is idle, asking or partial for clients that keep their connection, ReconnectNs what they wait when they have lost it.
	Keep        string `json:"keep,omitempty"`
	ReconnectNs int64  `json:"reconnect_ns,omitempty"`
	// Gated is set for a group that begins later than the others.
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
	// SourcesChosen is the number of Sources where the run took them by itself, for their ports.
	SourcesChosen int    `json:"sources_chosen,omitempty"`
	SourcePorts   string `json:"source_ports,omitempty"`
}

// Shard is this process's part of a run spread over several.
type Shard struct {
	I int `json:"i"`
	N int `json:"n"`
}

// Host is where the run took place.
type Host struct {
	Kernel      string `json:"kernel"`
	CPUs        int    `json:"cpus"`
	GoMaxProcs  int    `json:"gomaxprocs"`
	MemoryBytes int64  `json:"memory_bytes"`
	// CPUQuota and CgroupMemoryBytes are what control groups allow of both, in CPUs and bytes; 0 without a limit.
	CPUQuota          float64 `json:"cpu_quota,omitempty"`
	CgroupMemoryBytes int64   `json:"cgroup_memory_bytes,omitempty"`
	BootID            string  `json:"boot_id"`
	NetNS             string  `json:"netns"`
	ClockOffsetUs     int64   `json:"clock_offset_us"`
	HZ                int     `json:"hz,omitempty"` // the kernel's CONFIG_HZ; 0 is unknown
	// TimeWaitMinS and TimeWaitMaxS are how long a TIME_WAIT lasts here: its timer's time, and what the kernel's timer wheel
	// rounds it up to. They end in bursts. 0 is unknown.
	TimeWaitMinS float64           `json:"time_wait_min_s,omitempty"`
	TimeWaitMaxS float64           `json:"time_wait_max_s,omitempty"`
	NoFile       int64             `json:"nofile"`
	Sysctls      map[string]string `json:"sysctls"`
}

// Sandbox says where the load took place.
type Sandbox struct {
	// Mode is off, root or user.
	Mode     string `json:"mode"`
	Topology string `json:"topology,omitempty"` // lo or veth
	// Reason says why there is no sandbox, or what it could not do.
	Reason  string            `json:"reason,omitempty"`
	Sysctls map[string]string `json:"sysctls,omitempty"` // those asked for
	Loss    string            `json:"loss,omitempty"`
	// EhashEntries is the size of the connection hash, where each namespace has one of its own: it then
	// keeps half as many TIME_WAIT sockets. 0: they share the host's.
	EhashEntries int `json:"ehash_entries,omitempty"`
}

// Server is the embedded server's own ledger.
type Server struct {
	Listeners int   `json:"listeners"`
	Backlog   int   `json:"backlog"`
	Accepted  int64 `json:"accepted"`
	Requests  int64 `json:"requests"`
	// Open is the number still open when the ledger was closed.
	Open int64 `json:"open,omitempty"`
	// Outcomes counts how connections ended as the server saw it, in the server's own words:
	// accepted = open + their sum.
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

// States is what was seen of the TCP states, by side and state name.
type States struct {
	// Source is the census that spoke: diag or proc; empty if none could.
	Source string                    `json:"source"`
	Peak   map[string]map[string]int `json:"peak"`
	// Final is the last census, after settling where that was asked for.
	Final map[string]map[string]int `json:"final,omitempty"`
}

// TimeWait is the build-up of TIME_WAIT.
type TimeWait struct {
	Peak       int            `json:"peak"` // census, both sides
	PeakBySide map[string]int `json:"peak_by_side,omitempty"`
	// Entered and EnteredShort are the growth of TcpExtTW and TcpExtTWKilled, which
	// count at entry: timeouts above and up to 4 s.
	Entered      int64 `json:"entered"`
	EnteredShort int64 `json:"entered_short"`
	// Overflow is TcpExtTCPTimeWaitOverflow: closed at once, tcp_max_tw_buckets being full.
	Overflow int64 `json:"overflow"`
	// Simultaneous is the number of connections whose FINs crossed, so that both ends entered
	// TIME_WAIT: entries less connections. Set only where it says that: under both:fin, in a
	// namespace of the load's own, with every connection completed.
	Simultaneous *int64 `json:"simultaneous,omitempty"`
	// ReusedByConnect is TcpExtTWRecycled: a connect took over the port of a TIME_WAIT socket.
	ReusedByConnect  int64 `json:"reused_by_connect"`
	FinWait2MiniPeak int   `json:"fin_wait2_mini_peak"`
	OrphanPeak       int   `json:"orphan_peak"`
	// EndedEarly is the number that were gone before their time and not taken over by a connect: a SYN from the same port
	// reopened them at the server, or a reset ended them. No counter has these. Set in a sandbox, by runs of less than a minute.
	EndedEarly int64 `json:"ended_early,omitempty"`
	// HostBuckets is net.ipv4.tcp_max_tw_buckets of the host's namespace, where the load was in a sandbox: it may have more.
	HostBuckets int `json:"host_buckets,omitempty"`
	// MaxBuckets is net.ipv4.tcp_max_tw_buckets of the namespace that holds them.
	MaxBuckets int `json:"max_buckets,omitempty"`
	// LongestLeftS is the time that the youngest TIME_WAIT of the last census still has, by its timer, which the kernel rounds up:
	// see Host.
	LongestLeftS float64 `json:"longest_left_s,omitempty"`
	// NotRead says why Entered, EnteredShort, Overflow and ReusedByConnect, the kernel's counters, are not known:
	// JSON then lacks their keys.
	NotRead string `json:"not_read,omitempty"`
}

// MarshalJSON leaves out what was not read.
func (t TimeWait) MarshalJSON() ([]byte, error) {
	type plain TimeWait // without this method
	if t.NotRead == "" {
		return json.Marshal(plain(t))
	}
	// The shallower of two fields of one name is the one that is encoded.
	return json.Marshal(struct {
		plain
		Entered         int `json:"entered,omitempty"`
		EnteredShort    int `json:"entered_short,omitempty"`
		Overflow        int `json:"overflow,omitempty"`
		ReusedByConnect int `json:"reused_by_connect,omitempty"`
	}{plain: plain(t)})
}

// Interval is one sample of the timeline. Counts are of the interval, states are at its end.
type Interval struct {
	TS    float64 `json:"t_s"`
	Phase string  `json:"phase,omitempty"` // warmup, load, drain (no new lifecycles), settle

	Started   int64 `json:"started"`
	Opened    int64 `json:"opened"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
	Requests  int64 `json:"requests,omitempty"`
	InFlight  int64 `json:"in_flight"`
	// Failures splits Failed by outcome.
	Failures map[string]int64 `json:"failures,omitempty"`
	// Lifecycle latency of those that completed in the interval.
	P50Us float64 `json:"p50_us,omitempty"`
	P99Us float64 `json:"p99_us,omitempty"`
	MaxUs float64 `json:"max_us,omitempty"`
	// Lifecycle is the same without what started in the warm-up: the intervals' histograms add up to the result's. Nil where nothing
	// completed.
	Lifecycle *Latency `json:"lifecycle,omitempty"`

	Client map[string]int `json:"client,omitempty"`
	Server map[string]int `json:"server,omitempty"`
	// AcceptQueue is the listeners' queue length, NotAccepted the census's count of it.
	AcceptQueue  int   `json:"accept_queue,omitempty"`
	NotAccepted  int   `json:"not_accepted,omitempty"`
	FinWait2Mini int   `json:"fin_wait2_mini,omitempty"`
	Orphans      int   `json:"orphans,omitempty"`
	PortsInUse   int   `json:"ports_in_use,omitempty"` // the fullest pair
	Fds          int   `json:"fds,omitempty"`
	MemBytes     int64 `json:"tcp_mem_bytes,omitempty"` // sockstat mem of the whole host
	// Counters holds the growth of the counters worth a look in the interval: retransmissions, drops, overflows.
	Counters map[string]int64 `json:"counters,omitempty"`
}

// Pressure is how close the run came to the limits around it.
type Pressure struct {
	Ports  Ports  `json:"ports"`
	Fds    Fds    `json:"fds"`
	Memory Memory `json:"memory"`
	CPU    CPU    `json:"cpu"`
	// AcceptQueue is the fullest that the listeners were seen.
	AcceptQueuePeak int        `json:"accept_queue_peak"`
	Backlog         int        `json:"backlog,omitempty"`
	Orphans         Gauge      `json:"orphans"`
	TWBuckets       Gauge      `json:"tw_buckets"`
	Conntrack       *Gauge     `json:"conntrack,omitempty"`
	PSI             *PSI       `json:"psi,omitempty"`
	Files           Gauge      `json:"files"` // fs.file-nr of the whole host
	Pairs           []PortPair `json:"port_pairs,omitempty"`
	// Unread are the pressures that nothing was read of, as the Unread names: that there was none is not known.
	Unread []string `json:"unread,omitempty"`
}

// What Pressure.Unread lists.
const (
	UnreadPorts    = "ports"    // no census saw local ports in use
	UnreadCounters = "counters" // the kernel's, of segments sent again and of full queues
	UnreadMemory   = "memory"   // TCP's buffers
	UnreadQuota    = "quota"    // how often the control group's CPU quota was used up
)

// Needs is what a plan takes, by arithmetic alone.
type Needs struct {
	// Connections and Sockets are open at once; a connection has both its ends here with the embedded server.
	Connections int64 `json:"connections"`
	Sockets     int64 `json:"sockets"`
	// TimeWaits are those that the plan leaves at once, at least.
	TimeWaits NeedsBySide `json:"time_waits"`
	// SourceAddresses have PortsEach local ports to each target.
	SourceAddresses int `json:"source_addresses"`
	PortsEach       int `json:"ports_each"`
	// KernelBytes is the kernel's memory for sockets and TIME_WAITs, ProcessBytes this process's.
	KernelBytes  int64 `json:"kernel_bytes"`
	ProcessBytes int64 `json:"process_bytes"`
	// ExchangeBytes is what the exchanges may have in socket buffers, if all are under way at once.
	ExchangeBytes int64 `json:"exchange_bytes,omitempty"`
}

// NeedsBySide splits a number by the side that holds it.
type NeedsBySide struct {
	Client int64 `json:"client"`
	Server int64 `json:"server"`
}

// Gauge is a peak against its limit; a limit of 0 is unknown.
type Gauge struct {
	Peak  int64 `json:"peak"`
	Limit int64 `json:"limit"`
}

// Ports is the fullest source and destination pair against the ports that it may use.
type Ports struct {
	Range string `json:"range"` // "32768 60999"
	// Available is the number of ports in the range less the reserved ones, and less a target's port on this host, which no
	// connection to it may come from.
	Available int `json:"available"`
	// FirstPass is the number of those that connect() tries first: one parity, or all of them where the range is the
	// socket's own (IP_LOCAL_PORT_RANGE). 0 is unknown.
	FirstPass int `json:"first_pass,omitempty"`
	PeakInUse int `json:"peak_in_use"`
	// Pairs is the number of pairs that the load used; Pressure.Pairs lists the fullest.
	Pairs int `json:"pairs,omitempty"`
	Outlook
}

// Outlook is what becomes of the local ports if the load goes on.
type Outlook struct {
	// ExhaustedInS is the time from the start to exhaustion: as found, or as the load's rate has it if it goes on. 0 if
	// there are ports enough.
	ExhaustedInS float64 `json:"exhausted_in_s,omitempty"`
	// LevelsOffAt is how many ports of a pair the load comes to have in use for good, if it goes on and they suffice; 0 is unknown.
	LevelsOffAt int `json:"levels_off_at,omitempty"`
	// MaySlow is of a closed loop that connect may slow down on the way: ExhaustedInS is then the earliest, LevelsOffAt the most.
	MaySlow bool `json:"may_slow,omitempty"`
}

// PortPair is one source and destination pair.
type PortPair struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	PeakInUse   int    `json:"peak_in_use"`
}

// Fds is this process's descriptors.
type Fds struct {
	Peak  int   `json:"peak"`
	Limit int64 `json:"limit"`
	// ServerPeak is those of --server-pid and its descendants, the most that a census found; 0 without
	// one, and where they are another user's.
	ServerPeak int `json:"server_peak,omitempty"`
}

// Memory of sockets and of processes.
type Memory struct {
	TCPPeakBytes  int64 `json:"tcp_peak_bytes"`  // sockstat "mem", buffers of the whole host
	TCPLimitBytes int64 `json:"tcp_limit_bytes"` // tcp_mem, third value
	// SlabPeakBytes is the growth of the slabs that sockets are made of; of all slabs where the run was not
	// root's, who alone may tell them apart.
	SlabPeakBytes int64 `json:"slab_peak_bytes,omitempty"`
	RSSPeakBytes  int64 `json:"rss_peak_bytes"` // VmHWM of this process
	// CgroupLimitBytes is the memory limit of this process's control group, 0 without one; CgroupHits is how often memory
	// was wanted beyond it, page cache included, and CgroupOOM how often none could be found.
	CgroupLimitBytes int64 `json:"cgroup_limit_bytes,omitempty"`
	CgroupHits       int64 `json:"cgroup_hits,omitempty"`
	CgroupOOM        int64 `json:"cgroup_oom,omitempty"`
	// ServerRSSPeakBytes is what --server-pid and its descendants had resident, the most that a census
	// found, a page that they share counted for each; 0 without one.
	ServerRSSPeakBytes int64 `json:"server_rss_peak_bytes,omitempty"`
}

// CPU seconds over the measured time. On loopback the kernel charges the peer's
// softirq work to whoever sends.
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
	// Quota is the CPU quota of this process's control group, in CPUs, 0 without one; Throttled of its QuotaPeriods ended
	// with threads that had to wait for the next, ThrottledS in all.
	Quota        float64 `json:"quota,omitempty"`
	QuotaPeriods int64   `json:"quota_periods,omitempty"`
	Throttled    int64   `json:"throttled,omitempty"`
	ThrottledS   float64 `json:"throttled_s,omitempty"`
	// NotRead says why the times of the whole machine are not known: JSON then lacks their keys.
	NotRead string `json:"not_read,omitempty"`
	// WorkersNotRead says why the times of the worker threads are not known; those that are 0 may not be.
	WorkersNotRead string `json:"workers_not_read,omitempty"`
}

// SharesTell reports whether the time was long enough to tell CPU shares: the kernel counts the machine's in ticks of 10 ms
// (USER_HZ), and reports threads' no finer, so that over less than 0.2 s they are off by a tenth and more.
func (c *CPU) SharesTell() bool { return c.ElapsedS >= 0.2 }

// MarshalJSON leaves out what was not read.
func (c CPU) MarshalJSON() ([]byte, error) {
	type plain CPU // without this method
	if c.NotRead == "" {
		return json.Marshal(plain(c))
	}
	// The shallower of two fields of one name is the one that is encoded.
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

// Generator is the time in which the load's workers did not run though they had something to do, nor waited for a CPU that
// others had: this program was stopped, or the machine suspended.
type Generator struct {
	// Halts is the number of gaps of 250 ms or more of the worker that had the most, HaltedS their sum.
	Halts        int     `json:"halts"`
	HaltedS      float64 `json:"halted_s"`
	LongestHaltS float64 `json:"longest_halt_s"`
	SuspendedS   float64 `json:"suspended_s,omitempty"`
}

// Observer says who observed, and what it cost.
type Observer struct {
	Census       string `json:"census"` // diag, proc or off
	CensusReason string `json:"census_reason,omitempty"`
	Trace        string `json:"trace"` // off
	TraceReason  string `json:"trace_reason,omitempty"`
	// Unread names what the kernel would tell and this process could not read, and why: "/proc/net/netstat:
	// permission denied". What comes from there is missing from the record, not 0.
	Unread []string `json:"unread,omitempty"`
	Cost   Cost     `json:"cost"`
}

// Cost is the observers' own.
type Cost struct {
	Samples     int     `json:"samples"`
	CPUS        float64 `json:"cpu_s"`
	LongestMs   float64 `json:"longest_ms"` // the slowest sample
	SocketsSeen int64   `json:"sockets_seen"`
	// SkippedTicks are intervals without a census, which would have taken too much of a CPU from the load.
	SkippedTicks int `json:"skipped_ticks,omitempty"`
}

// Settle is the watch over the teardown after the load.
type Settle struct {
	ElapsedS float64 `json:"elapsed_s"`
	// Done is set when no socket of the load but TIME_WAIT was left; with Quiet, none at all.
	Done  bool `json:"done"`
	Quiet bool `json:"quiet"`
	// GoneAfterS is when the last socket was gone, from the end of the load; 0 if some are left.
	GoneAfterS float64 `json:"gone_after_s,omitempty"`
}

// Predicted is what the close policy should have brought, for the outcomes that were seen.
type Predicted struct {
	// Paths are the possible state paths of each side, by side name, in words.
	Paths map[string][]string `json:"paths,omitempty"`
	// TimeWait names the side that holds TIME_WAIT: client, server, both, either or none.
	TimeWait string                     `json:"time_wait,omitempty"`
	Counters map[string]sockstate.Range `json:"counters,omitempty"`
	Notes    []string                   `json:"notes,omitempty"`
}

// Check is one statement of the accounting: Got, by the kernel or by the other
// ledger, must lie in Want.
type Check struct {
	Name string          `json:"name"`
	Want sockstate.Range `json:"want"`
	Got  int64           `json:"got"`
	OK   bool            `json:"ok"`
	// Exact is unset where the counters may hold others' connections too (no sandbox).
	Exact bool   `json:"exact"`
	Note  string `json:"note,omitempty"`
	// NotRead says why there is nothing to compare: Got is not known, and OK and Exact are unset.
	NotRead string `json:"not_read,omitempty"`
	// Contradicts is set where there are fewer than Want, which others' connections, being more, do not explain.
	Contradicts bool `json:"contradicts,omitempty"`
}

// ThresholdResult is what one threshold came to.
type ThresholdResult struct {
	// Expr is the threshold as it was given: "connect.p99<5ms".
	Expr   string `json:"expr"`
	Metric string `json:"metric"`
	// Got is the value found, in the metric's unit: microseconds for latencies, per second
	// for rates, a fraction for shares, a number for counts. 0 where the metric is absent.
	Got float64 `json:"got"`
	// GotText is Got with its unit, empty where the metric is absent.
	GotText string `json:"got_text,omitempty"`
	// Want is the bound with its operator and unit: "<5ms".
	Want string `json:"want"`
	OK   bool   `json:"ok"`
	// Reason says why a threshold could not be answered, and is then missed; or what to know of the answer.
	Reason string `json:"reason,omitempty"`
}

// Verdict says what bound the result, and whether it is a statement about the target.
type Verdict struct {
	Valid bool `json:"valid"`
	// LimitedBy is one of the Limit constants.
	LimitedBy string `json:"limited_by"`
	// Reasons explain both, with numbers; Advice says what would help. They are the sentences of Findings.
	Reasons []string `json:"reasons"`
	Advice  []string `json:"advice,omitempty"`
	// Findings are both as data, in order. Records of older versions have none.
	Findings []Finding `json:"findings,omitempty"`
}

// Finding is one judgement, or one remedy.
type Finding struct {
	// Code is one of a stable set: lastack help verdicts lists it.
	Code string `json:"code"`
	// Args are what the sentence says: numbers (float64), words (string), lists of words ([]any), yes or no (bool).
	Args map[string]any `json:"args,omitempty"`
	// Remedy is set for what would help: its sentence is in Advice, others' are in Reasons.
	Remedy bool `json:"remedy,omitempty"`
	// Host is the place in Run.Hosts of the host that it is about, from 1; 0 if there is but one, or it is about all.
	Host int `json:"host,omitempty"`
	// Try is the place in Drain.Tries of the try that it is about, from 1; 0 if it is about all.
	Try int `json:"try,omitempty"`
}
