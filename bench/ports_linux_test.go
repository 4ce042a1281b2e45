package bench

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/sockstate"
)

// paced is an open loop across a veth pair whose client closes first, over so many sources of so many ports.
func paced(t *testing.T, rate float64, d time.Duration, sources int, ports string, set ...string) trial {
	t.Helper()
	tr := trial{
		Spec:     sandbox.Spec{Topology: sandbox.Veth, Sysctls: sysctls(t, append(set, "net.ipv4.ip_local_port_range="+ports)...)},
		Plan:     lasting(t, d, "client:fin", "close", "none"),
		Interval: 500 * time.Millisecond,
	}
	g := &tr.Plan.Groups[0]
	g.Connections, g.RateFrom, g.RateTo = 0, rate, rate
	for i := range sources {
		g.Sources = append(g.Sources, sourceOf(i))
	}
	return tr
}

// When connect runs out of ports is told before, to one bucket of the timer wheel, and each pair's ports are counted as /proc has them.
func TestPortsRunOutWhenPredicted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		trial trial
		// at is when the ports run out, 0: never.
		at float64
	}{
		{"one pair", paced(t, 100, 12*time.Second, 0, "40000 40999", "net.ipv4.tcp_tw_reuse=0"), 10},
		{"reserved ports", paced(t, 100, 9*time.Second, 0, "40000 40999", "net.ipv4.tcp_tw_reuse=0", "net.ipv4.ip_local_reserved_ports=40100-40299,50000"), 8},
		{"four sources, rising", func() trial {
			tr := paced(t, 100, 10*time.Second, 4, "40000 40061", "net.ipv4.tcp_tw_reuse=0")
			tr.Plan.Groups[0].RateFrom = 0
			return tr
		}(), math.Sqrt(4 * 62 * 2 / (100 / 10.))}, // rate*t*t/(2*duration) connections until t
		{"after a ramp", func() trial {
			tr := paced(t, 100, 8*time.Second, 0, "40000 40499", "net.ipv4.tcp_tw_reuse=0")
			tr.Plan.Ramp = 4 * time.Second
			return tr
		}(), 7},
		{"without timestamps", paced(t, 100, 6*time.Second, 0, "40000 40399", "net.ipv4.tcp_tw_reuse=1", "net.ipv4.tcp_timestamps=0"), 4},
		{"on loopback only", paced(t, 100, 6*time.Second, 0, "40000 40399", "net.ipv4.tcp_tw_reuse=2"), 4},
		{"reuse", paced(t, 100, 10*time.Second, 0, "40000 40399", "net.ipv4.tcp_tw_reuse=1"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := carryOut(t, "user", tt.trial)
			r := f.Run
			bucket := r.Hosts[0].TimeWaitMaxS - r.Hosts[0].TimeWaitMinS
			p, failed := r.Pressure.Ports, r.Outcomes["no_local_port"]
			switch {
			case tt.at == 0:
				if p.Predicted != nil || p.ObservedS != 0 || failed != 0 || p.LevelsOffAt == 0 || p.ReuseAfterS != 1 || r.TimeWait.ReusedByConnect == 0 {
					t.Errorf("%d connects failed for want of a port, %d ports reused: %+v", failed, r.TimeWait.ReusedByConnect, p)
				}
			case p.Predicted == nil || math.Abs(p.Predicted.EarliestS-tt.at) > 0.02 || p.Predicted.LatestS != p.Predicted.EarliestS:
				t.Errorf("predicted %+v, want %v s", p.Predicted, tt.at)
			case failed == 0 || math.Abs(p.ObservedS-tt.at) > bucket || p.ExhaustedInS != p.ObservedS:
				t.Errorf("predicted %v s, observed %v s (%d failed, full after %v s), want them within %v s", tt.at, p.ObservedS, failed, p.ExhaustedInS, bucket)
			}
			if want := map[bool]int{true: 200}[tt.name == "reserved ports"]; p.Reserved != want || p.InRange != p.Available+want {
				t.Errorf("ports %+v, want %d of them reserved", p, want)
			}
			pairs := max(len(tt.trial.Plan.Groups[0].Sources), 1)
			if len(r.Pressure.Pairs) != pairs || len(f.Waiting) != pairs {
				t.Fatalf("%d pairs; /proc has %d: want %d", len(r.Pressure.Pairs), len(f.Waiting), pairs)
			}
			for _, q := range r.Pressure.Pairs {
				n := f.Waiting[hexPair(q.Source, q.Destination)]
				if q.PeakInUse != q.Open+q.TimeWait || q.Earlier != 0 || tt.at > 0 && (q.PeakInUse != n || q.Reusable != 0) || q.Reusable > q.TimeWait {
					t.Errorf("%+v; /proc has %d in TIME_WAIT", q, n)
				}
				// An RST ends a TIME_WAIT now and then.
				if want := float64(r.TimeWait.Entered) / float64(pairs) / max(p.ObservedS, r.LoadS); q.EnteredPerS < want*0.7 {
					t.Errorf("%+v, want about %v/s to enter TIME_WAIT", q, want)
				}
			}
			f.mustCountAlike(t)
		})
	}
}

// hexPair is how readWaiting calls a pair.
func hexPair(source, destination string) string {
	little := func(a netip.Addr) string {
		b := a.As4()
		return strings.ToUpper(hex(b[3]) + hex(b[2]) + hex(b[1]) + hex(b[0]))
	}
	to := netip.MustParseAddrPort(destination)
	return little(netip.MustParseAddr(source)) + ">" + little(to.Addr()) + ":" + strings.ToUpper(hex(byte(to.Port()>>8))+hex(byte(to.Port())))
}

func hex(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

// The intervals' connects add up to the result's, and the curve of the search has those of all intervals that begin and end with a census: a busy machine
// may leave one out.
func TestConnectByShare(t *testing.T) {
	t.Parallel()
	f := carryOut(t, "user", paced(t, 400, 2*time.Second, 0, "40000 40999", "net.ipv4.tcp_tw_reuse=0"))
	r := f.Run
	inIntervals, inPoints, between, counted := int64(0), int64(0), int64(0), true
	for i := range r.Timeline {
		iv := &r.Timeline[i]
		before := counted
		counted = len(iv.Client) > 0
		if c := iv.Connect; c != nil {
			inIntervals += c.Count
			if before && counted {
				between += c.Count
			}
		}
	}
	for _, p := range r.ConnectByShare() {
		inPoints += p.Connects
		if p.FromShare > p.ToShare || p.P50Us <= 0 || p.P99Us < p.P50Us {
			t.Errorf("%+v", p)
		}
	}
	if want := r.Latency[sockstate.LatencyConnect.String()].Count; inIntervals != want || inPoints != between || between == 0 {
		t.Errorf("%d connects in the intervals, want %d; %d in the curve, want %d", inIntervals, want, inPoints, between)
	}
	if o := r.Pressure.Ports; o.Predicted == nil || (*o.Predicted != record.Onset{EarliestS: 2.5, LatestS: 2.5}) || o.ObservedS != 0 {
		t.Errorf("%+v, want none free after 2.5 s", o.Outlook)
	}
}
