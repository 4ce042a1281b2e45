package report

import (
	"fmt"
	"strings"
	"testing"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/sockstate"
)

// drains are drains as they could have been, by name of their golden.
func drains(t testing.TB) map[string]*record.Run {
	return map[string]*record.Run{
		"drain-graceful":       gracefulDrain(t),
		"drain-abrupt":         abruptDrain(t),
		"drain-rolling":        rollingDrain(t),
		"drain-remote":         remoteDrain(t),
		"drain-repeat":         repeatedDrain(t),
		"drain-not-producible": notProducible(t),
		"drain-interrupted":    interruptedDrain(t),
		"drain-cut-short":      cutShortDrain(t),
		"drain-not-stopped":    notStoppedDrain(t),
		"drain-handover":       handoverDrain(t),
		"drain-hung":           hungDrain(t),
		"drain-not-signalled":  notSignalled(t),
		"drain-minimal":        {Schema: record.Schema, Kind: record.KindDrain},
	}
}

func at[T any](v T) *T { return &v }

func check(name string, n int64) record.Check {
	return record.Check{Name: name, Want: sockstate.Range{Min: n, Max: n}, Got: n, OK: true, Exact: true}
}

// aDrain has a load of three groups, and no tries.
func aDrain(t testing.TB) *record.Run {
	r := base()
	r.Kind, r.States, r.Observer = record.KindDrain, record.States{}, record.Observer{}
	group := record.Group{Targets: []string{"127.0.0.1:8080"}, Exchange: "http:/"}
	idle, inFlight, arrivals := group, group, group
	idle.Name, idle.Connections = "idle", 1000
	inFlight.Name, inFlight.Connections, inFlight.Exchange, inFlight.ThinkNs = "in-flight", 20, "http:/slow", 10e6
	arrivals.Name, arrivals.RateFrom, arrivals.RateTo = "arrivals", 200, 200
	r.Plan = record.Plan{
		Groups: []record.Group{idle, inFlight, arrivals}, Workers: 2, Engine: "epoll",
		Command: []string{"lastack", "drain", "127.0.0.1:8080", "--exec", "./server -listen :8080", "--idle", "1000", "--in-flight-exchange", "http:/slow", "-R", "200"},
	}
	r.Sandbox.Mode = "off"
	r.Result = record.Result{
		Latency: map[string]record.Latency{"connect": latency(t, 2_612, 91, 0.3), "exchange": latency(t, 20_300, 812, 0.5), "lifecycle": latency(t, 1_592, 912, 0.5), "close": {}},
	}
	r.Drain = &record.Drain{Stop: record.DrainStop{
		Way: record.DrainByExec, Command: []string{"./server", "-listen", ":8080"}, Signal: "SIGTERM", AfterS: 5, GraceS: 30, Then: "SIGKILL",
	}}
	r.Verdict = record.Verdict{Valid: true, Reasons: []string{"the load's busiest worker was 12.1 % busy"}}
	return r
}

// slicesOf has tenths of a second from one second before the stop.
func slicesOf(n int, fill func(t float64, s *record.DrainSlice)) []record.DrainSlice {
	sl := make([]record.DrainSlice, n)
	for i := range sl {
		sl[i].TS = float64(i-10) / 10
		fill(sl[i].TS, &sl[i])
	}
	return sl
}

func graceful() record.DrainTry {
	idle := record.DrainGroup{
		Name: "idle", OpenAtStop: 1000, Connections: record.DrainConnections{Opened: 1000, FIN: 1000}, FirstEndS: at(0.0004), LastEndS: at(0.0131),
	}
	inFlight := record.DrainGroup{
		Name: "in-flight", OpenAtStop: 20, Connections: record.DrainConnections{Opened: 20, FIN: 20}, FirstEndS: at(0.02), LastEndS: at(0.498),
		Requests: record.DrainRequests{Sent: 20, UnderWay: 20, CompletedClose: 20},
	}
	arrivals := record.DrainGroup{
		Name: "arrivals", OpenAtStop: 1, Connections: record.DrainConnections{Opened: 2, Done: 2}, Requests: record.DrainRequests{Sent: 2, UnderWay: 1, Completed: 2}, Refused: 496,
	}
	try := record.DrainTry{
		SignalAtS: 5.01, WatchedS: 2.5, Order: record.DrainOrder{Source: "packets", UncertaintyUs: 31},
		Server: record.DrainServer{PID: 4711, Contained: "pid_namespace", ExitS: at(0.5012), ExitCode: at(0), Said: "listening on :8080\nSIGTERM: no new connections\nall done\n"},
		Listener: record.DrainListener{
			LastAcceptS: at(-0.0021), FirstRefusalS: at(0.0029), RefusedWindowS: 2.497, Attempts: 497, Opened: 1, Refused: 496, SlowestConnectS: 0.000131,
		},
		Connections: record.DrainConnections{Opened: 1022, FIN: 1020, Done: 2},
		Requests:    record.DrainRequests{Sent: 22, UnderWay: 21, Completed: 2, CompletedClose: 20, Total: 20_300, SlowestS: at(0.5004), GapS: at(2.002), GapOpen: true},
		Groups:      []record.DrainGroup{idle, inFlight, arrivals},
		Reconnect:   record.DrainReconnect{Clients: 1020, Failed: 1020},
		Leftover:    record.DrainLeftover{Known: true, States: map[string]int{"TIME_WAIT": 1020, "FIN_WAIT_2": 2}, TimeWait: 1020, FinWait2: 2, LongestLeftS: 59.48},
		Port:        record.DrainPort{Plain: "EADDRINUSE", Reuse: "ok"},
		LastGoneS:   at(0.498),
		Moments: []record.DrainMoment{
			{TS: -0.0021, What: "last handshake completed"},
			{TS: 0, What: "SIGTERM sent to 4711"},
			{TS: 0.0004, What: "first idle connection ended by FIN"},
			{TS: 0.0029, What: "first connect refused"},
			{TS: 0.0131, What: "last idle connection ended by FIN"},
			{TS: 0.498, What: "last connection gone"},
			{TS: 0.5012, What: "the signalled process ended"},
		},
		Slices: slicesOf(36, func(t float64, s *record.DrainSlice) {
			switch {
			case t < 0:
				s.Accepted, s.Completed = 20, 340
			case t == 0:
				s.Accepted, s.Completed, s.FIN, s.Refused = 1, 5, 1004, 19
			default:
				s.Refused = 20
				if t < 0.5 {
					s.Completed, s.FIN = 4, 4
				}
			}
		}),
		Accounting: []record.Check{check("connections with one fate", 1022), check("requests with one fate", 22)},
	}
	return try
}

func gracefulDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	try := graceful()
	try.Score = metric.ScoreLine(&try)
	r.Drain.Tries = []record.DrainTry{try}
	r.Thresholds = []record.ThresholdResult{{Expr: "lost==0", Metric: "lost", GotText: "0", Want: "==0", OK: true}}
	return r
}

// abrupt loses what is in flight, on a server that does not handle the signal.
func abrupt(cut int64) record.DrainTry {
	try := graceful()
	try.Server.ExitS, try.Server.ExitCode, try.Server.ExitSignal, try.Server.Said = at(0.0012), nil, "SIGTERM", ""
	try.Groups = []record.DrainGroup{
		{
			Name: "idle", OpenAtStop: 1000, Connections: record.DrainConnections{Opened: 1000, FIN: 400, RST: 600}, FirstEndS: at(0.0007), LastEndS: at(0.0091),
		},
		{
			Name: "in-flight", OpenAtStop: 20, Connections: record.DrainConnections{Opened: 20, FIN: 20 - cut, Cut: cut}, FirstEndS: at(0.0007), LastEndS: at(0.0093),
			Requests: record.DrainRequests{Sent: 20, UnderWay: 18, Completed: 20 - cut, CutFIN: cut - 3, CutRST: 3, Raced: 2, Safe: 2, Unsafe: cut - 2},
		},
		{
			Name: "partial", OpenAtStop: 10, Connections: record.DrainConnections{Opened: 10, RST: 10}, Requests: record.DrainRequests{Sent: 10, UnderWay: 10, Partial: 10},
			FirstEndS: at(0.0008), LastEndS: at(0.0011),
		},
	}
	try.Groups[0].Refused, try.Groups[1].Refused = 400, 96
	try.Connections = record.DrainConnections{Opened: 1030, FIN: 420 - cut, RST: 610, Cut: cut}
	try.Requests = record.DrainRequests{Sent: 30, UnderWay: 28, Completed: 20 - cut, CutFIN: cut - 3, CutRST: 3, Raced: 2, Safe: 2, Unsafe: cut - 2, Partial: 10, Total: 20_300}
	try.Queued = &record.DrainQueued{Asked: 20, Queued: 20, Reset: 19, Served: 1}
	try.LastGoneS = at(0.0093)
	try.Moments = []record.DrainMoment{{TS: 0, What: "SIGTERM sent to 4711"}, {TS: 0.0012, What: "the signalled process ended"}}
	try.Slices = slicesOf(30, func(t float64, s *record.DrainSlice) {
		switch {
		case t < 0:
			s.Accepted, s.Completed = 20, 340
		case t == 0:
			s.Lost, s.FIN, s.RST, s.Refused = cut, 420-cut, 610, 20
		default:
			s.Refused = 20
		}
	})
	try.Accounting = []record.Check{check("connections with one fate", 1030), check("requests with one fate", 30)}
	try.Score = metric.ScoreLine(&try)
	return try
}

func abruptDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	try := abrupt(14)
	try.Server.Ledger = map[string]int64{"accepted": 2631, "cut_in_request": 15}
	try.Server.Contained, try.Server.ContainedReason = "process_group", "the kernel refused a PID namespace (EPERM)"
	bad := check("requests cut = the server's own count", 14)
	bad.Got, bad.OK = 15, false
	try.Accounting = append(try.Accounting, bad)
	try.Warnings = []string{"one request was cut that no client saw sent"}
	r.Drain.Tries = []record.DrainTry{try}
	r.Thresholds = []record.ThresholdResult{
		{Expr: "lost==0", Metric: "lost", Got: 14, GotText: "14", Want: "==0"},
		{Expr: "refused_window<100ms", Metric: "refused_window", Got: 2.497e6, GotText: "2.497s", Want: "<100ms"},
	}
	return r
}

func rollingDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	r.Drain.Stop.Restart = []string{"./server", "-listen", ":8080"}
	r.Sandbox = record.Sandbox{Mode: "user", Topology: "lo", Sysctls: map[string]string{"net.ipv4.tcp_migrate_req": "1"}}
	try := graceful()
	try.Connections = record.DrainConnections{Opened: 2450, FIN: 1020, Done: 410, Never: 1020, Kept: 1020}
	try.Requests = record.DrainRequests{Sent: 8_200, UnderWay: 21, Completed: 8_166, CompletedClose: 20, Answered5xx: 12, CutRST: 2, Raced: 1, Unreceived: 1, Safe: 2, Total: 30_100, SlowestS: at(0.61), GapS: at(0.113)}
	try.Requests.HTTP, try.Requests.HTTPBefore = map[string]int64{"2xx": 8_182, "4xx": 4, "5xx": 12}, map[string]int64{"2xx": 21_900}
	try.Groups[0].Connections = record.DrainConnections{Opened: 2000, FIN: 1000, Never: 1000, Kept: 1000}
	try.Groups[1].Connections = record.DrainConnections{Opened: 40, FIN: 20, Never: 20, Kept: 20}
	try.Groups[1].Requests = record.DrainRequests{Sent: 7_790, UnderWay: 20, Completed: 7_756, CompletedClose: 20, Answered5xx: 12, CutRST: 2, Raced: 1, Unreceived: 1, Safe: 2}
	try.Groups[1].Requests.HTTP = map[string]int64{"2xx": 7_772, "4xx": 4, "5xx": 12}
	try.Groups[2].Connections = record.DrainConnections{Opened: 410, Done: 410}
	try.Groups[2].Requests = record.DrainRequests{Sent: 410, UnderWay: 1, Completed: 410}
	try.Groups[0].Refused, try.Groups[2].Refused, try.Groups[2].ConnectsUnanswered = 20, 23, 1
	try.Listener = record.DrainListener{
		LastAcceptS: at(-0.0021), FirstRefusalS: at(0.0029), AcceptsAgainS: at(0.1129), RefusedWindowS: 0.11, Attempts: 1473, Opened: 1429, Refused: 43, TimedOut: 1, SlowestConnectS: 1.0312,
	}
	try.WatchedS = 3.5
	try.Restart = &record.DrainRestart{StartedS: at(0.0004), ListensS: at(0.1124)}
	try.Reconnect = record.DrainReconnect{Clients: 1020, Landed: map[string]int64{"new": 1019, "unknown": 1}, FirstS: at(0.2), LastS: at(0.93)}
	try.Slices = slicesOf(45, func(t float64, s *record.DrainSlice) {
		s.Accepted, s.Completed = 20, 340
		if t == 0 {
			s.Accepted, s.Completed, s.Answered5xx, s.FIN, s.Refused, s.Lost = 1, 5, 12, 1020, 43, 2
		}
		if t >= 0.2 && t < 0.7 {
			s.Accepted = 220
		}
	})
	try.Counters = map[string]int64{"TcpOutRsts": 44, "TcpActiveOpens": 1473, "TcpExtTCPSynRetrans": 1}
	try.Order.Dropped = 3
	try.Accounting = []record.Check{check("connections with one fate", 2450), check("requests with one fate", 8_200), check("TcpActiveOpens", 1473)}
	try.Leftover.Earlier = 2_631
	try.Score = metric.ScoreLine(&try)
	r.Drain.Tries = []record.DrainTry{try}
	return r
}

// hungDrain is of a server whose launcher keeps the listener: the kernel takes connections that no process accepts.
func hungDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	try := graceful()
	try.Listener = record.DrainListener{Attempts: 404, Opened: 400, TimedOut: 1, Pending: 2, Failed: 1, Unserved: 379, Undecided: 20, UnservedFromS: at(0.0013), SlowestConnectS: 0.0021}
	try.Groups[2].Connections = record.DrainConnections{Opened: 401, Done: 2, Other: 379, Never: 20, Kept: 20}
	try.Groups[2].Requests = record.DrainRequests{Sent: 401, UnderWay: 1, Completed: 2, TimedOut: 379, Unsafe: 379, Open: 20}
	try.Groups[2].Refused, try.Groups[2].ConnectsUnanswered = 0, 3
	try.Connections = record.DrainConnections{Opened: 1421, FIN: 1020, Done: 2, Other: 379, Never: 20, Kept: 20}
	try.Requests = record.DrainRequests{Sent: 421, UnderWay: 21, Completed: 2, CompletedClose: 20, TimedOut: 379, Unsafe: 379, Open: 20, Total: 20_699, SlowestS: at(0.5004), GapS: at(2.002), GapOpen: true}
	try.Reconnect = record.DrainReconnect{Clients: 1020, Failed: 20, Landed: map[string]int64{"unknown": 1000}, FirstS: at(0.2), LastS: at(0.61)}
	try.Slices = slicesOf(146, func(t float64, s *record.DrainSlice) {
		switch {
		case t < 0:
			s.Accepted, s.Completed = 20, 340
		case t < 2.5:
			s.Accepted = 16
		case t > 10:
			s.Lost = 11
		}
	})
	try.HaltedS = 3.2
	try.Score = metric.ScoreLine(&try)
	r.Drain.Tries = []record.DrainTry{try}
	r.Thresholds = []record.ThresholdResult{{Expr: "failed==0", Metric: "failed", Got: 380, GotText: "380", Want: "==0"}}
	return r
}

// notSignalled is of a server that could not be signalled.
func notSignalled(t testing.TB) *record.Run {
	r := aDrain(t)
	try := graceful()
	try.Server = record.DrainServer{PID: 4711, Stayed: true, SignalFailed: "process 4711 could not be sent SIGTERM: operation not permitted"}
	try.Moments = []record.DrainMoment{{What: "the signal could not be sent"}}
	try.Leftover, try.Port, try.LastGoneS = record.DrainLeftover{}, record.DrainPort{}, nil
	try.Score = metric.ScoreLine(&try)
	r.Drain.Tries = []record.DrainTry{try}
	r.Verdict = record.Verdict{Reasons: []string{"try 1: " + try.Server.SignalFailed}}
	return r
}

func remoteDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	for i := range r.Plan.Groups {
		r.Plan.Groups[i].Targets, r.Plan.Groups[i].Exchange = []string{"10.1.2.3:443"}, "http:/"
	}
	r.Drain.Stop = record.DrainStop{Way: record.DrainByHook, Command: []string{"kubectl rollout restart deployment/web"}, AfterS: 5, GraceS: 30}
	try := graceful()
	const far = "the server is on another host"
	try.Order = record.DrainOrder{Source: "clients", UncertaintyUs: 1240, Reason: "a packet socket needs CAP_NET_RAW"}
	try.Server = record.DrainServer{HookS: at(1.2), HookCode: at(0), Said: "deployment.apps/web restarted"}
	try.Listener = record.DrainListener{Attempts: 497, Opened: 497, SlowestConnectS: 3.1}
	try.Connections = record.DrainConnections{Opened: 1022, FIN: 1000, Done: 2, Never: 18, Other: 2}
	try.Requests = record.DrainRequests{Sent: 22, UnderWay: 22, Completed: 18, TimedOut: 3, Open: 1, Unsafe: 3, Total: 20_300}
	try.Groups, try.Leftover, try.Port, try.LastGoneS = nil, record.DrainLeftover{}, record.DrainPort{}, nil
	try.Moments = []record.DrainMoment{{What: "the hook started"}, {TS: 1.2, What: "the hook ended, exit code 0"}}
	try.Reconnect = record.DrainReconnect{Clients: 1000, Landed: map[string]int64{"unknown": 1000}}
	try.Unknown = map[string]string{
		"server.exit_s": far, "server.exit_code": far, "leftover": far, "port": far, "reconnect.landed": far, "queued": "not producible: a hook stops the server",
		"listener.last_accept_s": "there are no packet timestamps", "last_gone_s": "connections that were open at the signal were open still when the watch ended",
	}
	try.Score = metric.ScoreLine(&try)
	r.Drain.Tries = []record.DrainTry{try}
	r.Thresholds = []record.ThresholdResult{{Expr: "exit_time<30s", Metric: "exit_time", Want: "<30s", Reason: far}}
	r.Warnings = []string{"latency.connect: 12 connects took more than 1 s: SYNs were dropped"}
	return r
}

func repeatedDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	r.Drain.Stop.Repeat = 20
	for i := range 20 {
		try := graceful()
		if i%6 == 4 {
			try = abrupt(int64(4 + i%5))
			try.Warnings = []string{"the server was killed by the signal itself"}
		}
		try.Server.PID = 4711 + i
		try.Server.ExitS = at(*try.Server.ExitS + float64(i)*0.001)
		try.Warnings = append(try.Warnings, "accounting: the namespace is the host's, its counters hold others' connections")
		if i == 3 {
			try.Accounting[0].Got, try.Accounting[0].OK = 1021, false
		}
		try.Score = metric.ScoreLine(&try)
		r.Drain.Tries = append(r.Drain.Tries, try)
	}
	r.Thresholds = []record.ThresholdResult{{Expr: "lost==0", Metric: "lost", Got: 8, GotText: "8", Want: "==0", Reason: "try 5 of 20, the worst of 3 that missed it"}}
	return r
}

func notProducible(t testing.TB) *record.Run {
	r := aDrain(t)
	r.Drain.Stop = record.DrainStop{Way: record.DrainByPID, PID: 812, Signal: "SIGUSR1", AfterS: 0.5, GraceS: 10, Then: "SIGTERM", Repeat: 2}
	one := graceful()
	one.Server = record.DrainServer{PID: 812, Stayed: true}
	one.Unknown = map[string]string{"queued": "not producible: SIGSTOP was not permitted (EPERM)", "server.exit_code": "the process is not lastack's own"}
	one.Leftover, one.Port = record.DrainLeftover{}, record.DrainPort{}
	two := one
	two.Server = record.DrainServer{PID: 812, Stayed: true, ThenSent: true}
	one.Score, two.Score = metric.ScoreLine(&one), metric.ScoreLine(&two)
	r.Drain.Tries = []record.DrainTry{one, two}
	return r
}

func interruptedDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	r.Interrupted, r.ElapsedS, r.Drain.Stop.Repeat = true, 4.21, 20
	r.Result = record.Result{LatencyAbsent: map[string]string{"connect": "the run was interrupted"}}
	r.Verdict = record.Verdict{LimitedBy: record.LimitInterrupted, Reasons: []string{fmt.Sprintf("a signal stopped the drain %.1f s into it, before the server was stopped", 4.21)}}
	r.Warnings = []string{"drain: nothing was measured"}
	return r
}

// cutShortDrain is interrupted while the server is still there.
func cutShortDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	r.Interrupted, r.ElapsedS = true, 6.2
	try := graceful()
	try.Server = record.DrainServer{PID: 4711, Contained: "pid_namespace", Stayed: true}
	try.Leftover, try.Port, try.LastGoneS = record.DrainLeftover{}, record.DrainPort{}, nil
	try.Connections = record.DrainConnections{Opened: 1022, FIN: 1019, Done: 2, Never: 1}
	try.Unknown = map[string]string{"server.exit_s": "the run was interrupted"}
	try.Score = metric.ScoreLine(&try)
	r.Drain.Tries = []record.DrainTry{try}
	r.Verdict.LimitedBy = record.LimitInterrupted
	return r
}

// notStoppedDrain is of a shell around a server: it ends, and the server does not.
func notStoppedDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	r.Plan.Groups = r.Plan.Groups[:2]
	r.Drain.Stop.Restart = []string{"./server", "-listen", ":8080"}
	try := graceful()
	try.Server.StillListening = []int{4712, 4713}
	try.Server.Said = "ready\n" + strings.Repeat("worker: the address is in use\n", 8) + "\nworker: gave up " + strings.Repeat("again and ", 12) + "\n"
	try.Listener = record.DrainListener{Attempts: 12, Opened: 12, SlowestConnectS: 0.00021}
	try.Restart = &record.DrainRestart{StartedS: at(0.502), Failed: "it did not listen on 127.0.0.1:8080 while clients were watched"}
	try.Queued = &record.DrainQueued{Asked: 20, Queued: 17, Elsewhere: 4, Served: 9, Reset: 3, FIN: 2, TimedOut: 2, Never: 1}
	try.Reconnect = record.DrainReconnect{Clients: 12, Landed: map[string]int64{"old": 10}, Failed: 2, FirstS: at(0.21), LastS: at(0.22)}
	try.Leftover, try.Port = record.DrainLeftover{}, record.DrainPort{}
	try.Accounting = append(try.Accounting, record.Check{
		Name: "TcpActiveOpens", Want: sockstate.Range{Min: 1_034, Max: 1_034}, Got: 1_051, OK: true, Note: "others' connections count in this namespace too",
	})
	try.Score = metric.ScoreLine(&try)
	r.Drain.Tries = []record.DrainTry{try}
	return r
}

// handoverDrain has the next server share the port before the signal, and leaves sockets of each kind.
func handoverDrain(t testing.TB) *record.Run {
	r := aDrain(t)
	r.Drain.Stop.Restart, r.Drain.Stop.Handover = []string{"./server", "-listen", ":8080"}, true
	try := graceful()
	try.Listener = record.DrainListener{Attempts: 497, Opened: 497, SlowestConnectS: 0.000131}
	try.Restart = &record.DrainRestart{StartedS: at(-0.31), ListensS: at(-0.29)}
	try.Reconnect = record.DrainReconnect{Clients: 1020, Landed: map[string]int64{"new": 1020}, FirstS: at(0.2), LastS: at(0.21)}
	try.Leftover.Earlier = 1
	try.Leftover.States = map[string]int{"FIN_WAIT_1": 3, "CLOSING": 1, "LAST_ACK": 2, "SYN_RECV": 1, "FIN_WAIT_2": 2, "TIME_WAIT": 1020}
	try.Score = metric.ScoreLine(&try)
	r.Drain.Tries = []record.DrainTry{try}
	return r
}
