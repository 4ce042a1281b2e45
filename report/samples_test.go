package report

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

// samples are runs as they could have been, by name of their golden.
func samples(t testing.TB) map[string]*record.Run {
	all := map[string]*record.Run{
		"closed-loop":     closedLoop(t),
		"port-exhaustion": portExhaustion(t),
		"interrupted":     interrupted(t),
		"remote":          remote(t),
		"groups":          severalGroups(t),
		"not-valid":       notValid(t),
		"reset":           reset(t),
		"million":         million(t),
		"http-errors":     httpErrors(t),
		"minimal":         {Schema: record.Schema, Kind: record.KindRun},
	}
	maps.Copy(all, drains(t))
	return all
}

// latency draws n samples around a median in microseconds.
func latency(t testing.TB, n int64, median, spread float64) record.Latency {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(median)))
	h := record.NewHistogram()
	for range 5000 {
		if err := h.RecordValues(int64(median*1e3*math.Exp(rng.NormFloat64()*spread))+1, 1); err != nil {
			t.Fatal(err)
		}
	}
	l, err := record.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	l.Count, l.Hdr = n, ""
	return l
}

func aHost() record.Host {
	return record.Host{
		Kernel: "6.18.0", CPUs: 2, GoMaxProcs: 6, MemoryBytes: 8 << 30, NoFile: 20000, HZ: 250, TimeWaitMinS: 60, TimeWaitMaxS: 62.048,
		Sysctls: map[string]string{
			"net.ipv4.ip_local_port_range": "32768\t60999", "net.ipv4.tcp_tw_reuse": "2", "net.ipv4.tcp_fin_timeout": "60", "net.ipv4.tcp_max_tw_buckets": "131072",
			"net.core.somaxconn": "4096", "net.ipv4.tcp_timestamps": "1",
		},
	}
}

func base() *record.Run {
	return &record.Run{
		Schema: record.Schema, Version: "0.1.0", Kind: record.KindRun,
		Started: time.Date(2026, 11, 22, 23, 28, 41, 0, time.FixedZone("", 3600)), ElapsedS: 10.004,
		Hosts: []record.Host{aHost()},
		Observer: record.Observer{
			Census: "diag", Trace: "off", TraceReason: "not in this version",
			Cost: record.Cost{Samples: 12, CPUS: 0.213, LongestMs: 48.1, SocketsSeen: 812_345},
		},
		States: record.States{Source: "diag"},
	}
}

// timeline runs n intervals of a second; fill sets what each holds.
func timeline(n int, fill func(i int, iv *record.Interval)) []record.Interval {
	tl := make([]record.Interval, n)
	for i := range tl {
		tl[i].TS, tl[i].Phase = float64(i+1)+0.002, "load"
		fill(i, &tl[i])
	}
	return tl
}

func closedLoop(t testing.TB) *record.Run {
	r := base()
	const n = 141_207
	r.Plan = record.Plan{
		Groups: []record.Group{{
			Name: "default", Targets: []string{"127.0.0.1:15000"}, Connections: 64, Close: "client:fin", OnEOF: "close", Exchange: "echo:1,1",
		}},
		DurationNs: 10e9, WarmupNs: 1e9, Workers: 2, ServerWorkers: 2, Engine: "epoll",
		Command: []string{"lastack", "run", "-c", "64", "-d", "10s", "--warmup", "1s", "--threshold", "connect.p99<5ms"},
	}
	r.Warmup = &record.Connections{Attempted: 12_811, Completed: 12_811}
	r.Sandbox = record.Sandbox{Mode: "root", Topology: "lo"}
	r.Result = record.Result{
		Connections: record.Connections{Attempted: n, Opened: n, Completed: n, Requests: n, PeakOpen: 64},
		Outcomes:    map[string]int64{sockstate.OutcomeFIN.String(): n},
		Rate:        record.Rate{OpenedPerS: n / 10.004, CompletedPerS: n / 10.004, RequestsPerS: n / 10.004},
		Latency: map[string]record.Latency{
			"lag": latency(t, n, 2.1, 0.8), "connect": latency(t, n, 412, 0.35), "exchange": latency(t, n, 1210, 0.3), "lifecycle": latency(t, n, 4100, 0.28),
		},
		LatencyAbsent: map[string]string{"close": "under client:fin the descriptor is gone before the FIN is answered"},
	}
	r.TCPInfo = &record.TCPInfo{Sampled: 1024, SndMSS: 32741, SndCwnd: 10}
	rtt, minRTT := latency(t, 1024, 61, 0.4), latency(t, 1024, 33, 0.2)
	r.TCPInfo.RTTUs, r.TCPInfo.MinRTTUs = &rtt, &minRTT
	r.States.Peak = map[string]map[string]int{
		"client": {"ESTABLISHED": 61, "SYN_SENT": 4, "FIN_WAIT_1": 3, "FIN_WAIT_2": 2, "TIME_WAIT": 131_072},
		"server": {"ESTABLISHED": 63, "LISTEN": 2, "CLOSE_WAIT": 5, "LAST_ACK": 1, "SYN_RECV": 2},
	}
	r.States.Final = map[string]map[string]int{"client": {"TIME_WAIT": 131_072}, "server": {"LISTEN": 2}}
	r.TimeWait = record.TimeWait{
		Peak: 131_072, PeakBySide: map[string]int{"client": 131_072}, Entered: 131_072, Overflow: n - 131_072, ReusedByConnect: 0,
		MaxBuckets: 131_072, LongestLeftS: 58.913,
	}
	r.Counters = map[string]int64{
		"TcpActiveOpens": n, "TcpPassiveOpens": n, "TcpExtTW": 131_072, "TcpExtTCPTimeWaitOverflow": n - 131_072, "TcpInSegs": 1_129_656, "TcpOutSegs": 1_129_656,
	}
	r.Pressure = record.Pressure{
		Ports: record.Ports{Range: "32768 60999", Available: 28_232, PeakInUse: 8_811}, Fds: record.Fds{Peak: 152, Limit: 20000},
		Memory: record.Memory{TCPPeakBytes: 1_441_792, TCPLimitBytes: 806_682_624, SlabPeakBytes: 70_123_520, RSSPeakBytes: 44_040_192},
		CPU: record.CPU{
			CPUs: 2, ElapsedS: 10.004, GeneratorS: 10.41, ServerS: 7.82, ObserverS: 0.41, SystemS: 18.49, UserS: 0.61, SoftirqS: 9.12, IdleS: 0.72,
			GeneratorBusiest: 0.981, ServerBusiest: 0.733,
		},
		AcceptQueuePeak: 21, Backlog: 4096, TWBuckets: record.Gauge{Peak: 131_072, Limit: 131_072}, Files: record.Gauge{Peak: 1632, Limit: 1_000_000},
		PSI: &record.PSI{CPUSomeS: 6.12, MemorySomeS: 0, IOSomeS: 0.01},
		Pairs: []record.PortPair{
			{Source: "127.0.0.2", Destination: "127.0.0.1:15000", PeakInUse: 8_702},
			{Source: "127.0.0.3", Destination: "127.0.0.1:15000", PeakInUse: 8_811},
			{Source: "127.0.0.4", Destination: "127.0.0.1:15000", PeakInUse: 8_640},
			{Source: "127.0.0.5", Destination: "127.0.0.1:15000", PeakInUse: 8_101},
		},
	}
	r.Timeline = timeline(12, func(i int, iv *record.Interval) {
		if i >= 10 {
			iv.Phase = "settle"
			iv.Client = map[string]int{"TIME_WAIT": 131_072}
			iv.Server = map[string]int{"LISTEN": 2}
			iv.PortsInUse = 8_811
			return
		}
		iv.Started, iv.Opened, iv.Completed, iv.Requests = 14_120, 14_120+int64(i*37%200), 14_119, 14_120
		iv.InFlight, iv.P50Us, iv.P99Us = 64, 4100, 7800+float64(i*i*91%1400)
		iv.Client = map[string]int{"ESTABLISHED": 58 + i%4, "TIME_WAIT": min(131_072, 14_120*(i+1)), "FIN_WAIT_1": i % 3}
		iv.Server = map[string]int{"ESTABLISHED": 60 + i%3, "CLOSE_WAIT": i % 6, "LISTEN": 2}
		iv.Fds, iv.PortsInUse, iv.AcceptQueue = 152, 881*(i+1), i*3%22
	})
	r.Settle = &record.Settle{ElapsedS: 2.0, Done: true}
	r.Predicted = record.Predicted{
		Paths: map[string][]string{
			"client": {"ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"},
			"server": {"ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"},
		},
		TimeWait: "client",
		Counters: map[string]sockstate.Range{
			"TcpExtTW+TcpExtTWKilled+TcpExtTCPTimeWaitOverflow": {Min: n, Max: n}, "TcpExtTCPAbortOnData": {}, "TcpExtTCPAbortOnClose": {},
		},
		Notes: []string{"An immediate passive close usually merges its FIN with the ACK: FIN_WAIT_2 is passed in an instant."},
	}
	r.Accounting = []record.Check{
		{Name: "attempted = sum of outcomes", Want: sockstate.Range{Min: n, Max: n}, Got: n, OK: true, Exact: true},
		{Name: "TcpActiveOpens = attempted less failed before a SYN", Want: sockstate.Range{Min: n, Max: n}, Got: n, OK: true, Exact: true},
		{Name: "opened = accepted by the server", Want: sockstate.Range{Min: n, Max: n}, Got: n, OK: true, Exact: true},
	}
	r.Server = &record.Server{Listeners: 2, Backlog: 4096, Accepted: n, Requests: n, Outcomes: map[string]int64{sockstate.OutcomeFIN.String(): n}}
	r.Thresholds = []record.ThresholdResult{
		{Expr: "connect.p99<5ms", Metric: "connect.p99", Got: 934, GotText: "934µs", Want: "<5ms", OK: true},
	}
	r.Verdict = record.Verdict{
		Valid: true, LimitedBy: record.LimitGeneratorCPU,
		Reasons: []string{
			"the load's busiest worker was 98.1 % busy, the server's 73.3 %",
			"the machine was idle 3.6 % of the time",
		},
		Advice: []string{"run load and server on machines of their own, or take the rate as what this host can do with both"},
	}
	r.Warnings = []string{
		"time_wait.overflow: 10,135 sockets skipped TIME_WAIT since tcp_max_tw_buckets (131,072) was full: a longer run would show more of it",
	}
	return r
}

func portExhaustion(t testing.TB) *record.Run {
	r := base()
	r.ElapsedS = 10.001
	const asked, opened = 20_000, 1_000
	r.Plan = record.Plan{
		Groups: []record.Group{{
			Name: "default", Targets: []string{"10.99.0.2:15000"}, RateFrom: 2000, RateTo: 2000, Close: "client:fin", OnEOF: "close", Exchange: "echo:1,1",
		}},
		DurationNs: 10e9, Workers: 2, ServerWorkers: 2, Engine: "epoll",
		Command: []string{
			"lastack", "run", "-R", "2000", "-d", "10s", "--topology", "veth", "--sysctl", "net.ipv4.ip_local_port_range=40000 40999",
			"--sysctl", "net.ipv4.tcp_tw_reuse=0", "--close", "client:fin", "--threshold", "failed_ratio<0.1%", "--threshold", "close.p99<5ms",
		},
	}
	r.Hosts[0].Sysctls["net.ipv4.tcp_tw_reuse"], r.Hosts[0].Sysctls["net.ipv4.ip_local_port_range"] = "0", "40000\t40999"
	r.Sandbox = record.Sandbox{
		Mode: "user", Topology: "veth",
		Sysctls: map[string]string{"net.ipv4.tcp_tw_reuse": "0", "net.ipv4.ip_local_port_range": "40000 40999"},
	}
	r.Result = record.Result{
		Connections: record.Connections{Scheduled: asked, Attempted: asked, Opened: opened, Completed: opened, Failed: asked - opened, Requests: opened, PeakOpen: 9},
		Outcomes:    map[string]int64{sockstate.OutcomeFIN.String(): opened, sockstate.OutcomeNoLocalPort.String(): asked - opened - 2, sockstate.OutcomeOther.String(): 2},
		Errnos:      map[string]int64{"EPERM": 2},
		Rate:        record.Rate{OpenedPerS: 99.99, CompletedPerS: 99.99, RequestsPerS: 99.99, TargetPerS: 2000},
		Latency: map[string]record.Latency{
			"lag": latency(t, asked, 31, 0.6), "connect": latency(t, opened, 88, 0.3), "exchange": latency(t, opened, 61, 0.3), "lifecycle": latency(t, opened, 210, 0.4),
		},
		LatencyAbsent: map[string]string{"close": "under client:fin the descriptor is gone before the FIN is answered"},
	}
	r.States.Peak = map[string]map[string]int{
		"client": {"ESTABLISHED": 2, "TIME_WAIT": 1000},
		"server": {"ESTABLISHED": 2, "LISTEN": 2},
	}
	r.States.Final = map[string]map[string]int{"client": {"TIME_WAIT": 1000}, "server": {"LISTEN": 2}}
	r.TimeWait = record.TimeWait{
		Peak: 1000, PeakBySide: map[string]int{"client": 1000}, Entered: 1000, MaxBuckets: 131_072, LongestLeftS: 50.4,
	}
	r.Counters = map[string]int64{"TcpActiveOpens": opened, "TcpPassiveOpens": opened, "TcpExtTW": opened, "TcpRetransSegs": 3, "TcpExtTCPTimeouts": 3}
	r.CountersBySide = map[string]map[string]int64{
		"client": {"TcpActiveOpens": opened, "TcpExtTW": opened, "TcpRetransSegs": 2, "TcpExtTCPTimeouts": 2},
		"server": {"TcpPassiveOpens": opened, "TcpRetransSegs": 1, "TcpExtTCPTimeouts": 1},
	}
	r.Pressure = record.Pressure{
		Ports: record.Ports{Range: "40000 40999", Available: 1000, PeakInUse: 1000, Outlook: record.Outlook{ExhaustedInS: 0.51}}, Fds: record.Fds{Peak: 41, Limit: 20000},
		Memory: record.Memory{TCPPeakBytes: 53_248, TCPLimitBytes: 806_682_624, RSSPeakBytes: 39_845_888},
		CPU: record.CPU{
			CPUs: 2, ElapsedS: 10.001, GeneratorS: 3.12, ServerS: 0.08, ObserverS: 0.08, SystemS: 3.31, UserS: 0.21, SoftirqS: 0.07, StealS: 0.2, IdleS: 16.3,
			GeneratorBusiest: 0.16, ServerBusiest: 0.01,
		},
		Backlog: 4096, TWBuckets: record.Gauge{Peak: 1000, Limit: 131_072}, Files: record.Gauge{Peak: 1210, Limit: 1_000_000},
		Conntrack: &record.Gauge{Peak: 12, Limit: 262_144},
	}
	r.Timeline = timeline(10, func(i int, iv *record.Interval) {
		iv.Started, iv.Failed = 2000, 2000
		iv.Failures = map[string]int64{sockstate.OutcomeNoLocalPort.String(): 2000}
		if i == 0 {
			iv.Opened, iv.Completed, iv.Failed, iv.P50Us, iv.P99Us = 1000, 1000, 1000, 210, 500
			iv.Failures = map[string]int64{sockstate.OutcomeNoLocalPort.String(): 1000}
		}
		if i == 4 {
			iv.Failures = map[string]int64{sockstate.OutcomeNoLocalPort.String(): 1998, sockstate.OutcomeOther.String(): 2}
		}
		iv.Client = map[string]int{"TIME_WAIT": 1000}
		iv.Server = map[string]int{"LISTEN": 2}
		iv.PortsInUse, iv.Fds = 1000, 41
	})
	r.Predicted = record.Predicted{
		Paths: map[string][]string{
			"client": {"ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"},
			"server": {"ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"},
		},
		TimeWait: "client",
	}
	r.Accounting = []record.Check{
		{Name: "attempted = sum of outcomes", Want: sockstate.Range{Min: asked, Max: asked}, Got: asked, OK: true, Exact: true},
		{Name: "TcpActiveOpens", Want: sockstate.Range{Min: 1000, Max: 1002}, Got: 1000, OK: true, Exact: true, Note: "attempted less no_local_port; the outcome other may or may not have sent a SYN"},
		{Name: "TcpExtTW+TcpExtTWKilled+TcpExtTCPTimeWaitOverflow", Want: sockstate.Range{Min: 1000, Max: 1000}, Got: 1000, OK: true, Exact: true},
	}
	r.Server = &record.Server{Listeners: 2, Backlog: 4096, Accepted: opened, Requests: opened, Outcomes: map[string]int64{sockstate.OutcomeFIN.String(): opened}}
	r.Thresholds = []record.ThresholdResult{
		{Expr: "failed_ratio<0.1%", Metric: "failed_ratio", Got: 0.95, GotText: "95%", Want: "<0.1%"},
		{Expr: "close.p99<5ms", Metric: "close.p99", Want: "<5ms", Reason: "the close latency is absent: under client:fin the descriptor is gone before the FIN is answered"},
	}
	r.Verdict = record.Verdict{
		LimitedBy: record.LimitPorts,
		Reasons: []string{
			"19,000 of 20,000 connects found no local port: all 1,000 ports of 40000-40999 towards 10.99.0.2:15000 were taken, 1,000 of them in TIME_WAIT",
			"ports / 61.0 s: 1,000 ports bear 16.4 connections/s while the client holds TIME_WAIT for 60 to 62.0 s; 2,000/s were asked for",
		},
		Advice: []string{
			"the server closes first (--close server:fin): TIME_WAIT moves to its side and takes no port here",
			"120,000 ports would be needed: --source with 5 addresses, each with all of 32768-60999",
			"--sysctl net.ipv4.tcp_tw_reuse=1 frees a port after 1 s (needs timestamps)",
			"--close client:rst leaves no TIME_WAIT, at the price of resets",
		},
	}
	return r
}

func interrupted(t testing.TB) *record.Run {
	r := base()
	r.Interrupted, r.ElapsedS = true, 4.213
	r.Plan = record.Plan{
		Groups: []record.Group{{
			Name: "default", Targets: []string{"[::1]:15000"}, Connections: 5000, PlateauNs: 60e9, CloseRate: 500, Close: "never", OnEOF: "close", Exchange: "none",
		}},
		Workers: 2, ServerWorkers: 2, Engine: "epoll", Command: []string{"lastack", "run", "-c", "5000", "--plateau", "1m", "--close-rate", "500", "--close", "never"},
	}
	r.Sandbox = record.Sandbox{Mode: "off", Reason: "the kernel refused a user namespace (AppArmor: kernel.apparmor_restrict_unprivileged_userns=1)"}
	r.Result = record.Result{
		Connections: record.Connections{Attempted: 5000, Opened: 4997, Completed: 0, Unfinished: 5000, PeakOpen: 5000},
		Outcomes:    map[string]int64{sockstate.OutcomeHeld.String(): 4997, sockstate.OutcomeInterrupted.String(): 3},
		Rate:        record.Rate{OpenedPerS: 1186.1},
		Latency:     map[string]record.Latency{"connect": latency(t, 4997, 95, 0.5), "lag": latency(t, 5000, 1.1, 0.4)},
		LatencyAbsent: map[string]string{
			"exchange": "there is no exchange", "close": "nobody closed", "lifecycle": "no lifecycle was completed",
		},
	}
	r.States.Source, r.Observer.Census, r.Observer.CensusReason = "proc", "proc", "sock_diag was refused (EPERM)"
	r.States.Peak = map[string]map[string]int{"client": {"ESTABLISHED": 4997, "SYN_SENT": 3}, "server": {"ESTABLISHED": 4997, "LISTEN": 2}}
	r.Counters = map[string]int64{"TcpActiveOpens": 5_031, "TcpPassiveOpens": 5_003, "TcpExtTCPSynRetrans": 3, "TcpRetransSegs": 3, "TcpOutRsts": 1}
	r.Pressure = record.Pressure{
		Ports: record.Ports{Range: "32768 60999", Available: 28_230, PeakInUse: 5000, Outlook: record.Outlook{ExhaustedInS: 23.8}}, Fds: record.Fds{Peak: 10_031, Limit: 20000},
		CPU:     record.CPU{CPUs: 2, ElapsedS: 4.213, GeneratorS: 0.31, ServerS: 0.28, ObserverS: 0.12, SystemS: 0.71, UserS: 0.11, SoftirqS: 0.2, IdleS: 7.5, GeneratorBusiest: 0.04, ServerBusiest: 0.03},
		Orphans: record.Gauge{Peak: 2, Limit: 32_768},
	}
	r.Timeline = timeline(4, func(i int, iv *record.Interval) {
		iv.Opened, iv.InFlight = []int64{2100, 2100, 797, 0}[i], []int64{2100, 4200, 5000, 5000}[i]
		iv.Client = map[string]int{"ESTABLISHED": int(iv.InFlight) - 3, "SYN_SENT": 3}
		iv.Server = map[string]int{"ESTABLISHED": int(iv.InFlight) - 3, "LISTEN": 2}
		iv.PortsInUse = int(iv.InFlight)
	})
	r.Predicted = record.Predicted{
		Paths:    map[string][]string{"client": {"ESTABLISHED"}, "server": {"ESTABLISHED"}},
		TimeWait: "none",
		Counters: map[string]sockstate.Range{"TW + TWKilled + TCPTimeWaitOverflow": {}, "TCPAbortOnData": {}},
	}
	r.Accounting = []record.Check{
		{Name: "attempted = sum of outcomes", Want: sockstate.Range{Min: 5000, Max: 5000}, Got: 5000, OK: true, Exact: true},
		{Name: "TcpActiveOpens", Want: sockstate.Range{Min: 5000, Max: 5000}, Got: 5031, Note: "31 more than ours"},
	}
	r.Server = &record.Server{Listeners: 2, Backlog: 4096, Accepted: 4997, Open: 4990, Outcomes: map[string]int64{"drained": 7}}
	r.Verdict = record.Verdict{Valid: true, LimitedBy: record.LimitInterrupted, Reasons: []string{"a signal stopped the run 4.2 s into it; 5,000 connections were open"}}
	r.Warnings = []string{
		"sandbox: the load ran in the host's namespace: its counters hold other programs' connections too",
		"observer.census: /proc/net/tcp is read line by line, counts may be off by the sockets that moved meanwhile",
	}
	return r
}

// httpErrors is a load of a target that mostly answers with errors, and at times with what is no reply.
func httpErrors(t testing.TB) *record.Run {
	r := remote(t)
	r.HTTP = map[string]int64{"1xx": 12, "2xx": 12_000, "3xx": 277, "4xx": 29_000, "5xx": 180, "invalid": 3}
	r.Outcomes[sockstate.OutcomeRequestTimeout.String()], r.Outcomes[sockstate.OutcomeOther.String()] = 0, 7
	r.Errnos = map[string]int64{"EPERM": 1}
	r.ExchangeErrors = map[string]int64{sockstate.FaultTLS.String(): 3, sockstate.FaultBadStatus.String(): 3}
	r.ExchangeExamples = map[string]string{
		sockstate.FaultTLS.String(): `TLS, not plain HTTP: it begins "\x15\x03\x01"`, sockstate.FaultBadStatus.String(): "hostile \x1b[31m\u202e example",
	}
	r.Groups = []record.GroupResult{{Name: "a", Result: r.Result}, {Name: "b", Result: record.Result{HTTP: map[string]int64{"2xx": 5}}}}
	return r
}

func remote(t testing.TB) *record.Run {
	r := base()
	r.ElapsedS = 30.01
	const n = 15_000
	r.Plan = record.Plan{
		Groups: []record.Group{{
			Name: "default", Targets: []string{"192.0.2.17:8080", "192.0.2.18:8080"}, Connections: 400, RateFrom: 100, RateTo: 900,
			Close: "server:fin", OnEOF: "close", Exchange: "http:/health", Requests: 3, ThinkNs: 50e6, HoldNs: 1500e6, Sources: []string{"192.0.2.2", "192.0.2.3"},
			SourcePorts: "20000-29999",
		}},
		DurationNs: 30e9, RampNs: 5e9, Workers: 2, Engine: "epoll",
		Command: []string{"lastack", "run", "192.0.2.17:8080", "192.0.2.18:8080", "-R", "100..900", "-c", "400", "-d", "30s", "--exchange", "http:/health"},
	}
	r.Sandbox = record.Sandbox{Mode: "off"}
	r.Shard = &record.Shard{I: 1, N: 4}
	r.Result = record.Result{
		Connections: record.Connections{Scheduled: n, Attempted: n, Opened: 14_612, Completed: 13_120, Failed: 1_880, Capped: 912, Requests: 41_277, PeakOpen: 400},
		Outcomes: map[string]int64{
			sockstate.OutcomeFIN.String(): 13_120, sockstate.OutcomeRefused.String(): 371, sockstate.OutcomeConnectTimeout.String(): 17, sockstate.OutcomeRSTReceived.String(): 1_104, sockstate.OutcomeCutInRequest.String(): 201,
			sockstate.OutcomeHTTPStatus.String(): 180, sockstate.OutcomeRequestTimeout.String(): 7,
		},
		Rate: record.Rate{OpenedPerS: 486.9, CompletedPerS: 437.2, RequestsPerS: 1375.4, TargetPerS: 500},
		Latency: map[string]record.Latency{
			"lag": latency(t, n, 41, 1.4), "connect": latency(t, 14_612, 1310, 0.5), "exchange": latency(t, 41_277, 9100, 0.9), "close": latency(t, 13_120, 2100, 0.7),
			"lifecycle": latency(t, 13_120, 131_000, 0.4),
		},
	}
	r.States.Source, r.Observer = "", record.Observer{Census: "off", CensusReason: "sock_diag and /proc/net were refused (EACCES)", Trace: "off"}
	r.TimeWait.Entered = 12
	r.Counters = map[string]int64{
		"TcpActiveOpens": 15_020, "TcpExtTW": 12, "TcpRetransSegs": 1_310, "TcpExtTCPSynRetrans": 52, "TcpExtTCPTimeouts": 61, "TcpEstabResets": 1_305, "TcpAttemptFails": 388,
	}
	r.Pressure = record.Pressure{
		Ports: record.Ports{Range: "20000 29999", Available: 10_000, PeakInUse: 112}, Fds: record.Fds{Peak: 431, Limit: 1_048_576},
		CPU: record.CPU{CPUs: 8, ElapsedS: 30.01, GeneratorS: 3.3, ObserverS: 0.4, SystemS: 6.2, UserS: 9.9, SoftirqS: 1.9, IdleS: 221, GeneratorBusiest: 0.08},
	}
	r.Hosts[0].CPUs = 8
	r.Timeline = timeline(30, func(i int, iv *record.Interval) {
		iv.Started, iv.Opened, iv.InFlight, iv.P50Us, iv.P99Us = int64(100+i*27), int64(100+i*27), int64(min(400, 40+i*14)), 131_000, 290_000
		if i >= 18 && i <= 20 {
			iv.Failed, iv.Opened = 480, 90
			iv.Failures = map[string]int64{sockstate.OutcomeRefused.String(): 124, sockstate.OutcomeCutInRequest.String(): 67, sockstate.OutcomeHTTPStatus.String(): 60}
		}
	})
	r.Predicted = record.Predicted{
		Paths:    map[string][]string{"client": {"ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"}},
		TimeWait: "server",
		Counters: map[string]sockstate.Range{"TcpExtTW + TcpExtTWKilled": {}},
		Notes:    []string{"the server's sockets are on another host: nothing is known of them"},
	}
	r.Verdict = record.Verdict{
		LimitedBy: record.LimitServer,
		Reasons: []string{
			"1,880 of 15,000 lifecycles failed, all but 7 of them between 18.0 s and 21.0 s",
			"912 arrivals waited at the cap of 400: the load was no longer open loop",
		},
		Advice: []string{"raise -c, or leave it out"},
	}
	r.Warnings = []string{
		"latency.lag: p99 is 1.2 ms: some arrivals waited for a slot",
		"connections.capped: 912 of 15,000 arrivals found 400 connections open and waited",
		"the clock of this host is not synchronised",
	}
	return r
}

func severalGroups(t testing.TB) *record.Run {
	r := base()
	r.Plan = record.Plan{
		Groups: []record.Group{
			{Name: "api", Targets: []string{"127.0.0.1:15000"}, Connections: 32, Close: "client:fin", OnEOF: "close", Exchange: "http:/v1/items", Requests: 10},
			{Name: "idle keep-alive", Targets: []string{"127.0.0.1:15000"}, Connections: 100, Close: "server:fin", OnEOF: "delay=200ms", Exchange: "http:/", HoldNs: 5e9},
		},
		DurationNs: 10e9, Workers: 2, ServerWorkers: 2, Engine: "epoll",
	}
	r.Sandbox = record.Sandbox{Mode: "user", Topology: "lo", Loss: "1%"}
	api := record.Result{
		Connections: record.Connections{Attempted: 21_000, Opened: 21_000, Completed: 20_990, Failed: 10, Requests: 209_950, PeakOpen: 32},
		Outcomes:    map[string]int64{sockstate.OutcomeFIN.String(): 20_990, sockstate.OutcomeCutInRequest.String(): 10},
		Rate:        record.Rate{OpenedPerS: 2099, CompletedPerS: 2098, RequestsPerS: 20_986},
		Latency:     map[string]record.Latency{"lifecycle": latency(t, 20_990, 15_100, 0.3), "connect": latency(t, 21_000, 300, 0.4)},
	}
	idle := record.Result{
		Connections: record.Connections{Attempted: 300, Opened: 300, Completed: 200, Unfinished: 100, Requests: 300, PeakOpen: 100},
		Outcomes:    map[string]int64{sockstate.OutcomeFIN.String(): 200, sockstate.OutcomeInterrupted.String(): 100},
		Rate:        record.Rate{OpenedPerS: 30, CompletedPerS: 20, RequestsPerS: 30},
		Latency:     map[string]record.Latency{"lifecycle": latency(t, 200, 1100, 0.3), "close": latency(t, 200, 640, 0.3)},
	}
	r.Groups = []record.GroupResult{{Name: "api", Result: api}, {Name: "idle keep-alive", Result: idle}}
	r.Result = record.Result{
		Connections: record.Connections{Attempted: 21_300, Opened: 21_300, Completed: 21_190, Failed: 10, Unfinished: 100, Requests: 210_250, PeakOpen: 132},
		Outcomes:    map[string]int64{sockstate.OutcomeFIN.String(): 21_190, sockstate.OutcomeCutInRequest.String(): 10, sockstate.OutcomeInterrupted.String(): 100},
		Rate:        record.Rate{OpenedPerS: 2129, CompletedPerS: 2118, RequestsPerS: 21_016},
		Latency:     map[string]record.Latency{"lifecycle": latency(t, 21_190, 15_000, 0.3), "connect": latency(t, 21_300, 300, 0.4), "close": latency(t, 200, 640, 0.3)},
	}
	r.States.Peak = map[string]map[string]int{
		"client": {"ESTABLISHED": 132, "TIME_WAIT": 20_301, "CLOSE_WAIT": 41}, "server": {"ESTABLISHED": 132, "FIN_WAIT_2": 41, "TIME_WAIT": 200, "LISTEN": 1},
	}
	r.TimeWait = record.TimeWait{
		Peak: 20_501, PeakBySide: map[string]int{"client": 20_301, "server": 200}, Entered: 21_180, EnteredShort: 12, ReusedByConnect: 301, FinWait2MiniPeak: 38, OrphanPeak: 3, MaxBuckets: 65_536,
	}
	r.Counters = map[string]int64{"TcpExtTW": 21_180, "TcpExtTWKilled": 12, "TcpRetransSegs": 4_102, "TcpExtTCPTimeouts": 812, "TcpExtTWRecycled": 301, "TcpActiveOpens": 21_300}
	r.Predicted = record.Predicted{TimeWait: "both", Notes: []string{"the groups close in different ways"}}
	r.Accounting = []record.Check{
		{Name: "attempted = sum of outcomes", Want: sockstate.Range{Min: 21_300, Max: 21_300}, Got: 21_300, OK: true, Exact: true},
		{Name: "TcpExtTW + TcpExtTWKilled", Want: sockstate.Range{Min: 21_190, Max: 21_190}, Got: 21_192, Exact: true, Note: "2 more than predicted"},
	}
	r.Settle = &record.Settle{ElapsedS: 61.2, Done: true, Quiet: true, GoneAfterS: 60.4}
	r.Verdict = record.Verdict{Valid: true, LimitedBy: record.LimitNetwork, Reasons: []string{"1 % of packets were dropped, as asked: 4,102 segments were sent again"}}
	return r
}

func notValid(t testing.TB) *record.Run {
	r := base()
	const n = 200_000
	r.Plan = record.Plan{
		Groups:     []record.Group{{Name: "default", Targets: []string{"127.0.0.1:15000"}, RateFrom: 20_000, RateTo: 20_000, Close: "server:half", OnEOF: "close", Exchange: "echo:100,16384"}},
		DurationNs: 10e9, Workers: 2, ServerWorkers: 2, Engine: "epoll",
	}
	r.Sandbox = record.Sandbox{Mode: "root", Topology: "lo"}
	r.Result = record.Result{
		Connections: record.Connections{Scheduled: n, Attempted: 151_020, Opened: 151_000, Completed: 151_000, Failed: 20, Unfinished: 0, Requests: 151_000, PeakOpen: 19_931},
		Outcomes:    map[string]int64{sockstate.OutcomeFIN.String(): 151_000, sockstate.OutcomeNoFD.String(): 11, sockstate.OutcomeConnectTimeout.String(): 9},
		Rate:        record.Rate{OpenedPerS: 15_096, CompletedPerS: 15_094, RequestsPerS: 15_094, TargetPerS: 20_000},
		Latency: map[string]record.Latency{
			"lag": latency(t, 151_020, 912_000, 0.9), "connect": latency(t, 151_020, 2_100, 0.9), "exchange": latency(t, 151_000, 4_000, 0.7),
			"close": latency(t, 151_000, 900, 0.6), "lifecycle": latency(t, 151_000, 931_000, 0.9),
		},
	}
	r.TimeWait = record.TimeWait{Peak: 131_072, PeakBySide: map[string]int{"server": 131_072}, Entered: 131_072, Overflow: 19_928, MaxBuckets: 131_072}
	r.States.Peak = map[string]map[string]int{
		"client": {"ESTABLISHED": 19_001, "SYN_SENT": 900, "CLOSE_WAIT": 30, "LAST_ACK": 12}, "server": {"ESTABLISHED": 19_310, "TIME_WAIT": 131_072, "FIN_WAIT_2": 31, "LISTEN": 2},
	}
	r.Counters = map[string]int64{
		"TcpExtListenOverflows": 3_912, "TcpExtListenDrops": 3_912, "TcpExtTCPSynRetrans": 3_800, "TcpRetransSegs": 3_801, "TcpExtTCPTimeouts": 3_801, "TcpExtTW": 131_072,
		"TcpExtTCPTimeWaitOverflow": 19_928, "TcpActiveOpens": 151_020,
	}
	r.Pressure = record.Pressure{
		Ports: record.Ports{Range: "32768 60999", Available: 28_232, PeakInUse: 1_401}, Fds: record.Fds{Peak: 20_000, Limit: 20_000}, AcceptQueuePeak: 129, Backlog: 128,
		TWBuckets: record.Gauge{Peak: 131_072, Limit: 131_072},
		Memory:    record.Memory{TCPPeakBytes: 612_368_384, TCPLimitBytes: 806_682_624, RSSPeakBytes: 91 << 20},
		CPU:       record.CPU{CPUs: 2, ElapsedS: 10.004, GeneratorS: 9.9, ServerS: 9.1, ObserverS: 0.4, SystemS: 18.4, UserS: 1.5, SoftirqS: 8.8, IdleS: 0.02, GeneratorBusiest: 0.999, ServerBusiest: 0.97},
	}
	r.Timeline = timeline(120, func(i int, iv *record.Interval) {
		iv.TS = float64(i+1) / 10
		iv.Opened, iv.InFlight, iv.P99Us = 1500, int64(166*i), float64(8000*i)
		if i >= 100 {
			iv.Phase, iv.Opened, iv.InFlight = "drain", 0, int64(max(0, 19_931-1000*(i-99)))
		}
		iv.Client = map[string]int{"ESTABLISHED": int(max(0, iv.InFlight))}
		iv.Server = map[string]int{"ESTABLISHED": int(max(0, iv.InFlight)), "TIME_WAIT": min(131_072, 1500*i)}
		iv.AcceptQueue = min(129, i*3)
	})
	r.Verdict = record.Verdict{
		LimitedBy: record.LimitGeneratorCPU,
		Reasons: []string{
			"the generator fell behind its schedule: lag p99 is 7.4 s, 48,980 arrivals never started",
			"the load's busiest worker was 99.9 % busy, and the machine idle 0.1 % of the time",
		},
		Advice: []string{"ask for less: 15,000/s was met", "more CPUs, or the server on another host"},
	}
	r.Warnings = []string{
		"pressure.fds: 20,000 of 20,000 descriptors were in use: 11 connects failed for want of one",
		"pressure.cpu: 0.2 s of CPU time are in no column",
	}
	return r
}

func reset(t testing.TB) *record.Run {
	r := base()
	const n = 20_000
	r.Plan = record.Plan{
		Groups: []record.Group{{Name: "default", Targets: []string{"127.0.0.1:15000"}, Connections: 64, Close: "client:rst", OnEOF: "close", Exchange: "echo:1,1"}},
		Count:  n, Workers: 2, ServerWorkers: 2, Engine: "epoll",
	}
	r.ElapsedS = 1.41
	r.Sandbox = record.Sandbox{Mode: "root", Topology: "lo"}
	r.Result = record.Result{
		Connections:   record.Connections{Attempted: n, Opened: n, Completed: n, Requests: n, PeakOpen: 64},
		Outcomes:      map[string]int64{sockstate.OutcomeRSTSent.String(): n},
		Rate:          record.Rate{OpenedPerS: 14_184, CompletedPerS: 14_184, RequestsPerS: 14_184},
		Latency:       map[string]record.Latency{"connect": latency(t, n, 400, 0.3), "lifecycle": latency(t, n, 3900, 0.3)},
		LatencyAbsent: map[string]string{"close": "under client:rst the descriptor is gone at once"},
	}
	r.Counters = map[string]int64{"TcpActiveOpens": n, "TcpExtTCPAbortOnData": n, "TcpOutRsts": n, "TcpEstabResets": 2 * n}
	r.Predicted = record.Predicted{
		Paths:    map[string][]string{"client": {"ESTABLISHED > CLOSED"}, "server": {"ESTABLISHED > CLOSED", "ESTABLISHED > CLOSE_WAIT > CLOSED"}},
		TimeWait: "none",
		Counters: map[string]sockstate.Range{"TcpExtTCPAbortOnData": {Min: n, Max: n}, "TcpExtTCPAbortOnClose": {}, "TcpExtTW": {Min: 0, Max: 3}},
	}
	r.Server = &record.Server{Listeners: 1, Backlog: 128, Accepted: n, Requests: n, Outcomes: map[string]int64{sockstate.OutcomeRSTReceived.String(): n - 1}, AcceptErrors: map[string]int64{"ECONNABORTED": 4}}
	r.Verdict = record.Verdict{Valid: true, LimitedBy: record.LimitConnections, Reasons: []string{"64 connections were always open: the rate is 64 / lifecycle"}}
	return r
}

// million is a plateau of a million connections, whose needs were reckoned.
func million(t testing.TB) *record.Run {
	r := base()
	const n = 1_000_000
	r.Plan = record.Plan{
		Groups: []record.Group{{
			Name: "run", Targets: []string{"198.19.0.1:7777"}, Connections: n, PlateauNs: 10e9, Close: "client:fin", OnEOF: "close", Exchange: "none",
			Sources: []string{"198.18.1.1-198.18.1.71"}, SourcesChosen: 71,
		}},
		Workers: 2, ServerWorkers: 2, Engine: "uring",
	}
	r.Sandbox = record.Sandbox{Mode: "user", Topology: "veth", EhashEntries: 4 << 20}
	r.Result = record.Result{
		Connections: record.Connections{Attempted: n, Opened: n, Completed: n, PeakOpen: n},
		Outcomes:    map[string]int64{sockstate.OutcomeFIN.String(): n},
		Rate:        record.Rate{OpenedPerS: 21_413, CompletedPerS: 21_413},
		Latency:     map[string]record.Latency{"connect": latency(t, n, 212, 0.4), "lifecycle": latency(t, n, 9_100_000, 0.3)},
	}
	r.TimeWait = record.TimeWait{Peak: n, PeakBySide: map[string]int{"client": n}, Entered: n, MaxBuckets: 2 << 20}
	r.Needs = &record.Needs{
		Connections: n, Sockets: 2 * n, TimeWaits: record.NeedsBySide{Client: n}, SourceAddresses: 71, PortsEach: 28_232,
		KernelBytes: 6_112_000_000, ProcessBytes: 204_971_520,
	}
	r.Pressure = record.Pressure{
		Ports: record.Ports{Range: "32768 60999", Available: 28_232, PeakInUse: 14_085, Pairs: 71}, Fds: record.Fds{Peak: 131, Limit: 20_000},
		Memory: record.Memory{SlabPeakBytes: 5_912_000_000, RSSPeakBytes: 203_000_000}, TWBuckets: record.Gauge{Peak: n, Limit: 2 << 20},
		Files: record.Gauge{Peak: 2_000_512, Limit: 2_466_193},
	}
	r.Timeline = timeline(40, func(i int, iv *record.Interval) {
		open := int64(min((i+1)*n/25, n))
		iv.Opened, iv.InFlight = max(0, open-int64(i*n/25)), open
		iv.Client = map[string]int{"ESTABLISHED": int(open)}
		iv.Server = map[string]int{"ESTABLISHED": int(open)}
	})
	r.Verdict = record.Verdict{Valid: true, LimitedBy: record.LimitConnections, Reasons: []string{"1,000,000 connections were open at once, of 1,000,000 asked for"}}
	return r
}
