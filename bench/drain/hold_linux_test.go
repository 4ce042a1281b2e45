package drain

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"lastack/bench/host"
	"lastack/loadgen"
	"lastack/sockstate"
)

// A target that gives no reply is told with what it gave instead.
func TestOutcomeWords(t *testing.T) {
	var s loadgen.Snapshot
	if got, want := outcomeWords(&s.Ledger), "none came"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Ledger.Outcomes[sockstate.OutcomeRefused], s.Ledger.Outcomes[sockstate.OutcomeOther] = 2, 7
	s.Ledger.Faults[sockstate.FaultTLS], s.Ledger.Faults[sockstate.FaultSurplus] = 4, 2
	if got, want := outcomeWords(&s.Ledger), "refused 2, other 7, of the others tls 4, of the others surplus 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Connects that fail for want of something of this host are not the server's doing.
func TestWhyShort(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    loadgen.Ledger
		want string
		not  string
	}{
		{"nothing", loadgen.Ledger{}, "its accept queue, takes no more", "local port"},
		{"no port", loadgen.Ledger{Outcomes: outcomes(sockstate.OutcomeNoLocalPort, 55)}, "55 connects found no free local port on this host", "server"},
		{"no descriptor", loadgen.Ledger{Outcomes: outcomes(sockstate.OutcomeNoFD, 3)}, "3 connects found no free descriptor on this host", "server"},
		{"no memory", loadgen.Ledger{Outcomes: outcomes(sockstate.OutcomeNoMemory, 3)}, "3 connects found no memory on this host", "server"},
		{"refused", loadgen.Ledger{Outcomes: outcomes(sockstate.OutcomeRefused, 2)}, "2 connects were refused", "local port"},
	} {
		if got := whyShort(&tt.l); !strings.Contains(got, tt.want) || strings.Contains(got, tt.not) {
			t.Errorf("%s: %q, want %q in it, and not %q", tt.name, got, tt.want, tt.not)
		}
	}
}

func outcomes(o sockstate.Outcome, n int64) (all [sockstate.NumOutcomes]int64) {
	all[o] = n
	return all
}

// Arrivals that leave more TIME_WAITs than there are ports are told of; whether they do, who closes first decides.
func TestPortDoubt(t *testing.T) {
	of := func(reuse, timestamps string) *host.Facts {
		return &host.Facts{HZ: 1000, Sysctls: map[string]string{
			"net.ipv4.ip_local_port_range": "40000 40999", "net.ipv4.tcp_tw_reuse": reuse, "net.ipv4.tcp_timestamps": timestamps,
		}}
	}
	for _, tt := range []struct {
		name     string
		target   string
		arrivals float64
		after    time.Duration
		facts    *host.Facts
		doubt    bool
	}{
		{"reused on loopback", "127.0.0.1:80", 200, 5 * time.Second, of("2", "1"), false},
		{"more than are reused", "127.0.0.1:80", 1000, 5 * time.Second, of("2", "1"), true},
		{"not reused elsewhere", "192.0.2.1:80", 200, 5 * time.Second, of("2", "1"), true},
		{"no timestamps", "127.0.0.1:80", 200, 5 * time.Second, of("2", "0"), true},
		{"not for long", "127.0.0.1:80", 200, time.Second, of("0", "1"), false},
		{"no arrivals", "127.0.0.1:80", 0, 5 * time.Second, of("0", "1"), false},
	} {
		c := Spec{Target: netip.MustParseAddrPort(tt.target), Load: Load{Idle: 100, Arrivals: tt.arrivals}, Stop: Stop{After: tt.after}}
		if got := c.portDoubt(1000, tt.facts); (got != "") != tt.doubt {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// A server that waits less for the rest of a request than the groups take to open has ended partial clients' connections by then: no
// other is waited for.
func TestOpen(t *testing.T) {
	for _, tt := range []struct {
		name               string
		keep               loadgen.Keep
		established, ended int64
		want               bool
	}{
		{"partial, some to come", loadgen.KeepPartial, 2, 0, false},
		{"partial, all", loadgen.KeepPartial, 3, 0, true},
		{"partial, one ended", loadgen.KeepPartial, 2, 1, true},
		{"partial, all ended", loadgen.KeepPartial, 0, 3, true},
		{"asking, all ended", loadgen.KeepAsking, 0, 3, false},
	} {
		k := group{name: tt.name, asked: 3, keep: tt.keep}
		g := loadgen.GroupSnapshot{Established: tt.established}
		g.Ledger.Outcomes[sockstate.OutcomeFIN] = tt.ended
		if got := k.open(&g); got != tt.want {
			t.Errorf("%s: open %t, want %t", tt.name, got, tt.want)
		}
	}
}

// TestPace finds the time in which the program did not run.
func TestPace(t *testing.T) {
	var p pace
	for _, at := range []int64{1000, 1005, 1010, 4010, 4015} {
		p.step(at * ms)
	}
	if p.longest != 3000*ms {
		t.Errorf("longest %d ms, want 3000", p.longest/ms)
	}
}
