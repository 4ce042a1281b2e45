package sandbox

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseSysctl(t *testing.T) {
	tests := []struct {
		in   string
		want Sysctl
		path string
		err  string
	}{
		{in: "net.ipv4.tcp_fin_timeout=10", want: Sysctl{"net.ipv4.tcp_fin_timeout", "10"}, path: "net/ipv4/tcp_fin_timeout"},
		{in: "net/ipv4/tcp_fin_timeout=10", want: Sysctl{"net.ipv4.tcp_fin_timeout", "10"}, path: "net/ipv4/tcp_fin_timeout"},
		{in: " net.ipv4.ip_local_port_range = 40000 40999 ", want: Sysctl{"net.ipv4.ip_local_port_range", "40000 40999"}, path: "net/ipv4/ip_local_port_range"},
		{in: "net.ipv4.tcp_rmem=1\t2\t3", want: Sysctl{"net.ipv4.tcp_rmem", "1\t2\t3"}, path: "net/ipv4/tcp_rmem"},
		{in: "net.ipv4.conf.eth0/100.rp_filter=1", want: Sysctl{"net.ipv4.conf.eth0/100.rp_filter", "1"}, path: "net/ipv4/conf/eth0.100/rp_filter"},
		{in: "net/ipv4/conf/eth0.100/rp_filter=1", want: Sysctl{"net.ipv4.conf.eth0/100.rp_filter", "1"}, path: "net/ipv4/conf/eth0.100/rp_filter"},
		{in: "net.x.y=a=b", want: Sysctl{"net.x.y", "a=b"}, path: "net/x/y"},
		{in: "net.ipv4.tcp_fin_timeout", err: "want NAME=VALUE"},
		{in: "", err: "want NAME=VALUE"},
		{in: "=1", err: "only net.* keys"},
		{in: "kernel.hostname=x", err: "only net.* keys"},
		{in: "network.x=1", err: "only net.* keys"},
		{in: "net/../kernel/hostname=x", err: "malformed key"},
		{in: "net.//.kernel.hostname=x", err: "malformed key"},
		{in: "net..ipv4=x", err: "malformed key"},
		{in: "net.=x", err: "malformed key"},
		{in: "net.ipv4.a b=x", err: "malformed key"},
		{in: "net.ipv4.a\x00b=x", err: "malformed key"},
		{in: "net.ipv4.x=", err: "the value is empty"},
		{in: "net.ipv4.x=1\n2", err: "must be one line"},
	}
	for _, tt := range tests {
		got, err := ParseSysctl(tt.in)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want an error with %q", tt.in, err, tt.err)
			}
			continue
		}
		if err != nil || got != tt.want || got.path() != tt.path {
			t.Errorf("%q: %+v with path %q (%v), want %+v with path %q", tt.in, got, got.path(), err, tt.want, tt.path)
		}
	}
}

func TestEhashEntriesValid(t *testing.T) {
	for n, ok := range map[int]bool{0: true, 1: true, 4194304: true, MaxEhashEntries: true, -1: false, 3: false, 2 * MaxEhashEntries: false} {
		if err := (Spec{EhashEntries: n}).validate(); (err == nil) != ok {
			t.Errorf("%d entries: %v", n, err)
		}
	}
}

func FuzzParseSysctl(f *testing.F) {
	for _, s := range []string{"net.ipv4.x=1", "net/ipv4/conf/a.b/x=1 2", "net.//=", "net/../x=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseSysctl(s)
		if err != nil {
			return
		}
		if p := "/" + c.path() + "/"; !strings.HasPrefix(p, "/net/") || strings.Contains(p, "/../") || strings.Contains(p, "//") {
			t.Errorf("%q: path %q leaves net", s, p)
		}
		again, err := ParseSysctl(c.String())
		if err != nil || again != c {
			t.Errorf("%q: %+v prints %q, which reads %+v (%v)", s, c, c, again, err)
		}
	})
}

func TestParseLoss(t *testing.T) {
	tests := []struct {
		in, text string
		want     Loss
		err      string
	}{
		{in: "1%", want: 0.01, text: "1%"},
		{in: "0.05%", want: 0.0005, text: "0.05%"},
		{in: "0%", want: 0, text: "0%"},
		{in: "100%", want: 1, text: "100%"},
		{in: "0.0001%", want: 0.000001, text: "0.0001%"},
		{in: "0.00001%", err: "smallest"},
		{in: "1", err: "want a percentage"},
		{in: "0.01", err: "want a percentage"},
		{in: "-1%", err: "want a percentage"},
		{in: "101%", err: "want a percentage"},
		{in: "NaN%", err: "want a percentage"},
		{in: "%", err: "want a percentage"},
		{in: "", err: "want a percentage"},
	}
	for _, tt := range tests {
		got, err := ParseLoss(tt.in)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want an error with %q", tt.in, err, tt.err)
			}
			continue
		}
		if err != nil || !cmp.Equal(got, tt.want, cmpopts.EquateApprox(0, 1e-12)) || got.String() != tt.text {
			t.Errorf("%q: %v, prints %s (%v), want %v, %s", tt.in, float64(got), got, err, float64(tt.want), tt.text)
		}
	}
}

func FuzzParseLoss(f *testing.F) {
	for _, s := range []string{"1%", "0.05%", "1e-3%", "0x1p-2%", "Inf%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLoss(s)
		if err != nil {
			return
		}
		if l.threshold() > lossModulus {
			t.Errorf("%q: threshold %d", s, l.threshold())
		}
		again, err := ParseLoss(l.String())
		if err != nil || again.threshold() != l.threshold() {
			t.Errorf("%q prints %s, which reads %s (%v)", s, l, again, err)
		}
	})
}

func TestTopology(t *testing.T) {
	for _, want := range []Topology{Lo, Veth, Routed} {
		if err := (Spec{Topology: want}).validate(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, bad := range []string{"LO", "bridge"} {
		if err := (Spec{Topology: Topology(bad)}).validate(); err == nil || !strings.Contains(err.Error(), "want lo, veth or nat") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSpecRoundTrip(t *testing.T) {
	want := Spec{
		Topology: Veth, Sysctls: []Sysctl{{"net.b", "1 2"}, {"net.a", "="}}, Loss: 0.123456, Mode: User,
		Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/64")},
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Spec
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSpecRefusesNaN(t *testing.T) {
	if err := (Spec{Loss: Loss(math.NaN())}).validate(); err == nil || !strings.Contains(err.Error(), "share from 0 to 1") {
		t.Errorf("%v", err)
	}
}

func TestSameValue(t *testing.T) {
	tests := []struct {
		wrote, held string
		want        bool
	}{
		{"40000 40999", "40000\t40999\n", true},
		{"1", "1\n", true},
		{"0x10", "16", true},
		{"010", "8", true},
		{"10", "11", false},
		{"1 2", "1", false},
		{"cubic", "cubic", true},
		{"cubic", "reno", false},
		{"1,2,3,7", "1-3,7", true},
		{"7,1-2,2-4", "1-4,7", true},
		{"1-3", "1-4", false},
		{"3-1", "1-3", false},
		{"1,", "1", false},
	}
	for _, tt := range tests {
		if got := sameValue(tt.wrote, tt.held); got != tt.want {
			t.Errorf("sameValue(%q, %q) = %t", tt.wrote, tt.held, got)
		}
	}
}

func FuzzSameValue(f *testing.F) {
	f.Add("1,2-5", "1-5")
	f.Add("0x1", "1")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !sameValue(a, a) {
			t.Errorf("%q differs from itself", a)
		}
		if sameValue(a, b) != sameValue(b, a) {
			t.Errorf("%q and %q: not symmetric", a, b)
		}
	})
}
