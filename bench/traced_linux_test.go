package bench

import (
	"cmp"
	"maps"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"lastack/bench/host"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/sockstate"
	"lastack/sockstate/observe"
)

// carryTraced carries a trial out with a trace. On a busy machine the kernel may not show each event to a program: then it is carried out again.
func carryTraced(t *testing.T, tr trial) finding {
	t.Helper()
	tr.Trace = setup.TraceAuto
	for range 3 {
		f := carryOut(t, "root", tr)
		f.mustTrace(t)
		if f.Run.States.Lost == 0 {
			return f
		}
		t.Logf("the trace missed %d events", f.Run.States.Lost)
	}
	t.Fatal("each trace missed events")
	return finding{}
}

// mustTrace skips the test if the kernel traced nothing because it does not allow it, which a program that is loaded apart from the trace proves.
func (f *finding) mustTrace(t *testing.T) {
	t.Helper()
	if o := &f.Run.Observer; o.Trace == observe.Off {
		features, err := host.Probe(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = os.Stat("/sys/kernel/btf/vmlinux")
		if features.BPF.Answer != sockstate.AnswerSupported || err != nil {
			t.Skipf("%s; loading a program: %s; BTF: %v", o.TraceReason, features.BPF.Why, err)
		}
		t.Fatal(o.TraceReason)
	}
}

// ways are the changes of state of n connections of which each went the same way, by side.
func ways(n int64, client, server string) map[string]map[string]int64 {
	all := make(map[string]map[string]int64)
	for side, path := range map[sockstate.Side]string{sockstate.Client: "CLOSED SYN_SENT ESTABLISHED " + client, sockstate.Server: "LISTEN SYN_RECV ESTABLISHED " + server} {
		m, states := make(map[string]int64), strings.Fields(path)
		for i := range states[1:] {
			m[states[i]+">"+states[i+1]] = n
		}
		all[side.String()] = m
	}
	return all
}

// The trace sees every connection of every close policy, at both ends and in every state, and each reset with its reason. There are 100,000 of each
// with LASTACK_LONG=1.
func TestTraceOfEveryPolicy(t *testing.T) {
	t.Parallel()
	n := int64(300)
	if os.Getenv("LASTACK_LONG") != "" {
		n = 100_000
	}
	const (
		active, passive = "FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT", "CLOSE_WAIT LAST_ACK CLOSED"
		client, server  = sockstate.Client, sockstate.Server
	)
	for _, tt := range []struct {
		closes, onEOF string
		// seen are the states of all connections at both ends after ESTABLISHED; empty where there are several ways.
		seen [sockstate.NumSides]string
		// sender resets each connection for reason, unless that is empty.
		sender sockstate.Side
		reason string
	}{
		{closes: "client:fin", seen: [...]string{active, passive}},
		{closes: "server:fin", seen: [...]string{passive, active}},
		{closes: "client:half", seen: [...]string{active, passive}},
		{closes: "server:half", seen: [...]string{passive, active}},
		{closes: "client:linger=1s", seen: [...]string{active, passive}},
		{closes: "server:linger=1s", seen: [...]string{passive, active}},
		{closes: "both:fin"},
		{closes: "client:rst", seen: [...]string{"CLOSED", "CLOSED"}, sender: client, reason: "TCP_STATE"},
		{closes: "server:rst", seen: [...]string{"CLOSED", "CLOSED"}, sender: server, reason: "TCP_STATE"},
		{closes: "client:unread", seen: [...]string{"CLOSED", "CLOSED"}, sender: client, reason: "TCP_ABORT_ON_CLOSE"},
		{closes: "server:unread", seen: [...]string{"CLOSED", "CLOSED"}, sender: server, reason: "TCP_ABORT_ON_CLOSE"},
		{closes: "client:fin", onEOF: "rst", sender: server, reason: "TCP_STATE"},
		{closes: "server:half", onEOF: "rst", sender: client, reason: "TCP_STATE"},
	} {
		t.Run(strings.TrimSuffix(tt.closes+","+tt.onEOF, ","), func(t *testing.T) {
			t.Parallel()
			plan := counted(t, n, tt.closes, cmp.Or(tt.onEOF, "close"), "echo:1,1")
			for i := range byte(8) { // ports for all TIME_WAITs
				plan.Groups[0].Sources = append(plan.Groups[0].Sources, netip.AddrFrom4([4]byte{127, 0, 0, i + 1}))
			}
			f := carryTraced(t, trial{Spec: sandbox.Spec{Topology: sandbox.Lo}, Plan: plan})
			st := &f.Run.States
			for side, p := range st.Paths {
				if p.Connections != n {
					t.Errorf("%s: %d connections, want %d", side, p.Connections, n)
				}
			}
			for _, ck := range f.Run.Accounting {
				if strings.HasPrefix(ck.Name, "trace:") && (!ck.Exact || ck.Got < ck.Want.Min || ck.Got > ck.Want.Max || ck.Want.Min != ck.Want.Max) {
					t.Errorf("%+v", ck)
				}
			}
			wantSent, all := map[string]map[string]int64{"client": {}, "server": {}}, int64(0)
			if tt.reason != "" {
				wantSent[tt.sender.String()][tt.reason] = n
				all = n
			}
			// More are of the races that compareTimeWaits tells of: each is one connection that went another way.
			races := f.grown("TcpOutRsts") - all
			if races == 0 {
				if diff := gocmp.Diff(wantSent, st.ResetsSent); diff != "" {
					t.Errorf("resets sent (-want +got):\n%s", diff)
				}
			}
			for side, want := range ways(n, tt.seen[client], tt.seen[server]) {
				got := st.Transitions[side]
				names := maps.Clone(want)
				if tt.seen[client] != "" {
					maps.Copy(names, got)
					delete(names, "TIME_WAIT>CLOSED") // its port was used again
				}
				for name := range names {
					if d := got[name] - want[name]; max(d, -d) > races {
						t.Errorf("%s %s: %d, want %d", side, name, got[name], want[name])
					}
				}
			}
			for side, odd := range st.Unpredicted {
				for name, n := range odd {
					if n > races {
						t.Errorf("%s %s: %d on no predicted path", side, name, n)
					}
				}
			}
		})
	}
}

// A delay comes back as the time in the state that it makes: none is shorter. That the median is near too, what takes a minute, and a million connections,
// are measured with LASTACK_LONG=1.
func TestTraceOfDelays(t *testing.T) {
	t.Parallel()
	long := os.Getenv("LASTACK_LONG") != ""
	for _, tt := range []struct {
		name          string
		long          bool
		n             int64
		closes, onEOF string
		sysctl        []string
		settle        time.Duration
		side, state   string
		// least is of the shortest, most of the longest. Timers of 3 s are rounded up to 256 ms (calc_index, HZ=250).
		least, most time.Duration
		median      time.Duration // within 2 %
	}{
		{name: "CLOSE_WAIT", n: 64, closes: "client:fin", onEOF: "delay=50ms", side: "server", state: "CLOSE_WAIT", least: 50 * time.Millisecond, most: time.Minute, median: 50 * time.Millisecond},
		{name: "FIN_WAIT_2", long: true, n: 500, closes: "client:fin", onEOF: "never", sysctl: []string{"net.ipv4.tcp_fin_timeout=3"}, settle: 6 * time.Second, side: "client", state: "FIN_WAIT_2", least: 3 * time.Second, most: 3400 * time.Millisecond},
		{name: "TIME_WAIT", long: true, n: 2000, closes: "client:fin", onEOF: "close", settle: 66 * time.Second, side: "client", state: "TIME_WAIT", least: time.Minute, most: 62060 * time.Millisecond},
		{name: "a million", long: true, n: 1_000_000, closes: "client:rst", onEOF: "close", side: "client", state: "ESTABLISHED", most: time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.long && !long {
				t.Skip("up to 70 s: set LASTACK_LONG=1")
			}
			if !long { // what is timed is alone
				t.Parallel()
			}
			f := carryTraced(t, trial{
				Spec: sandbox.Spec{Topology: sandbox.Lo, Sysctls: sysctls(t, tt.sysctl...)}, Plan: counted(t, tt.n, tt.closes, tt.onEOF, "echo:1,1"), Settle: tt.settle,
			})
			l := f.Run.States.Dwell[tt.side][tt.state]
			us := func(d time.Duration) float64 { return float64(d) / 1e3 }
			if l.Count != tt.n || l.MinUs < us(tt.least) || l.MaxUs > us(tt.most) {
				t.Errorf("%d times in %s, %g to %g µs, want %d from %v to %v", l.Count, tt.state, l.MinUs, l.MaxUs, tt.n, tt.least, tt.most)
			}
			if m := us(tt.median); long && m > 0 && (l.P50Us < m || l.P50Us > 1.02*m) {
				t.Errorf("the median is %g µs, want %g", l.P50Us, m)
			}
			t.Logf("%s: %d, %.6g to %.6g µs, median %.6g", tt.state, l.Count, l.MinUs, l.MaxUs, l.P50Us)
		})
	}
}
