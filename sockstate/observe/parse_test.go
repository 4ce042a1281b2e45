package observe

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/socktest/golden"
)

// Both files as Linux 6.18 printed them, against a golden of all names and values.
func TestParseCounters(t *testing.T) {
	got := make(sockstate.Counters)
	for _, name := range []string{"snmp", "netstat"} {
		if err := parseCounters(bytes.NewReader(testdata(t, name)), got); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.MarshalIndent(got, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/counters.golden", string(b)+"\n")
}

func TestParseCountersKeepsEveryName(t *testing.T) {
	const in = "Ip: Forwarding\nIp: 1\n" +
		"Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens CurrEstab Novel\nTcp: 1 200 120000 -1 17 4 18446744073709551615\n" +
		"TcpExt: TW TWKilled \nTcpExt: 3 0 \n" +
		"MPTcpExt: TW\nMPTcpExt: 9\n"
	got := make(sockstate.Counters)
	if err := parseCounters(strings.NewReader(in), got); err != nil {
		t.Fatal(err)
	}
	want := sockstate.Counters{"TcpActiveOpens": 17, "TcpNovel": -1, "TcpExtTW": 3, "TcpExtTWKilled": 0}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestParseCountersErrors(t *testing.T) {
	tests := []struct {
		name, in string
		want     ParseError
	}{
		{"no values", "Tcp: A\nTcp: 1\nTcpExt: B\n", ParseError{Line: 3, What: "names without values"}},
		{"another group's", "Tcp: A\nUdp: 1\n", ParseError{Line: 2, What: `group "Tcp" is followed by "Udp"`}},
		{"no group", "A\n1\n", ParseError{Line: 2, What: `group "A" is followed by "1"`}},
		{"too few", "Ip: A\nIp: 1\nTcp: A B\nTcp: 1\n", ParseError{Line: 4, What: "group Tcp has 2 names and 1 values"}},
		{"too many", "TcpExt: A\nTcpExt: 1 2\n", ParseError{Line: 2, What: "group TcpExt has 1 names and 2 values"}},
		{"no number", "Tcp: A\nTcp: x\n", ParseError{Line: 2, What: `TcpA is "x", not a number`}},
		{"too large", "Tcp: A\nTcp: 18446744073709551616\n", ParseError{Line: 2, What: `TcpA is "18446744073709551616", not a number`}},
		{"an empty line", "Tcp: A\nTcp: 1\n\n", ParseError{Line: 3, What: "an empty line"}},
		{"a long line", "Tcp: A\nTcp: " + strings.Repeat("1", maxLine), ParseError{Line: 2, What: "the line is too long"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := errors.AsType[*ParseError](parseCounters(strings.NewReader(tt.in), sockstate.Counters{}))
			if !ok {
				t.Fatal("no *ParseError")
			}
			if d := cmp.Diff(tt.want, *got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
	mine := errors.New("mine")
	if err := parseCounters(iotest.ErrReader(mine), sockstate.Counters{}); !errors.Is(err, mine) {
		t.Errorf("the reader's error came back as %v", err)
	}
}

func TestParseSockstat(t *testing.T) {
	unknown := sockstat{Unknown, Unknown, Unknown}
	tests := []struct {
		name, in string
		want     sockstat
	}{
		{"sockstat", "sockets: used 32\nTCP: inuse 17 orphan 2 tw 9 alloc 33 mem 196\nUDP: inuse 1 mem 0\nFRAG: inuse 0 memory 0\n", sockstat{2, 9, 196}},
		{"nothing", "", unknown},
		{"a novel key", "TCP: orphan 1 novel 2\n", sockstat{1, Unknown, Unknown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := unknown
			if err := parseSockstat(strings.NewReader(tt.in), &got); err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	errs := []struct {
		name, in string
		want     ParseError
	}{
		{"garbage", "sockets: used 32\ngarbage\n", ParseError{Line: 2, What: "no protocol"}},
		{"cut", "TCP: inuse 17 orphan\n", ParseError{Line: 1, What: "TCP has a key without a value"}},
		{"no number", "TCP: inuse x\n", ParseError{Line: 1, What: `TCP inuse is "x", not a number`}},
	}
	for _, tt := range errs {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := errors.AsType[*ParseError](parseSockstat(strings.NewReader(tt.in), new(sockstat)))
			if !ok {
				t.Fatal("no *ParseError")
			}
			if d := cmp.Diff(tt.want, *got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"snmp", "netstat", "sockstat"} {
		f.Add(testdata(f, name))
	}
	f.Add([]byte("Tcp: ActiveOpens Novel\nTcp: 1 18446744073709551615\n"))
	f.Add([]byte("TCP: inuse 17 orphan 2 tw 9 alloc 33 mem 196\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := make(sockstate.Counters)
		for _, parse := range []func(io.Reader) error{
			func(r io.Reader) error { return parseCounters(r, c) },
			func(r io.Reader) error { return parseSockstat(r, new(sockstat)) },
		} {
			err := parse(bytes.NewReader(in))
			if _, ok := errors.AsType[*ParseError](err); err != nil && !ok {
				t.Errorf("error %v, want a *ParseError", err)
			}
		}
		for name := range c {
			if !strings.HasPrefix(name, "Tcp") {
				t.Errorf("counter %q", name)
			}
		}
	})
}

func TestUsage(t *testing.T) {
	const s = time.Second
	at := time.Now()
	before := CPU{
		At: at, Generator: []time.Duration{1 * s}, Process: 2 * s, ServerPID: Unknown,
		User: 10 * s, System: 20 * s, Softirq: 5 * s, Steal: 1 * s, Idle: 100 * s,
	}
	after := CPU{
		At: at.Add(10 * s), Generator: []time.Duration{6 * s, 8 * s}, Server: []time.Duration{3 * s},
		Process: 20 * s, ServerPID: Unknown,
		User: 11 * s, System: 30 * s, Softirq: 7 * s, Steal: 2 * s, Idle: 105 * s,
	}
	want := Usage{
		Elapsed: 10 * s, Generator: 13 * s, Server: 3 * s,
		GeneratorBusiest: 0.8, ServerBusiest: 0.3, Rest: 2 * s,
		User: 1 * s, System: 10 * s, Softirq: 2 * s, Steal: 1 * s, Idle: 5 * s,
	}
	if d := cmp.Diff(want, after.Since(&before)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for _, tt := range []struct{ before, after, want bool }{{true, true, true}, {true, false, false}, {false, true, false}} {
		before.WorkersRead, after.WorkersRead = tt.before, tt.after
		if u := after.Since(&before); u.WorkersRead != tt.want {
			t.Errorf("workers read before %v, after %v: %v", tt.before, tt.after, u.WorkersRead)
		}
	}

	// With a server elsewhere, its time is its processes', and not a part of this one's.
	before.ServerPID, after.ServerPID, after.Server = 4*s, 9*s, nil
	if u := after.Since(&before); u.Server != 5*s || u.Rest != 5*s || u.ServerBusiest != 0 {
		t.Errorf("server elsewhere: %v, rest %v, busiest %v; want 5s, 5s, 0", u.Server, u.Rest, u.ServerBusiest)
	}
	after.ServerPID = Unknown
	if u := after.Since(&before); u.Server != Unknown {
		t.Errorf("server gone: %v, want Unknown", u.Server)
	}
}

func TestPlainFilter(t *testing.T) {
	in := sockstate.Filter{Servers: []netip.AddrPort{
		netip.MustParseAddrPort("[::ffff:10.0.0.1]:80"), netip.MustParseAddrPort("[fe80::1%eth0]:80"),
	}}
	got := plain(in)
	want := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("[fe80::1]:80")}
	if d := cmp.Diff(want, got.Servers, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if in.Servers[0].Addr().Is4() {
		t.Error("the caller's filter was changed")
	}
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
