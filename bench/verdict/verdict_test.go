package verdict

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/sockstate"
)

// closedLoop is a run that nothing but its number of connections bound.
func closedLoop() record.Run {
	return record.Run{
		ElapsedS: 10,
		Plan:     record.Plan{Groups: []record.Group{{Name: "run", Connections: 64, Close: "client:fin"}}},
		Result: record.Result{
			Connections: record.Connections{Attempted: 80_000, Opened: 80_000, Completed: 80_000, PeakOpen: 64},
			Outcomes:    map[string]int64{sockstate.OutcomeFIN.String(): 80_000},
			Latency:     map[string]record.Latency{"lifecycle": {Count: 80_000, MeanUs: 8123.4}},
		},
		Server: &record.Server{Listeners: 2, Backlog: 4096},
		Pressure: record.Pressure{
			Ports: record.Ports{Range: "32768 60999", Available: 28_232, PeakInUse: 100, Pairs: 1},
			CPU:   record.CPU{CPUs: 2, ElapsedS: 10, GeneratorS: 4, ServerS: 3, SystemS: 6, UserS: 1, IdleS: 8, GeneratorBusiest: 0.4, ServerBusiest: 0.3},
		},
		Predicted:  record.Predicted{TimeWait: "client"},
		Accounting: []record.Check{{Name: "sum of outcomes = attempted", Want: sockstate.Range{Min: 80_000, Max: 80_000}, Got: 80_000, OK: true, Exact: true}},
	}
}

// openLoop is a run that met its rate.
func openLoop() record.Run {
	r := closedLoop()
	r.Connections.Scheduled = 80_000
	r.Rate.TargetPerS = 8000
	r.Latency["lag"] = record.Latency{Count: 80_000, P99Us: 412.7}
	return r
}

func fails(outcome string, n int64) func(*record.Run) {
	return func(r *record.Run) {
		r.Outcomes[outcome] += n
		r.Outcomes[sockstate.OutcomeFIN.String()] -= n
		r.Connections.Completed -= n
		r.Connections.Failed += n
	}
}

// busyWith takes the machine's idle time; softirq is a part of the system's time.
func busyWith(generator, server, softirq float64) func(*record.Run) {
	return func(r *record.Run) {
		c := &r.Pressure.CPU
		c.IdleS, c.GeneratorS, c.ServerS, c.SoftirqS = 0.1, generator, server, softirq
		c.SystemS, c.UserS = 18, 1.9
	}
}

func outOfPorts(r *record.Run) {
	fails(sockstate.OutcomeNoLocalPort.String(), 79_000)(r)
	r.Connections.Opened = 1000
	r.Pressure.Ports = record.Ports{Range: "40000 40999", Available: 1000, PeakInUse: 1000, Pairs: 1}
	r.Timeline = []record.Interval{{TS: 1, Opened: 1000}, {TS: 2}, {TS: 2.00001, Opened: 1}}
	r.Hosts = []record.Host{{HZ: 250, Sysctls: map[string]string{}}}
}

// walks is what 4 s across a veth pair came to: TIME_WAIT has the ports of one parity after 1 s.
func walks(r *record.Run) {
	r.Pressure.Ports = record.Ports{Range: "32768 60999", Available: 28_232, FirstPass: 14_116, PeakInUse: 16_084, Pairs: 1}
	r.Pressure.CPU = record.CPU{CPUs: 2, ElapsedS: 4, GeneratorS: 6.8, ServerS: 0.58, ObserverS: 0.5, SystemS: 7.9, UserS: 0.09, SoftirqS: 0.6, IdleS: 0.03, GeneratorBusiest: 0.86}
	r.Latency["connect"] = record.Latency{P50Us: 877, MeanUs: 13_911, P99Us: 136_708}
	r.Timeline = []record.Interval{
		{TS: 1.01, Phase: "load", Opened: 14_142, PortsInUse: 14_140},
		{TS: 2.01, Phase: "load", Opened: 600, PortsInUse: 14_740},
		{TS: 3.01, Phase: "load", Opened: 620, PortsInUse: 15_360},
		{TS: 3.02, Phase: "drain", PortsInUse: 16_084},
	}
}

// reuses is what 4 s on loopback came to, where ports come back after 1 s.
func reuses(rate float64) func(*record.Run) {
	return func(r *record.Run) {
		r.Sandbox.Topology, r.Rate.OpenedPerS = "lo", rate
		r.Hosts = []record.Host{{Sysctls: map[string]string{"net.ipv4.tcp_tw_reuse": "2", "net.ipv4.tcp_tw_reuse_delay": "1000", "net.ipv4.tcp_timestamps": "1"}}}
		r.Pressure.Ports = record.Ports{Range: "32768 60999", Available: 28_232, FirstPass: 14_116, PeakInUse: 14_625, Pairs: 1}
		r.Pressure.CPU = record.CPU{CPUs: 2, ElapsedS: 10, GeneratorS: 13.6, ServerS: 4, ObserverS: 1.2, SystemS: 19.5, UserS: 0.4, SoftirqS: 2, IdleS: 0.04, GeneratorBusiest: 0.7}
		r.Latency["connect"] = record.Latency{P50Us: 813, MeanUs: 2679, P99Us: 54_919}
		r.Latency["lifecycle"] = record.Latency{P50Us: 2390, MeanUs: 4517}
	}
}

// loses is what 4 s with --loss 5% came to.
func loses(r *record.Run) {
	r.Sandbox = record.Sandbox{Mode: "root", Topology: "lo", Loss: "5%"}
	r.Connections = record.Connections{Attempted: 2049, Opened: 2049, Completed: 2049, PeakOpen: 64}
	r.Outcomes = map[string]int64{sockstate.OutcomeFIN.String(): 2049}
	r.Counters = map[string]int64{"TcpExtTCPSynRetrans": 431, "TcpRetransSegs": 1087, "TcpExtTCPTimeouts": 383}
	r.Latency["lifecycle"] = record.Latency{Count: 2049, P50Us: 435, MeanUs: 145_694}
}

// walkAdvice is what helps with any range of 28,232 ports.
func walkAdvice() []string {
	return []string{
		"more addresses: --source with several, or several targets: each pair has 14,116 ports for the first pass",
		"no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin), where TIME_WAIT costs the server no port",
		"all ports in one pass: --source-ports 32768-60999 (IP_LOCAL_PORT_RANGE, Linux 6.3)",
		`more ports: net.ipv4.ip_local_port_range="1024 65535" gives 32,256 for the first pass; ip_local_reserved_ports keeps those that servers listen on`,
	}
}

func TestVerdict(t *testing.T) {
	tests := []struct {
		name string
		base func() record.Run
		with []func(*record.Run)
		want record.Verdict
	}{
		{
			"nothing attempted", closedLoop,
			[]func(*record.Run){func(r *record.Run) { r.Connections = record.Connections{} }},
			record.Verdict{LimitedBy: record.LimitUnknown, Reasons: []string{"no lifecycle was attempted in the measured time"}},
		},
		{
			"local ports, closed loop", closedLoop,
			[]func(*record.Run){outOfPorts},
			record.Verdict{
				LimitedBy: record.LimitPorts,
				Reasons: []string{
					"79,000 of 80,000 attempts found no free local port (EADDRNOTAVAIL): 1,000 ports for the 1 source and destination pair, 1,000 in use at most",
					"the client closes first, so each connection keeps its port in TIME_WAIT for 60 to 62.0 s: 1,000 ports / 61.0 s = 16.4 connections/s sustained; it opened up to 1,000/s",
				},
				Advice: []string{
					"more addresses: 1,000 connections/s for up to 62.05 s each need 63 pairs of 1,000 ports: --source with 63 addresses, or that many targets",
					`more ports: net.ipv4.ip_local_port_range="1024 65535" gives 64,512 for each pair, 1,057 connections/s with as many pairs; ip_local_reserved_ports keeps those that servers listen on`,
					"reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over a TIME_WAIT port after 1.00 s (tcp_tw_reuse_delay), up to 1,000 connections/s here; 2, the default, does so on loopback only",
					"no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin), where TIME_WAIT costs the server no port",
				},
			},
		},
		{
			"local ports, open loop from many addresses", openLoop,
			[]func(*record.Run){outOfPorts, func(r *record.Run) {
				r.Pressure.Ports = record.Ports{Available: 64_512, PeakInUse: 64_512, Pairs: 20}
				r.Pressure.Pairs = make([]record.PortPair, 16) // the fullest
				r.Rate.TargetPerS = 25_000
				r.Hosts = nil // how long TIME_WAIT lasts there is not known
			}},
			record.Verdict{
				LimitedBy: record.LimitPorts,
				Reasons: []string{
					"79,000 of 80,000 attempts found no free local port (EADDRNOTAVAIL): 64,512 ports for each of 20 source and destination pairs, 64,512 in use at most",
					"the client closes first, so each connection keeps its port in TIME_WAIT for 60 to 65.1 s: 1,290,240 ports / 62.6 s = 20,624 connections/s sustained; it was asked for 25,000/s",
				},
				Advice: []string{
					"more addresses: 25,000 connections/s for up to 65.12 s each need 26 pairs of 64,512 ports: --source with 26 addresses, or that many targets",
					"reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over a TIME_WAIT port after 1.00 s (tcp_tw_reuse_delay), up to 1,290,240 connections/s here; 2, the default, does so on loopback only",
					"no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin), where TIME_WAIT costs the server no port",
				},
			},
		},
		{
			"held open", closedLoop,
			[]func(*record.Run){func(r *record.Run) { r.Plan.Groups[0].HoldNs = 20e6 }},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitConnections,
				Reasons: []string{"64 connections at once, each held for 20.0 ms (--hold) beside a lifecycle of 8.12 ms on average; more connections would give more"},
			},
		},
		{
			"local ports, with reuse", openLoop,
			[]func(*record.Run){outOfPorts, func(r *record.Run) {
				r.Rate.TargetPerS = 1100
				r.Plan.Groups[0].HoldNs = 5e8
				r.Hosts[0].Sysctls = map[string]string{"net.ipv4.tcp_tw_reuse": "1", "net.ipv4.tcp_tw_reuse_delay": "1000", "net.ipv4.tcp_timestamps": "1"}
			}},
			record.Verdict{
				LimitedBy: record.LimitPorts,
				Reasons: []string{
					"79,000 of 80,000 attempts found no free local port (EADDRNOTAVAIL): 1,000 ports for the 1 source and destination pair, 1,000 in use at most",
					"the client closes first, so each connection keeps its port in TIME_WAIT for 1.00 s, after which connect may take it over (tcp_tw_reuse_delay), and is open for 500 ms before: 1,000 ports / 1.50 s = 666.7 connections/s sustained; it was asked for 1,100/s",
				},
				Advice: []string{
					"more addresses: 1,100 connections/s for 1.50 s each need 2 pairs of 1,000 ports: --source with 2 addresses, or that many targets",
					`more ports: net.ipv4.ip_local_port_range="1024 65535" gives 64,512 for each pair, 43,008 connections/s with as many pairs; ip_local_reserved_ports keeps those that servers listen on`,
					"no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin), where TIME_WAIT costs the server no port",
				},
			},
		},
		{
			"local ports, with reuse that timestamps are missing for", closedLoop,
			[]func(*record.Run){outOfPorts, func(r *record.Run) {
				r.Hosts[0].Sysctls = map[string]string{"net.ipv4.tcp_tw_reuse": "1", "net.ipv4.tcp_timestamps": "0"}
			}},
			record.Verdict{
				LimitedBy: record.LimitPorts,
				Reasons: []string{
					"79,000 of 80,000 attempts found no free local port (EADDRNOTAVAIL): 1,000 ports for the 1 source and destination pair, 1,000 in use at most",
					"tcp_tw_reuse=1 reuses no port here: it needs TCP timestamps, and they are off (tcp_timestamps=0)",
					"the client closes first, so each connection keeps its port in TIME_WAIT for 60 to 62.0 s: 1,000 ports / 61.0 s = 16.4 connections/s sustained; it opened up to 1,000/s",
				},
				Advice: []string{
					"timestamps: net.ipv4.tcp_timestamps=1, without which tcp_tw_reuse=1 takes over no port",
					"more addresses: 1,000 connections/s for up to 62.05 s each need 63 pairs of 1,000 ports: --source with 63 addresses, or that many targets",
					`more ports: net.ipv4.ip_local_port_range="1024 65535" gives 64,512 for each pair, 1,057 connections/s with as many pairs; ip_local_reserved_ports keeps those that servers listen on`,
					"no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin), where TIME_WAIT costs the server no port",
				},
			},
		},
		{
			"local ports, held before", closedLoop,
			[]func(*record.Run){outOfPorts, func(r *record.Run) { r.Plan.Groups[0].HoldNs = 3e9 }},
			record.Verdict{
				LimitedBy: record.LimitPorts,
				Reasons: []string{
					"79,000 of 80,000 attempts found no free local port (EADDRNOTAVAIL): 1,000 ports for the 1 source and destination pair, 1,000 in use at most",
					"the client closes first, so each connection keeps its port in TIME_WAIT for 60 to 62.0 s, and is open for 3.00 s before: 1,000 ports / 64.0 s = 15.6 connections/s sustained; it opened up to 1,000/s",
				},
				Advice: []string{
					"more addresses: 1,000 connections/s for up to 65.05 s each need 66 pairs of 1,000 ports: --source with 66 addresses, or that many targets",
					`more ports: net.ipv4.ip_local_port_range="1024 65535" gives 64,512 for each pair, 1,008 connections/s with as many pairs; ip_local_reserved_ports keeps those that servers listen on`,
					"reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over a TIME_WAIT port after 1.00 s (tcp_tw_reuse_delay), up to 250.0 connections/s here; 2, the default, does so on loopback only",
					"no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin), where TIME_WAIT costs the server no port",
				},
			},
		},
		{
			"local ports, taken by open connections", closedLoop,
			[]func(*record.Run){outOfPorts, func(r *record.Run) {
				r.Predicted.TimeWait = "none"
				r.Connections.PeakOpen = 5000
			}},
			record.Verdict{
				LimitedBy: record.LimitPorts,
				Reasons: []string{
					"79,000 of 80,000 attempts found no free local port (EADDRNOTAVAIL): 1,000 ports for the 1 source and destination pair, 1,000 in use at most",
					"the client has no TIME_WAIT here, so open connections held the ports: up to 5,000 at once",
				},
				Advice: []string{
					"more addresses: --source with more of them, or more targets: each pair has 1,000 ports of its own",
					`more ports: net.ipv4.ip_local_port_range="1024 65535" gives 64,512 for each pair, 64,512 in all; ip_local_reserved_ports keeps those that servers listen on`,
					"fewer connections at once: a smaller --connections or --rate, or a shorter --hold",
				},
			},
		},
		{
			"descriptors", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeNoFD.String(), 1234), func(r *record.Run) { r.Pressure.Fds = record.Fds{Peak: 20_000, Limit: 20_000} }},
			record.Verdict{
				LimitedBy: record.LimitFds,
				Reasons:   []string{"1,234 attempts found no free descriptor: 20,000 in use of 20,000 (RLIMIT_NOFILE)"},
				Advice:    []string{"raise the limit: ulimit -n, LimitNOFILE= of systemd, or nofile of the container; or bound the load with --connections"},
			},
		},
		{
			"files of the host", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeNoFD.String(), 1000), fails(sockstate.OutcomeNoMemory.String(), 234), func(r *record.Run) {
				r.Pressure.Fds = record.Fds{Peak: 128, Limit: 20_000}
				r.Pressure.Files = record.Gauge{Peak: 2_455_729, Limit: 2_466_193}
			}},
			record.Verdict{
				LimitedBy: record.LimitFds,
				Reasons:   []string{"1,234 attempts found no free file, or no memory for one: 2,455,729 were open on the whole host, which may have 2,466,193 (fs.file-max)"},
				Advice:    []string{"raise fs.file-max, end what else holds files open, or bound the load with --connections: a socket is a file, a direct descriptor too"},
			},
		},
		{
			"descriptors of the server", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Server.AcceptErrors = map[string]int64{"EMFILE": 1200, "ENFILE": 34, "ENOBUFS": 5}
				r.Pressure.Fds = record.Fds{Peak: 20_000, Limit: 20_000}
			}},
			record.Verdict{
				LimitedBy: record.LimitFds,
				Reasons:   []string{"the embedded server had no descriptor for a connection 1,234 times (RLIMIT_NOFILE 20,000): those waited in the accept queue"},
				Advice:    []string{"raise the limit (ulimit -n), or ask for fewer --connections: each takes a descriptor at both ends"},
			},
		},
		{
			"memory", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeNoMemory.String(), 3), func(r *record.Run) {
				r.Pressure.Memory = record.Memory{TCPPeakBytes: 2 << 30, TCPLimitBytes: 2 << 30}
			}},
			record.Verdict{
				LimitedBy: record.LimitMemory,
				Reasons:   []string{"TCP's buffers held 2.00 GiB of the 2.00 GiB that tcp_mem allows; 3 attempts failed with ENOBUFS or ENOMEM"},
				Advice:    []string{"raise net.ipv4.tcp_mem (pages, of the whole host), or hold fewer connections"},
			},
		},
		{
			"memory, of what is not known", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeNoMemory.String(), 3)},
			record.Verdict{
				LimitedBy: record.LimitMemory,
				Reasons: []string{
					"3 attempts failed with ENOBUFS or ENOMEM: the kernel had no memory for a socket or for what it sends, or a queue of a network device was full; what tcp_mem allows was not read",
				},
				Advice: []string{
					"hold fewer connections; the control group's memory.events and the kernel's log (dmesg) tell of a lack of memory, ip -s link of a device's dropped packets",
				},
			},
		},
		{
			"memory for rings", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeNoMemory.String(), 3), func(r *record.Run) {
				r.Plan.Engine = "uring"
				r.Pressure.Memory = record.Memory{TCPPeakBytes: 1 << 30, TCPLimitBytes: 2 << 30}
			}},
			record.Verdict{
				LimitedBy: record.LimitMemory,
				Reasons:   []string{"3 attempts failed with ENOBUFS or ENOMEM: the kernel had no memory for a socket, or for another io_uring ring, which RLIMIT_MEMLOCK limits for ordinary users"},
				Advice:    []string{"raise the limit (ulimit -l), choose --engine epoll, or hold fewer connections"},
			},
		},
		{
			"connection tracking", closedLoop,
			[]func(*record.Run){func(r *record.Run) { r.Pressure.Conntrack = &record.Gauge{Peak: 262_144, Limit: 262_144} }},
			record.Verdict{
				LimitedBy: record.LimitConntrack,
				Reasons:   []string{"connection tracking was full: 262,144 of 262,144 entries"},
				Advice:    []string{"raise net.netfilter.nf_conntrack_max, or exempt the load with a notrack rule"},
			},
		},
		{
			"a router's entries", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Sandbox.NAT = &record.NAT{Addresses: 4, Ports: "1024-65535"}
				r.Tracking = &record.Tracking{Peak: 262_144, Max: 262_144, Dropped: 77, InsertFailed: 3}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitConntrack,
				Reasons: []string{"the router tracked up to 262,144 connections, of at most 262,144, and dropped 77 packets of new ones"},
				Advice:  []string{"raise net.netfilter.nf_conntrack_max, or exempt the load with a notrack rule"},
			},
		},
		{
			"a NAT's ports", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Sandbox.NAT = &record.NAT{Addresses: 4, Ports: "20000-20099"}
				r.Tracking = &record.Tracking{Peak: 500, Max: 262_144, InsertFailed: 3}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitNATPorts,
				Reasons: []string{"the NAT found no free port 3 times: it has ports 20000-20099 of 4 addresses, and drops the SYN, which the client sends again"},
				Advice:  []string{"more --nat-addresses, wider --nat-ports, or a shorter --hold"},
			},
		},
		{
			"late by the machine", openLoop,
			[]func(*record.Run){busyWith(11, 6, 2), func(r *record.Run) { r.Latency["lag"] = record.Latency{P99Us: 45_678} }},
			record.Verdict{
				LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the generator started arrivals late at 8,000/s: lag p99 45.7 ms",
					"CPU of 2: generator 55 %, server 30 %, rest 14 %, idle 0 %",
				},
				Advice: []string{"a lower --rate, more CPUs for the generator, or a --close and --exchange that cost less"},
			},
		},
		{
			"late by its own thread", openLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Latency["lag"] = record.Latency{P99Us: 1_234_567}
				r.Pressure.CPU.GeneratorBusiest = 0.99
			}},
			record.Verdict{
				LimitedBy: record.LimitGeneratorCPU,
				Reasons: []string{
					"the generator started arrivals late at 8,000/s: lag p99 1.23 s",
					"CPU of 2: generator 20 %, server 15 %, rest 25 %, idle 40 %",
				},
				Advice: []string{"a lower --rate, more CPUs for the generator, or a --close and --exchange that cost less"},
			},
		},
		{
			"capped", openLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Connections.Scheduled = 90_000
				r.Connections.Capped = 30_000
				r.Connections.PeakOpen = 1500
				r.Latency["lag"] = record.Latency{P99Us: 900_000} // the cap's doing
			}},
			record.Verdict{
				LimitedBy: record.LimitConnections,
				Reasons:   []string{"30,000 of 90,000 arrivals had to wait for a free slot, 10,000 were never started: the cap of --connections limited the rate"},
				Advice:    []string{"raise --connections above rate x lifecycle (1,500 were open at once), or shorten --hold"},
			},
		},
		{
			"capped by the descriptors", openLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Plan.Groups[0].Connections = 0
				r.Connections.Scheduled = 90_000
				r.Connections.Capped = 30_000
				r.Connections.PeakOpen = 9900
				r.Pressure.Fds.Limit = 20_000
			}},
			record.Verdict{
				LimitedBy: record.LimitFds,
				Reasons:   []string{"30,000 of 90,000 arrivals had to wait for a free slot, 10,000 were never started: the 20,000 descriptors that this process may have (RLIMIT_NOFILE) limited the rate"},
				Advice:    []string{"raise the limit (ulimit -n) above rate x lifecycle (9,900 were open at once), or shorten --hold"},
			},
		},
		{
			"late by the search for a port", openLoop,
			[]func(*record.Run){walks, func(r *record.Run) { r.Latency["lag"] = record.Latency{P99Us: 20_000} }},
			record.Verdict{
				LimitedBy: record.LimitPortSearch,
				Reasons: []string{
					"the generator started arrivals late at 8,000/s: lag p99 20.0 ms",
					"CPU of 2: generator 85 %, server 7 %, rest 7 %, idle 0 %",
					"the load opened 14,002/s until all ports that connect tries first were taken, after 1.01 s, and 610.0/s from then on; they are the ports of one parity, 14,116 of 28,232",
					"at least 1,968 connects walked past all 14,116 to find one of the other parity; connects took 877 µs at the median, 13.9 ms on average, 137 ms at p99",
				},
				Advice: append(walkAdvice(),
					"reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over a TIME_WAIT port after 1.00 s (tcp_tw_reuse_delay); 2, the default, does so on loopback only",
					"a lower --rate, more CPUs for the generator, or a --close and --exchange that cost less"),
			},
		},
		{
			"late by the machine, past the first pass of a range that is soon walked", openLoop,
			[]func(*record.Run){busyWith(11, 6, 2), func(r *record.Run) {
				r.Latency["lag"] = record.Latency{P99Us: 45_678}
				r.Pressure.Ports = record.Ports{Range: "40000 40999", Available: 1000, FirstPass: 500, PeakInUse: 900, Pairs: 1}
				r.Latency["connect"] = record.Latency{P50Us: 187, MeanUs: 387, P99Us: 3810}
				r.Timeline = []record.Interval{{TS: 2, Opened: 580, PortsInUse: 580}, {TS: 3, Opened: 320, PortsInUse: 900}}
			}},
			record.Verdict{
				LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the generator started arrivals late at 8,000/s: lag p99 45.7 ms",
					"CPU of 2: generator 55 %, server 30 %, rest 14 %, idle 0 %",
				},
				Advice: []string{"a lower --rate, more CPUs for the generator, or a --close and --exchange that cost less"},
			},
		},
		{
			"the search for a port, without reuse", closedLoop,
			[]func(*record.Run){walks},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitPortSearch,
				Reasons: []string{
					"the load opened 14,002/s until all ports that connect tries first were taken, after 1.01 s, and 610.0/s from then on; they are the ports of one parity, 14,116 of 28,232",
					"at least 1,968 connects walked past all 14,116 to find one of the other parity; connects took 877 µs at the median, 13.9 ms on average, 137 ms at p99",
					"CPU of 2: generator 85 %, server 7 %, rest 7 %, idle 0 %",
				},
				Advice: append(walkAdvice(), "reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over a TIME_WAIT port after 1.00 s (tcp_tw_reuse_delay); 2, the default, does so on loopback only"),
			},
		},
		{
			"the search for a port, with reuse", closedLoop,
			[]func(*record.Run){reuses(14_271.75)},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitPortSearch,
				Reasons: []string{
					"the load opened 14,272/s; the ports that connect tries first are enough for 14,082/s, as one in TIME_WAIT may be reused after 1.00 s (tcp_tw_reuse_delay); they are the ports of one parity, 14,116 of 28,232",
					"at least 509 connects walked past all 14,116 to find one of the other parity; connects took 813 µs at the median, 2.68 ms on average, 54.9 ms at p99",
					"CPU of 2: generator 68 %, server 20 %, rest 12 %, idle 0 %",
				},
				Advice: append(walkAdvice(), "reuse sooner: a smaller net.ipv4.tcp_tw_reuse_delay (ms)"),
			},
		},
		{
			"the search for a port, at a target of somebody else's", closedLoop,
			[]func(*record.Run){reuses(13_500), func(r *record.Run) {
				r.Server, r.Sandbox.Topology, r.Plan.Groups[0].Targets = nil, "", []string{"127.0.0.1:8080"}
				r.Pressure.CPU.GeneratorS, r.Pressure.CPU.ServerS = 14, 0
				delete(r.Hosts[0].Sysctls, sockstate.ReuseDelaySysctl) // an older kernel
			}},
			record.Verdict{
				LimitedBy: record.LimitPortSearch,
				Reasons: []string{
					"the load opened 13,500/s; the ports that connect tries first are enough for 14,082/s, as one in TIME_WAIT may be reused after 1.00 s (tcp_tw_reuse_delay); they are the ports of one parity, 14,116 of 28,232",
					"at least 509 connects walked past all 14,116 to find one of the other parity; connects took 813 µs at the median, 2.68 ms on average, 54.9 ms at p99",
					"CPU of 2: generator 70 %, rest 30 %, idle 0 %",
					"other processes of this host (the target among them, if it is here) used at least 13 % of the CPUs: without them there may be more",
				},
				Advice: append(walkAdvice(), "run it again on a quiet machine, with the target on another"),
			},
		},
		{
			"the search for a port, and a second in which others had the machine", closedLoop,
			[]func(*record.Run){reuses(12_100), func(r *record.Run) {
				for i, n := range []int64{14_200, 14_100, 6000, 14_100} {
					r.Timeline = append(r.Timeline, record.Interval{TS: float64(i + 1), Phase: "load", Started: n, Opened: n})
				}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitPortSearch,
				Reasons: []string{
					"the load opened 12,100/s; the ports that connect tries first are enough for 14,082/s, as one in TIME_WAIT may be reused after 1.00 s (tcp_tw_reuse_delay); they are the ports of one parity, 14,116 of 28,232",
					"at least 509 connects walked past all 14,116 to find one of the other parity; connects took 813 µs at the median, 2.68 ms on average, 54.9 ms at p99",
					"CPU of 2: generator 68 %, server 20 %, rest 12 %, idle 0 %",
				},
				Advice: append(walkAdvice(), "reuse sooner: a smaller net.ipv4.tcp_tw_reuse_delay (ms)"),
			},
		},
		{
			"half the ports of a pair in use, and each back in time", closedLoop,
			[]func(*record.Run){reuses(10_000), func(r *record.Run) {
				r.Pressure.Ports.PeakInUse = 14_116
				r.Latency["connect"] = record.Latency{P50Us: 820, MeanUs: 1730, P99Us: 18_500}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the machine's 2 CPUs were full (0 % idle)",
					"CPU of 2: generator 68 %, server 20 %, rest 12 %, idle 0 %",
					"client and server share these CPUs: this is what the host can do with both ends on it",
				},
				Advice: []string{"ask for less, so that latency is not the wait for a CPU: half of the connections, 32"},
			},
		},
		{
			"ports of the plan's own, all in one pass", closedLoop,
			[]func(*record.Run){reuses(17_388), func(r *record.Run) {
				r.Pressure.Ports.FirstPass, r.Pressure.Ports.PeakInUse = 28_232, 28_073
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the machine's 2 CPUs were full (0 % idle)",
					"CPU of 2: generator 68 %, server 20 %, rest 12 %, idle 0 %",
					"client and server share these CPUs: this is what the host can do with both ends on it",
				},
				Advice: []string{"ask for less, so that latency is not the wait for a CPU: half of the connections, 32"},
			},
		},
		{
			"TIME_WAIT buckets", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.TimeWait = record.TimeWait{Overflow: 47_232, MaxBuckets: 32_768}
				r.Hosts = []record.Host{{HZ: 1000}}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitTWBuckets,
				Reasons: []string{"47,232 closed connections skipped TIME_WAIT: tcp_max_tw_buckets is 32,768, enough for 528.1 closes/s"},
				Advice:  []string{"raise net.ipv4.tcp_max_tw_buckets (256 to 768 B each), or accept it: TIME_WAIT's protection is lost for those"},
			},
		},
		{
			"accept queue", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Counters = map[string]int64{"TcpExtListenOverflows": 1342, "TcpExtListenDrops": 1342, "TcpExtTCPReqQFullDoCookies": 56}
				r.Pressure.Backlog = 8192
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitAcceptQueue,
				Reasons: []string{"the accept queue overflowed 1,342 times (backlog 4,096 of each of 2 listeners): clients that were dropped retry their SYN after 1 s"},
				Advice:  []string{"a larger --backlog (net.core.somaxconn caps it), more --listeners, or a server that accepts faster"},
			},
		},
		{
			"somebody else's accept queue", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Sandbox.Mode = "off"
				r.Counters = map[string]int64{"TcpExtListenOverflows": 1342, "TcpExtListenDrops": 1342}
				r.Pressure.Backlog, r.Pressure.AcceptQueuePeak = 4096, 4000
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitConnections,
				Reasons: []string{"64 connections at once, each waiting for the other side most of the time: a lifecycle took 8.12 ms on average; more connections would give more"},
			},
		},
		{
			"the target's accept queue", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Sandbox.Mode, r.Server = "off", nil
				r.Counters = map[string]int64{"TcpExtListenOverflows": 1342, "TcpExtListenDrops": 1342}
				r.Pressure.Backlog, r.Pressure.AcceptQueuePeak = 511, 512
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitAcceptQueue,
				Reasons: []string{"the accept queue overflowed 1,342 times (backlog 511): clients that were dropped retry their SYN after 1 s"},
				Advice:  []string{"a larger --backlog (net.core.somaxconn caps it), more --listeners, or a server that accepts faster"},
			},
		},
		{
			"SYN queue", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Counters = map[string]int64{"TcpExtTCPReqQFullDrop": 1000, "TcpExtTCPReqQFullDoCookies": 56, "TcpExtListenDrops": 2000}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitSYNDrops,
				Reasons: []string{"the SYN queue was full 1,056 times"},
				Advice:  []string{"raise net.ipv4.tcp_max_syn_backlog and the listener's backlog"},
			},
		},
		{
			"SYNs dropped otherwise", closedLoop,
			[]func(*record.Run){func(r *record.Run) { r.Counters = map[string]int64{"TcpExtListenDrops": 2000} }},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitSYNDrops, Reasons: []string{"the listeners dropped 2,000 SYNs"},
				Advice: []string{"raise net.ipv4.tcp_max_syn_backlog and the listener's backlog, or switch SYN cookies on (net.ipv4.tcp_syncookies=1)"},
			},
		},
		{
			"SYNs dropped for want of cookies", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Counters = map[string]int64{"TcpExtListenDrops": 2000}
				r.Hosts = []record.Host{{Sysctls: map[string]string{"net.ipv4.tcp_syncookies": "0", "net.ipv4.tcp_max_syn_backlog": "8"}}}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitSYNDrops,
				Reasons: []string{"the listeners dropped 2,000 SYNs: without SYN cookies (tcp_syncookies=0) three quarters of tcp_max_syn_backlog (8) may wait for their handshake's last ACK"},
				Advice:  []string{"raise net.ipv4.tcp_max_syn_backlog and the listener's backlog, or switch SYN cookies on (net.ipv4.tcp_syncookies=1)"},
			},
		},
		{
			"the target fails", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeRefused.String(), 50_000), fails(sockstate.OutcomeCutInRequest.String(), 10_000)},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitServer,
				Reasons: []string{"60,000 of 80,000 lifecycles failed, most as refused (50,000)"},
			},
		},
		{
			"there is no target", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeRefused.String(), 80_000)},
			record.Verdict{
				LimitedBy: record.LimitServer,
				Reasons:   []string{"80,000 of 80,000 lifecycles failed, most as refused (80,000)"},
			},
		},
		{
			"no route", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeUnreachable.String(), 80_000)},
			record.Verdict{
				LimitedBy: record.LimitNetwork,
				Reasons:   []string{"80,000 of 80,000 lifecycles failed, most as unreachable (80,000)"},
				Advice:    []string{"check the route to the target (ip route get ADDRESS) and the routers on the way"},
			},
		},
		{
			"forbidden by this host", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeOther.String(), 80_000), func(r *record.Run) { r.Errnos = map[string]int64{"EPERM": 79_000, "EIO": 1_000} }},
			record.Verdict{
				LimitedBy: record.LimitUnknown,
				Reasons:   []string{"80,000 of 80,000 lifecycles failed, most as other (EPERM 79,000 of 80,000)"},
				Advice:    []string{"look into what this host forbids: firewall rules for what it sends (nft list ruleset), a security module (dmesg), a seccomp filter"},
			},
		},
		{
			"what came was no reply", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeOther.String(), 80_000), func(r *record.Run) { r.Errnos = map[string]int64{"EIO": 1_000} }},
			record.Verdict{
				LimitedBy: record.LimitServer,
				Reasons:   []string{"80,000 of 80,000 lifecycles failed, most as other (80,000)"},
			},
		},
		{
			"the machine's CPUs, both ends on it", closedLoop,
			[]func(*record.Run){busyWith(11, 6, 2)},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the machine's 2 CPUs were full (0 % idle)",
					"CPU of 2: generator 55 %, server 30 %, rest 14 %, idle 0 %",
					"client and server share these CPUs: this is what the host can do with both ends on it",
				},
				Advice: []string{"ask for less, so that latency is not the wait for a CPU: half of the connections, 32"},
			},
		},
		{
			"the machine's CPUs, by the generator alone", closedLoop,
			[]func(*record.Run){busyWith(19, 0, 2), func(r *record.Run) { r.Server = nil }},
			record.Verdict{
				LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the machine's 2 CPUs were full (0 % idle)",
					"CPU of 2: generator 95 %, rest 4 %, idle 0 %",
				},
				Advice: []string{"ask for less, so that latency is not the wait for a CPU: half of the connections, 32"},
			},
		},
		{
			"softirq", closedLoop,
			[]func(*record.Run){busyWith(4, 3, 12)},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitSoftirq,
				Reasons: []string{
					"the machine was full, mostly of softirq work",
					"CPU of 2: generator 20 %, server 15 %, rest 64 %, idle 0 %",
					"client and server share these CPUs: this is what the host can do with both ends on it",
				},
				Advice: []string{"ask for less, so that latency is not the wait for a CPU: half of the connections, 32"},
			},
		},
		{
			"a load worker", closedLoop,
			[]func(*record.Run){func(r *record.Run) { r.Server, r.Pressure.CPU.ServerS, r.Pressure.CPU.GeneratorBusiest = nil, 0, 0.97 }},
			record.Verdict{
				LimitedBy: record.LimitGeneratorCPU,
				Reasons: []string{
					"a load worker used 97 % of a CPU",
					"CPU of 2: generator 20 %, rest 40 %, idle 40 %",
					"other processes of this host (the target among them, if it is here) used at least 15 % of the CPUs: without them there may be more",
				},
				Advice: []string{"more --workers", "run it again on a quiet machine, with the target on another"},
			},
		},
		{
			"a server worker", closedLoop,
			[]func(*record.Run){func(r *record.Run) { r.Pressure.CPU.ServerBusiest = 0.97 }},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitServerCPU,
				Reasons: []string{
					"a server worker used 97 % of a CPU",
					"CPU of 2: generator 20 %, server 15 %, rest 25 %, idle 40 %",
					"client and server share these CPUs: this is what the host can do with both ends on it",
				},
				Advice: []string{"ask for less, so that latency is not the wait for a CPU: half of the connections, 32"},
			},
		},
		{
			"rate met", openLoop, nil,
			record.Verdict{
				Valid: true, LimitedBy: record.LimitTarget,
				Reasons: []string{"all 80,000 arrivals of the schedule were started, lag p99 413 µs"},
			},
		},
		{
			"rate met on a full machine", openLoop,
			[]func(*record.Run){busyWith(11, 6, 2)},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitTarget,
				Reasons: []string{"all 80,000 arrivals of the schedule were started, lag p99 413 µs"},
			},
		},
		{
			"rate met but for a few", openLoop,
			[]func(*record.Run){func(r *record.Run) { r.Connections.Scheduled = 80_500 }},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitTarget,
				Reasons: []string{"80,000 of 80,500 arrivals of the schedule were started, lag p99 413 µs"},
			},
		},
		{
			"rate not met", openLoop,
			[]func(*record.Run){func(r *record.Run) { r.Connections.Scheduled = 100_000 }},
			record.Verdict{
				LimitedBy: record.LimitUnknown,
				Reasons:   []string{"80,000 of 100,000 arrivals of the schedule were started"},
			},
		},
		{
			"the machine's CPUs, at a rate that was not met", openLoop,
			[]func(*record.Run){busyWith(11, 6, 2), func(r *record.Run) { r.Connections.Attempted, r.Rate.CompletedPerS = 50_000, 5123 }},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the machine's 2 CPUs were full (0 % idle)",
					"CPU of 2: generator 55 %, server 30 %, rest 14 %, idle 0 %",
					"client and server share these CPUs: this is what the host can do with both ends on it",
				},
				Advice: []string{"ask for less, so that latency is not the wait for a CPU: a --rate of 3,600/s, 70 % of what completed"},
			},
		},
		{
			"the machine's CPUs, by two groups", closedLoop,
			[]func(*record.Run){busyWith(11, 6, 2), func(r *record.Run) {
				r.Plan.Groups = append(r.Plan.Groups, r.Plan.Groups[0])
				r.Groups = []record.GroupResult{{Result: r.Result}, {}}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the machine's 2 CPUs were full (0 % idle)",
					"CPU of 2: generator 55 %, server 30 %, rest 14 %, idle 0 %",
					"client and server share these CPUs: this is what the host can do with both ends on it",
				},
				Advice: []string{"ask for less, so that latency is not the wait for a CPU: a lower --rate, or fewer --connections"},
			},
		},
		{
			"the machine's CPUs, most of them others'", closedLoop,
			[]func(*record.Run){busyWith(3, 2, 1)},
			record.Verdict{
				LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the machine's 2 CPUs were full (0 % idle), more with other processes than with this run",
					"CPU of 2: generator 15 %, server 10 %, rest 74 %, idle 0 %",
					"other processes of this host used at least 70 % of the CPUs: without them there may be more",
				},
				Advice: []string{"run it again on a quiet machine"},
			},
		},
		{
			"held, on a full machine", closedLoop,
			[]func(*record.Run){busyWith(11, 6, 2), func(r *record.Run) {
				r.Connections = record.Connections{Attempted: 1000, Opened: 1000, Unfinished: 1000, PeakOpen: 1000}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitConnections,
				Reasons: []string{"1,000 connections were opened and held"},
			},
		},
		{
			"held", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Connections = record.Connections{Attempted: 1000, Opened: 1000, Unfinished: 1000, PeakOpen: 1000}
				r.Outcomes = map[string]int64{sockstate.OutcomeHeld.String(): 1000}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitConnections,
				Reasons: []string{"1,000 connections were opened and held"},
			},
		},
		{
			"plateau", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				g := &r.Plan.Groups[0]
				g.PlateauNs, g.Connections, r.Connections.PeakOpen = 10e9, 6000, 5000
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitConnections,
				Reasons: []string{"5,000 connections were open at once, of 6,000 asked for"},
			},
		},
		{
			"plateau, seen", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				g := &r.Plan.Groups[0]
				g.PlateauNs, g.Connections, r.Connections.PeakOpen = 10e9, 5000, 5000
				r.Timeline = []record.Interval{{TS: 1, InFlight: 4999}, {TS: 2.04, InFlight: 5000}, {TS: 3, InFlight: 5000}}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitConnections,
				Reasons: []string{"5,000 connections were open at once, of 5,000 asked for; a sample found them after 2.04 s"},
			},
		},
		{
			"too short", closedLoop,
			[]func(*record.Run){func(r *record.Run) { r.Plan.Count, r.Pressure.CPU.ElapsedS, r.Pressure.CPU.IdleS = 100, 0.1, 0.1 }},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitUnknown,
				Reasons: []string{"100 ms are too short to judge the CPUs by, whose time the kernel counts in ticks of 10 ms: a longer run would tell"},
			},
		},
		{
			"7 ms, of which the ticks say that the machine was full", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Pressure.CPU = record.CPU{CPUs: 2, ElapsedS: 0.007, GeneratorS: 0.007, ServerS: 0.006, SystemS: 0.01, GeneratorBusiest: 0.99}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitUnknown,
				Reasons: []string{"7.00 ms are too short to judge the CPUs by, whose time the kernel counts in ticks of 10 ms: a longer run would tell"},
			},
		},
		{
			"late within 7 ms", openLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Latency["lag"] = record.Latency{P99Us: 45_678}
				r.Pressure.CPU = record.CPU{CPUs: 2, ElapsedS: 0.007, GeneratorS: 0.007, ServerS: 0.006, SystemS: 0.01, GeneratorBusiest: 0.99}
			}},
			record.Verdict{
				LimitedBy: record.LimitUnknown,
				Reasons: []string{
					"the generator started arrivals late at 8,000/s: lag p99 45.7 ms",
					"7.00 ms are too short to judge the CPUs by, whose time the kernel counts in ticks of 10 ms: a longer run would tell",
				},
				Advice: []string{"a lower --rate, more CPUs for the generator, or a --close and --exchange that cost less"},
			},
		},
		{
			"fast, on ports that nobody used before", closedLoop,
			[]func(*record.Run){reuses(31_000), func(r *record.Run) {
				r.Pressure.Ports.PeakInUse = 9000 // 0.3 s
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitCPU,
				Reasons: []string{
					"the machine's 2 CPUs were full (0 % idle)",
					"CPU of 2: generator 68 %, server 20 %, rest 12 %, idle 0 %",
					"client and server share these CPUs: this is what the host can do with both ends on it",
				},
				Advice: []string{"ask for less, so that latency is not the wait for a CPU: half of the connections, 32"},
			},
		},
		{
			"the search for a port, with reuse that timestamps are missing for", closedLoop,
			[]func(*record.Run){walks, func(r *record.Run) {
				r.Hosts = []record.Host{{Sysctls: map[string]string{"net.ipv4.tcp_tw_reuse": "1", "net.ipv4.tcp_timestamps": "0"}}}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitPortSearch,
				Reasons: []string{
					"the load opened 14,002/s until all ports that connect tries first were taken, after 1.01 s, and 610.0/s from then on; they are the ports of one parity, 14,116 of 28,232",
					"at least 1,968 connects walked past all 14,116 to find one of the other parity; connects took 877 µs at the median, 13.9 ms on average, 137 ms at p99",
					"CPU of 2: generator 85 %, server 7 %, rest 7 %, idle 0 %",
				},
				Advice: append(walkAdvice(), "timestamps: net.ipv4.tcp_timestamps=1, without which tcp_tw_reuse=1 takes over no port"),
			},
		},
		{
			"halted for long, and TIME_WAIT buckets", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.TimeWait = record.TimeWait{Overflow: 47_232, MaxBuckets: 32_768}
				r.Hosts = []record.Host{{HZ: 1000}}
				r.ElapsedS, r.Generator = 5, &record.Generator{Halts: 1, HaltedS: 2.2, LongestHaltS: 2.2}
			}},
			record.Verdict{
				LimitedBy: record.LimitTWBuckets,
				Reasons: []string{
					"47,232 closed connections skipped TIME_WAIT: tcp_max_tw_buckets is 32,768, enough for 528.1 closes/s",
					"the load stood still for 2.20 s of 5.00 s (once): this program was stopped: rates and times include the gap",
				},
				Advice: []string{"raise net.ipv4.tcp_max_tw_buckets (256 to 768 B each), or accept it: TIME_WAIT's protection is lost for those"},
			},
		},
		{
			"halted for long, and the search for a port", closedLoop,
			[]func(*record.Run){walks, func(r *record.Run) {
				r.ElapsedS, r.Generator = 5, &record.Generator{Halts: 1, HaltedS: 2.2, LongestHaltS: 2.2}
			}},
			record.Verdict{
				LimitedBy: record.LimitHalted,
				Reasons:   []string{"the load stood still for 2.20 s of 5.00 s (once): this program was stopped"},
				Advice:    []string{"run it again, and let it run: rates and times include the gap"},
			},
		},
		{
			"5 % loss", closedLoop,
			[]func(*record.Run){loses},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitNetwork,
				Reasons: []string{"packets were dropped on purpose (--loss 5%): 431 SYNs or SYN-ACKs were retransmitted, after 1 s or more, and 656 other segments, after 200 ms unless a probe came sooner: a lifecycle took 435 µs at the median, and 146 ms on average"},
				Advice:  []string{"less --loss, or more --connections, which fill the wait"},
			},
		},
		{
			"loss on the way, on a machine that others keep busy", closedLoop,
			[]func(*record.Run){busyWith(1, 1, 1), loses, func(r *record.Run) { r.Sandbox = record.Sandbox{Mode: "off"} }},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitNetwork,
				Reasons: []string{"431 SYNs or SYN-ACKs were retransmitted, after 1 s or more, and 656 other segments, after 200 ms unless a probe came sooner (of all sockets in this namespace): a lifecycle took 435 µs at the median, and 146 ms on average"},
				Advice:  []string{"look for the place that drops packets: ip -s link, tc -s qdisc, a firewall's counters; more --connections fill the wait"},
			},
		},
		{
			"0.1 % loss, which costs little", closedLoop,
			[]func(*record.Run){loses, func(r *record.Run) {
				r.Sandbox.Loss = "0.1%"
				r.Connections = record.Connections{Attempted: 30_422, Opened: 30_422, Completed: 30_422, PeakOpen: 64}
				r.Counters = map[string]int64{"TcpExtTCPSynRetrans": 93, "TcpRetransSegs": 283}
				r.Latency["lifecycle"] = record.Latency{Count: 30_422, P50Us: 2675, MeanUs: 8592}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitConnections,
				Reasons: []string{"64 connections at once, each waiting for the other side most of the time: a lifecycle took 8.59 ms on average; more connections would give more"},
			},
		},
		{
			"so much loss that most fails", closedLoop,
			[]func(*record.Run){loses, fails(sockstate.OutcomeConnectTimeout.String(), 2000), func(r *record.Run) { r.Sandbox.Loss = "60%" }},
			record.Verdict{
				LimitedBy: record.LimitNetwork,
				Reasons: []string{
					"2,000 of 2,049 lifecycles failed, most as connect_timeout (2,000)",
					"packets were dropped on purpose (--loss 60%): 431 SYNs or SYN-ACKs were retransmitted, after 1 s or more, and 656 other segments, after 200 ms unless a probe came sooner: a lifecycle took 435 µs at the median, and 146 ms on average",
					"rates and latencies are of the 49 of 2,049 lifecycles that did not fail: too few to speak for the target",
				},
			},
		},
		{
			"all packets lost on purpose, before a SYN was sent again", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeConnectTimeout.String(), 80_000), func(r *record.Run) {
				r.Sandbox = record.Sandbox{Mode: "root", Topology: "lo", Loss: "100%"}
				r.Latency = map[string]record.Latency{}
			}},
			record.Verdict{
				LimitedBy: record.LimitNetwork,
				Reasons: []string{
					"80,000 of 80,000 lifecycles failed, most as connect_timeout (80,000)",
					"packets were dropped on purpose (--loss 100%): 0 SYNs or SYN-ACKs were retransmitted, after 1 s or more, and 0 other segments, after 200 ms unless a probe came sooner",
				},
			},
		},
		{
			"halted", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Generator = &record.Generator{Halts: 2, HaltedS: 3, LongestHaltS: 2}
			}},
			record.Verdict{
				LimitedBy: record.LimitHalted,
				Reasons:   []string{"the load stood still for 3.00 s of 10.0 s (2 times, the longest 2.00 s): this program was stopped"},
				Advice:    []string{"run it again, and let it run: rates and times include the gap"},
			},
		},
		{
			"halted in open loop, which is then late", openLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Generator = &record.Generator{Halts: 1, HaltedS: 1, LongestHaltS: 1}
				r.Latency["lag"] = record.Latency{Count: 80_000, P99Us: 900_000}
			}},
			record.Verdict{
				LimitedBy: record.LimitHalted,
				Reasons:   []string{"the load stood still for 1.00 s of 10.0 s (once): this program was stopped"},
				Advice:    []string{"run it again, and let it run: rates and times include the gap"},
			},
		},
		{
			"suspended", closedLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Generator = &record.Generator{SuspendedS: 3600}
			}},
			record.Verdict{
				LimitedBy: record.LimitHalted,
				Reasons:   []string{"the machine was suspended for 3,600 s"},
				Advice:    []string{"run it again, and let it run: rates and times include the gap"},
			},
		},
		{
			"halted for a moment", openLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.ElapsedS, r.Generator = 60, &record.Generator{Halts: 1, HaltedS: 0.3, LongestHaltS: 0.3}
			}},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitTarget,
				Reasons: []string{
					"all 80,000 arrivals of the schedule were started, lag p99 413 µs",
					"the load stood still for 300 ms of 60.0 s (once): this program was stopped: too little of the run to spoil its rates, but the slowest times may be from then",
				},
			},
		},
		{
			"99 % failed", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeRequestTimeout.String(), 79_200)},
			record.Verdict{
				LimitedBy: record.LimitServer,
				Reasons: []string{
					"79,200 of 80,000 lifecycles failed, most as request_timeout (79,200)",
					"rates and latencies are of the 800 of 80,000 lifecycles that did not fail: too few to speak for the target",
				},
			},
		},
		{
			"99 % failed at a full accept queue", closedLoop,
			[]func(*record.Run){fails(sockstate.OutcomeConnectTimeout.String(), 79_200), func(r *record.Run) {
				r.Counters = map[string]int64{"TcpExtListenOverflows": 1342}
			}},
			record.Verdict{
				LimitedBy: record.LimitAcceptQueue,
				Reasons: []string{
					"the accept queue overflowed 1,342 times (backlog unknown): clients that were dropped retry their SYN after 1 s",
					"rates and latencies are of the 800 of 80,000 lifecycles that did not fail: too few to speak for the target",
				},
				Advice: []string{"a larger --backlog (net.core.somaxconn caps it), more --listeners, or a server that accepts faster"},
			},
		},
		{
			"slots", closedLoop, nil,
			record.Verdict{
				Valid: true, LimitedBy: record.LimitConnections,
				Reasons: []string{"64 connections at once, each waiting for the other side most of the time: a lifecycle took 8.12 ms on average; more connections would give more"},
			},
		},
		{
			"accounting that does not close", openLoop,
			[]func(*record.Run){func(r *record.Run) {
				r.Accounting = append(
					r.Accounting,
					record.Check{Name: "TcpActiveOpens = attempted less failed before a SYN", Want: sockstate.Range{Min: 80_000, Max: 80_000}, Got: 79_999, Exact: true},
					record.Check{Name: "TcpExtTCPAbortOnData", Want: sockstate.Range{Min: 1000, Max: 2000}, Got: 12, Exact: true},
					record.Check{Name: "TcpExtTCPAbortOnClose", Got: 12}, // others' connections may be among them
				)
			}},
			record.Verdict{
				LimitedBy: record.LimitTarget,
				Reasons: []string{
					"all 80,000 arrivals of the schedule were started, lag p99 413 µs",
					"the accounting does not close: TcpActiveOpens = attempted less failed before a SYN should be 80,000, and is 79,999",
					"the accounting does not close: TcpExtTCPAbortOnData should be 1,000 to 2,000, and is 12",
				},
			},
		},
		{
			"interrupted", closedLoop,
			[]func(*record.Run){func(r *record.Run) { r.Interrupted, r.ElapsedS = true, 3.4567 }},
			record.Verdict{
				Valid: true, LimitedBy: record.LimitInterrupted,
				Reasons: []string{
					"stopped by a signal after 3.46 s: what follows is the part until then",
					"64 connections at once, each waiting for the other side most of the time: a lifecycle took 8.12 ms on average; more connections would give more",
				},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.base()
			for _, f := range tt.with {
				f(&r)
			}
			if diff := cmp.Diff(tt.want, words(t, &r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever bound a run, replies that are not 2xx and what was no reply are told.
func TestVerdictOfReplies(t *testing.T) {
	for _, tt := range []struct {
		name           string
		http, errors   map[string]int64
		reason, advice string // the last ones
	}{
		{name: "no HTTP"},
		{name: "all well", http: map[string]int64{"2xx": 100, "1xx": 300}},
		{name: "half", http: map[string]int64{"2xx": 100, "4xx": 60, "5xx": 40}},
		{
			"most",
			map[string]int64{"2xx": 100, "4xx": 61, "5xx": 40},
			nil,
			"101 of 201 HTTP replies were not 2xx (4xx 61, 5xx 40): the numbers are mostly of those, not of the pages that users get",
			"ask for a page that is there: --exchange http:/path, and -H 'Host: NAME' where it depends on the name (curl -i shows the reply; a 400 may come from a port for TLS)",
		},
		{
			"redirects",
			map[string]int64{"3xx": 9640, "2xx": 2},
			nil,
			"9,640 of 9,642 HTTP replies were not 2xx (3xx 9,640): the numbers are mostly of those, not of the pages that users get",
			"ask for the page that the redirect leads to: --exchange http:/path, and -H 'Host: NAME' where it depends on the name (curl -i shows where it leads)",
		},
		{
			"invalid",
			map[string]int64{"invalid": 4},
			nil,
			"4 of 4 HTTP replies were not 2xx (invalid 4): the numbers are mostly of those, not of the pages that users get",
			"look at a reply with curl -i: its status line is invalid, as a status is a number from 100 to 599 (RFC 9110, section 15)",
		},
		{
			"TLS", nil,
			map[string]int64{sockstate.FaultTLS.String(): 7, sockstate.FaultSurplus.String(): 2},
			"what came in 9 of 80,000 lifecycles was not the reply asked for (tls 7, surplus 2)",
			"the target speaks TLS, and lastack plain HTTP: give it the port for plain HTTP, or put a proxy that ends TLS in front",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plain, r := closedLoop(), closedLoop()
			r.HTTP, r.ExchangeErrors = tt.http, tt.errors
			want, got := words(t, &plain), words(t, &r)
			if tt.reason != "" {
				want.Reasons, want.Advice = append(want.Reasons, tt.reason), append(want.Advice, tt.advice)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, kind := range sockstate.FaultNames() {
		if noReplyAdvice(kind) == "" {
			t.Errorf("no advice about %s", kind)
		}
	}
}

// What a target that speaks before it is asked has sent is no reply, whatever it looks like.
func TestVerdictGreeting(t *testing.T) {
	r := closedLoop()
	r.Greetings = map[string]string{"127.0.0.1:25": `"220 mail"`}
	got := words(t, &r)
	const want = `the target speaks before it is asked: 127.0.0.1:25 began with "220 mail" on a connection on which nothing was sent, so a reply does not prove that a request was read`
	if got.Valid || !slices.Contains(got.Reasons, want) || len(got.Advice) != 1 {
		t.Errorf("%+v", got)
	}
}

// A server that ends every connection without a word may speak another protocol; one that answers some does not.
func TestVerdictNoReplyAtAll(t *testing.T) {
	const advice = "check what the target speaks: it ended each connection without a reply, as some servers do that await TLS or another protocol (curl -kv https://HOST:PORT/ tells TLS); then look into its log"
	for _, tt := range []struct {
		name string
		with func(*record.Run)
		want bool
	}{
		{"all cut", fails(sockstate.OutcomeCutInRequest.String(), 80_000), true},
		{"all cut, after a reply", func(r *record.Run) {
			fails(sockstate.OutcomeCutInRequest.String(), 80_000)(r)
			r.Latency["exchange"] = record.Latency{Count: 7}
		}, false},
		{"all cut but a few with an error page", func(r *record.Run) {
			fails(sockstate.OutcomeCutInRequest.String(), 79_000)(r)
			fails(sockstate.OutcomeHTTPStatus.String(), 1000)(r)
			r.HTTP = map[string]int64{"5xx": 1000}
		}, false},
		{"all refused", fails(sockstate.OutcomeRefused.String(), 80_000), false},
	} {
		r := closedLoop()
		tt.with(&r)
		if got := slices.Contains(words(t, &r).Advice, advice); got != tt.want {
			t.Errorf("%s: advised %v, want %v", tt.name, got, tt.want)
		}
	}
}

// What comes first in a connection's life, and then what spoils the numbers most, names the limit.
func TestVerdictOrder(t *testing.T) {
	causes := []struct {
		limit string
		f     func(*record.Run)
	}{
		{record.LimitPorts, fails(sockstate.OutcomeNoLocalPort.String(), 1000)},
		{record.LimitFds, fails(sockstate.OutcomeNoFD.String(), 1000)},
		{record.LimitMemory, fails(sockstate.OutcomeNoMemory.String(), 1000)},
		{record.LimitConntrack, func(r *record.Run) { r.Pressure.Conntrack = &record.Gauge{Peak: 100, Limit: 100} }},
		{record.LimitCPU, func(r *record.Run) { r.Latency["lag"] = record.Latency{P99Us: 1e6} }},
		{record.LimitTWBuckets, func(r *record.Run) { r.TimeWait.Overflow = 1 }},
		{record.LimitAcceptQueue, func(r *record.Run) { r.Counters["TcpExtListenOverflows"] = 1 }},
		{record.LimitSYNDrops, func(r *record.Run) { r.Counters["TcpExtListenDrops"] = 1 }},
		{record.LimitServer, fails(sockstate.OutcomeRefused.String(), 60_000)},
		{record.LimitCPU, func(r *record.Run) { r.Connections.Scheduled = 1e6 }},
	}
	for i, c := range causes {
		t.Run(c.limit, func(t *testing.T) {
			r := openLoop()
			r.Counters = make(map[string]int64)
			busyWith(11, 6, 2)(&r)
			for _, worse := range slices.Backward(causes[i:]) {
				worse.f(&r)
			}
			if got := words(t, &r).LimitedBy; got != c.limit {
				t.Errorf("limited by %s, want %s", got, c.limit)
			}
		})
	}
}

// The verdict does not change what it judges.
func TestVerdictIsPure(t *testing.T) {
	a, b := openLoop(), openLoop()
	first := words(t, &a)
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("judging changed the record (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(first, words(t, &a)); diff != "" {
		t.Errorf("judging twice (-first +second):\n%s", diff)
	}
	if got := slices.Sorted(maps.Keys(a.Outcomes)); len(got) != 1 {
		t.Errorf("outcomes %v", got)
	}
}

// A load that nothing was seen to bind is bound by its width only if everything was looked at.
func TestUnreadBindsNothing(t *testing.T) {
	unreadCPU := func(r *record.Run) {
		c := &r.Pressure.CPU
		c.NotRead, c.SystemS, c.UserS, c.SoftirqS, c.IdleS = "/proc/stat was not read", 0, 0, 0, 0
	}
	unreadWorkers := func(r *record.Run) {
		c := &r.Pressure.CPU
		c.WorkersNotRead, c.GeneratorS, c.ServerS, c.GeneratorBusiest, c.ServerBusiest = "/proc/self/task/TID/schedstat was not read", 0, 0, 0, 0
	}
	unread := func(what string) func(*record.Run) {
		return func(r *record.Run) { r.Pressure.Unread = []string{what} }
	}
	late := func(r *record.Run) { r.Latency["lag"] = record.Latency{Count: 1000, P99Us: 80_000} }
	for _, tt := range []struct {
		name  string
		run   record.Run
		with  []func(*record.Run)
		limit string
		valid bool
		says  string
	}{
		{"all was read", closedLoop(), nil, record.LimitConnections, true, "more connections would give more"},
		{"the CPUs", closedLoop(), []func(*record.Run){unreadCPU}, record.LimitUnknown, true, "the CPUs were not read (/proc/stat)"},
		{"the CPUs, ports walked past", closedLoop(), []func(*record.Run){walks, unreadCPU}, record.LimitUnknown, true, "connects walked past all"},
		{"the workers", closedLoop(), []func(*record.Run){unreadWorkers}, record.LimitUnknown, true, "this program's workers was not read"},
		{"the workers of a full machine", closedLoop(), []func(*record.Run){busyWith(16, 3, 2), unreadWorkers}, record.LimitUnknown, true, "this program's workers was not read"},
		{"the workers, ports walked past", closedLoop(), []func(*record.Run){walks, unreadWorkers}, record.LimitUnknown, true, "this program's workers was not read"},
		{"the counters", closedLoop(), []func(*record.Run){unread(record.UnreadCounters)}, record.LimitUnknown, true, "/proc/net/netstat"},
		{"TCP's memory", closedLoop(), []func(*record.Run){unread(record.UnreadMemory)}, record.LimitUnknown, true, "/proc/net/sockstat"},
		{"the quota", closedLoop(), []func(*record.Run){unread(record.UnreadQuota)}, record.LimitUnknown, true, "cpu.stat"},
		{"the ports", closedLoop(), []func(*record.Run){unread(record.UnreadPorts)}, record.LimitUnknown, true, "the local ports in use were not read"},
		{"the ports, of which few are taken", closedLoop(), []func(*record.Run){unread(record.UnreadPorts), func(r *record.Run) { r.Predicted.TimeWait = "none" }}, record.LimitConnections, true, "more connections"},
		{"the CPUs, of a rate that was met", openLoop(), []func(*record.Run){unreadCPU}, record.LimitTarget, true, "arrivals of the schedule were started"},
		{"the CPUs, of a generator that was late", openLoop(), []func(*record.Run){late, unreadCPU}, record.LimitUnknown, false, "the CPUs were not read"},
		{"the CPUs, of a capped rate", openLoop(), []func(*record.Run){unreadCPU, func(r *record.Run) { r.Connections.Capped = 10_000 }}, record.LimitConnections, false, "the CPUs were not read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.run
			for _, with := range tt.with {
				with(&r)
			}
			v := words(t, &r)
			if said := strings.Join(v.Reasons, "\n"); v.LimitedBy != tt.limit || v.Valid != tt.valid || !strings.Contains(said, tt.says) {
				t.Errorf("limited by %s, valid %v: %q; want %s, %v, and %q in it", v.LimitedBy, v.Valid, v.Reasons, tt.limit, tt.valid, tt.says)
			}
			if tt.limit == record.LimitUnknown && strings.Contains(strings.Join(v.Reasons, "\n"), "more connections would") {
				t.Errorf("the width is named all the same: %q", v.Reasons)
			}
		})
	}
}

// A server that ends connections between its replies may take no more requests on one.
func TestVerdictCutBetweenReplies(t *testing.T) {
	const advice = "fewer --requests, if the target takes no more on a connection: it ended connections between its replies"
	r := closedLoop()
	fails(sockstate.OutcomeCutInRequest.String(), 80_000)(&r)
	r.Latency["exchange"] = record.Latency{Count: 70_000}
	r.Plan.Groups[0].Requests = 10
	if v := words(t, &r); !slices.Contains(v.Advice, advice) {
		t.Errorf("advice %q, want %q", v.Advice, advice)
	}
}

// Ports that an earlier load's TIME_WAITs have are not in this load's census: the page says who may have them.
func TestPortsOfOthers(t *testing.T) {
	for inUse, says := range map[int]bool{1000: false, 995: false, 884: true} {
		r := closedLoop()
		outOfPorts(&r)
		r.Pressure.Ports.PeakInUse = inUse
		v := words(t, &r)
		if said := strings.Contains(strings.Join(v.Reasons, "\n"), "no sample saw this load use the other 116"); said != says || v.LimitedBy != record.LimitPorts {
			t.Errorf("%d in use: limited by %s: %q", inUse, v.LimitedBy, v.Reasons)
		}
	}
}
