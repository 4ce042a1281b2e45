package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// mustSay wants each part in one of the lines.
func mustSay(t *testing.T, what string, lines []string, parts ...string) {
	t.Helper()
	text := strings.Join(lines, "\n")
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s do not say %q:\n%s", what, p, text)
		}
	}
}

// With every local port in TIME_WAIT the run goes on, and says what would help.
func TestPortExhaustion(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"root", "nobody"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f := carryOut(t, mode, trial{
				Spec: sandbox.Spec{Topology: sandbox.Veth, Sysctls: sysctls(t,
					"net.ipv4.ip_local_port_range=40000 40999", "net.ipv4.tcp_tw_reuse=0")},
				Plan:     counted(t, 5000, "client:fin", "close", "echo:1,1"),
				Interval: 50 * time.Millisecond,
			})
			r := f.Run
			// A TIME_WAIT that a reset kills gives its port back (compareTimeWaits).
			ports := 1000 + f.grown("TcpOutRsts")
			if c := r.Connections; c.Completed != ports || c.Failed != r.Outcomes["no_local_port"] || c.Attempted != 5000 {
				t.Errorf("completed %d, want the %d that there are ports for; failed %d, of these no_local_port %d", c.Completed, ports, c.Failed, r.Outcomes["no_local_port"])
			}
			if n := f.grown("TcpActiveOpens"); n != ports || r.Counters["TcpActiveOpens"] != ports {
				t.Errorf("ActiveOpens %d, in the record %d, want %d", n, r.Counters["TcpActiveOpens"], ports)
			}
			if n := f.left(sockstate.Client, "TIME_WAIT"); n != 1000 {
				t.Errorf("%d TIME_WAITs, want 1,000", n)
			}
			p := r.Pressure.Ports
			if p.Available != 1000 || p.PeakInUse != 1000 || p.Range != "40000 40999" || p.ExhaustedInS <= 0 || p.ExhaustedInS > r.ElapsedS+1 {
				t.Errorf("ports %+v", p)
			}
			f.mustCountAlike(t)
			mustBeLimited(t, r, record.LimitPorts, false, false)
			mustSay(t, "the reasons", r.Verdict.Reasons, "found no free local port", "1,000 ports", "60 to 6", "connections/s sustained")
			mustSay(t, "the advice", r.Verdict.Advice, "--source with", "pairs of 1,000 ports", `ip_local_port_range="1024 65535"`, "64,512 for each pair",
				"tcp_tw_reuse=1", "up to 1,000 connections/s", "client:rst", "server:fin")
		})
	}
}

// More addresses do help, as the advice says: each pair has the whole range.
func TestSourcesMultiplyPorts(t *testing.T) {
	t.Parallel()
	tr := trial{
		Spec: sandbox.Spec{Topology: sandbox.Veth, Sysctls: sysctls(t,
			"net.ipv4.ip_local_port_range=40000 40099", "net.ipv4.tcp_tw_reuse=0")},
		Plan: counted(t, 4000, "client:fin", "close", "none"),
	}
	g := &tr.Plan.Groups[0]
	for i := range 20 {
		g.Sources = append(g.Sources, sourceOf(i))
	}
	f := carryOut(t, "user", tr)
	r := f.Run
	// A TIME_WAIT that a reset kills gives its port back (compareTimeWaits).
	if r.Connections.Completed != 2000+f.grown("TcpOutRsts") || r.Pressure.Ports.Pairs != 20 || len(r.Pressure.Pairs) != 20 {
		t.Errorf("completed %d with 20 addresses of 100 ports, want 2,000; %d pairs, %d listed", r.Connections.Completed, r.Pressure.Ports.Pairs, len(r.Pressure.Pairs))
	}
	mustSay(t, "the reasons", r.Verdict.Reasons, "100 ports for each of 20 source and destination pairs", "2,000 ports / 6")
}

// Above tcp_max_tw_buckets the kernel closes without TIME_WAIT, and counts.
func TestTimeWaitBuckets(t *testing.T) {
	t.Parallel()
	for _, topology := range []sandbox.Topology{sandbox.Lo, sandbox.Veth} {
		for _, closes := range []string{"client:fin", "server:fin"} {
			t.Run(string(topology)+"/"+closes, func(t *testing.T) {
				t.Parallel()
				const n = 5000
				f := carryOut(t, "user", trial{
					Spec: sandbox.Spec{Topology: topology, Sysctls: sysctls(t, "net.ipv4.tcp_max_tw_buckets=1000")},
					Plan: counted(t, n, closes, "close", "none"),
				})
				r := f.Run
				if r.Connections.Completed != n {
					t.Errorf("completed %d, want %d", r.Connections.Completed, n)
				}
				if over := f.grown("TcpExtTCPTimeWaitOverflow"); over < n/2 || r.TimeWait.Overflow != over || r.TimeWait.Entered+r.TimeWait.EnteredShort+over != n {
					t.Errorf("%+v; /proc says %d overflowed", r.TimeWait, over)
				}
				if ck := f.check(t, teardown.CounterTimeWaits); ck.Got != n || ck.Want.Min != n || ck.Want.Max != n || !ck.Exact {
					t.Errorf("%+v, want exactly %d", ck, n)
				}
				f.mustCountAlike(t)
				mustBeLimited(t, r, record.LimitTWBuckets, true, false)
				mustSay(t, "the reasons", r.Verdict.Reasons, "skipped TIME_WAIT", "tcp_max_tw_buckets is 1,000", quantity.PerSecond(1000/sockstate.TimeWaitLasts(r.Hosts[0].HZ).Mean().Seconds())+" closes/s")
			})
		}
	}
}

// More connections at once than the listeners' queues hold.
func TestAcceptQueueOverflow(t *testing.T) {
	t.Parallel()
	tr := trial{Plan: counted(t, 1500, "client:fin", "close", "echo:1,1"), Backlog: 1, Delay: 5 * time.Millisecond}
	g := &tr.Plan.Groups[0]
	g.Connections = 500
	// A client whose last ACK was dropped is open, and its server is not.
	g.ConnectTimeout, g.RequestTimeout = 2*time.Second, 2*time.Second
	f := carryOut(t, "user", tr)
	r := f.Run
	if over := f.grown("TcpExtListenOverflows"); over == 0 || r.Counters["TcpExtListenOverflows"] == 0 || r.Counters["TcpExtListenDrops"] < r.Counters["TcpExtListenOverflows"] {
		t.Fatalf("%d overflows by /proc; the record has %v", over, r.Counters)
	}
	for name := range r.Outcomes {
		switch name {
		case "fin", "connect_timeout", "request_timeout", "cut_in_request":
		default:
			t.Errorf("outcomes %v, want none but %s", r.Outcomes, name)
		}
	}
	if r.Outcomes["fin"] == 0 {
		t.Errorf("outcomes %v", r.Outcomes)
	}
	if r.Pressure.Backlog != 2 {
		t.Errorf("the listeners' backlogs add up to %d, want 2", r.Pressure.Backlog)
	}
	mustBeLimited(t, r, record.LimitAcceptQueue, true, true)
	mustSay(t, "the reasons", r.Verdict.Reasons, "the accept queue overflowed", "backlog 1 of each of 2 listeners", "retry their SYN after 1 s")
	mustSay(t, "the advice", r.Verdict.Advice, "--backlog", "somaxconn", "--listeners")
}

// An open loop without a cap is bound by the descriptors, which the server shares.
func TestDescriptorsBoundAnOpenLoop(t *testing.T) {
	t.Parallel()
	tr := trial{Plan: lasting(t, time.Second, "client:rst", "close", "none"), Nofile: 400, Engine: "epoll"}
	g := &tr.Plan.Groups[0]
	g.Connections, g.RateFrom, g.RateTo, g.Hold = 0, 1000, 1000, 2*time.Second
	f := carryOut(t, "user", tr)
	r := f.Run
	slots := r.Connections.Attempted
	if c := r.Connections; c.Scheduled != 1000 || c.Completed != slots || c.PeakOpen != slots || c.Capped < 1000-slots || slots < 150 || slots > (400-64)/2 {
		t.Errorf("%+v, want as many as half of 400 descriptors allow, of 1,000 scheduled", c)
	}
	mustBeLimited(t, r, record.LimitFds, false, true)
	mustSay(t, "the reasons", r.Verdict.Reasons, "of 1,000 arrivals had to wait for a free slot", fmt.Sprintf("%d were never started: the 400 descriptors", 1000-slots))
}

// A client whose ports are free at once comes round to them again before the server's TIME_WAITs are over, and its SYN reopens those:
// no counter tells. They are never more than the ports that connect tries first.
func TestReopenedTimeWaits(t *testing.T) {
	t.Parallel()
	f := carryOut(t, "user", trial{
		Spec: sandbox.Spec{Topology: sandbox.Veth, Sysctls: sysctls(t, "net.ipv4.ip_local_port_range=40000 40999")},
		Plan: counted(t, 4000, "server:fin", "close", "echo:1,1"),
	})
	r := f.Run
	left := int64(f.left(sockstate.Server, "TIME_WAIT"))
	if left == 0 || left > 500 {
		t.Errorf("%d TIME_WAITs left, want some, and at most the 500 of one parity", left)
	}
	if n := r.TimeWait.EndedEarly; n != f.grown("TcpExtTW", "TcpExtTWKilled")-left || n < 3000 {
		t.Errorf("ended early %d, want what is missing of %d entered: %d left", n, f.grown("TcpExtTW", "TcpExtTWKilled"), left)
	}
	if n := r.Needs.TimeWaits.Server; n != 500 {
		t.Errorf("%d TIME_WAITs were expected at the server, want 500", n)
	}
}

// A rate that uses its ports up in 5 s is no success after half a second.
func TestRateThatDoesNotLast(t *testing.T) {
	t.Parallel()
	plan := lasting(t, 500*time.Millisecond, "client:fin", "close", "none")
	g := &plan.Groups[0]
	g.Connections, g.RateFrom, g.RateTo = 0, 200, 200
	f := carryOut(t, "user", trial{
		Spec: sandbox.Spec{Topology: sandbox.Veth, Sysctls: sysctls(t, "net.ipv4.ip_local_port_range=40000 40999")},
		Plan: plan,
	})
	r := f.Run
	if p := r.Pressure.Ports; p.ExhaustedInS != 5 || p.LevelsOffAt != 0 || r.Connections.Failed != 0 {
		t.Errorf("ports %+v, want them full after 5 s; connections %+v", p, r.Connections)
	}
	mustSay(t, "the reasons", r.Verdict.Reasons, "this rate does not last", "a local port", "there are 1,000", "finds none after 5.00 s")
	mustSay(t, "the advice", r.Verdict.Advice, "more addresses: 200.0 connections/s")
}
