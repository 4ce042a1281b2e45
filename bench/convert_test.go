package bench

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// A plan with every field set comes into the record with every one of its keys.
func TestRecordPlanLosesNothing(t *testing.T) {
	p := loadgen.Plan{
		Groups: []loadgen.Group{{
			Name: "run", Targets: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.5:80"), netip.MustParseAddrPort("[fd00::1]:443")},
			Connections: 1, RateFrom: 2.5, RateTo: 3.5, Hold: 4, Plateau: 5, CloseRate: 6.5,
			Keep: loadgen.KeepAsking, Reconnect: 17, Gated: true,
			Close: teardown.Policy{Who: teardown.ServerFirst, How: teardown.Linger, Linger: 2 * time.Second},
			OnEOF: teardown.Reaction{Kind: teardown.ReactDelay, Delay: 200 * time.Millisecond}, Exchange: exchange.Spec{Kind: exchange.HTTP, Path: "/x"},
			Requests: 7, Think: 8, Host: "example.org", Headers: []string{"A: b"},
			ConnectTimeout: 9, RequestTimeout: 10, CloseTimeout: 11,
			Sources: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, SourcePorts: sockstate.PortRange{Lo: 1000, Hi: 2000},
		}},
		Duration: 12, Count: 13, Warmup: 14, Ramp: 15, Workers: 16,
	}
	mustBeFull(t, reflect.ValueOf(p), "plan")
	r, err := RecordPlan(&p)
	if err != nil {
		t.Fatal(err)
	}
	want, got := keysOf(t, p), keysOf(t, r)
	delete(got, "engine") // known when the run is over
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the plan in the record (-want +got):\n%s", diff)
	}
}

// mustBeFull makes sure that the test keeps up with the plan's fields.
func mustBeFull(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		if _, ok := v.Interface().(json.Marshaler); ok || v.Type().PkgPath() != reflect.TypeFor[loadgen.Plan]().PkgPath() {
			break
		}
		for i := range v.NumField() {
			mustBeFull(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		if v.Len() > 0 {
			mustBeFull(t, v.Index(0), path+"[0]")
		}
	}
	if v.IsZero() {
		t.Errorf("%s is not set by this test", path)
	}
}

func keysOf(t *testing.T, v any) (m map[string]any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Counts of HTTP and of what was no reply come into the record.
func TestResultOfHTTP(t *testing.T) {
	g := loadgen.GroupResult{Latency: loadgen.Latencies{}}
	for i := range g.Latency {
		g.Latency[i] = record.NewHistogram()
	}
	g.Ledger.Statuses = sockstate.Statuses{1, 2, 3, 4, 5, 0}
	g.Ledger.Faults[sockstate.FaultTLS], g.Examples[sockstate.FaultTLS] = 7, "TLS, not plain HTTP"
	r, err := Result(&g, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"invalid": 1, "1xx": 2, "2xx": 3, "3xx": 4, "4xx": 5}, r.HTTP); diff != "" {
		t.Errorf("http (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"tls": 7}, r.ExchangeErrors); diff != "" {
		t.Errorf("exchange_errors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"tls": "TLS, not plain HTTP"}, r.ExchangeExamples); diff != "" {
		t.Errorf("exchange_examples (-want +got):\n%s", diff)
	}
}

func TestDivideDescriptors(t *testing.T) {
	group := func(n int) loadgen.Group { return loadgen.Group{Connections: n} }
	tests := []struct {
		name         string
		groups       []loadgen.Group
		embedded     bool
		limit        int64
		load, server int
		err          string
	}{
		{"both ends here", []loadgen.Group{group(100)}, true, 1024, 100, 860, ""},
		{"to the last one", []loadgen.Group{group(480)}, true, 1024, 480, 480, ""},
		{
			"one too many",
			[]loadgen.Group{group(481)},
			true, 1024, 0, 0,
			"--connections 481: needs 962 descriptors (a descriptor at each end, both in this process), and RLIMIT_NOFILE leaves 960 of 1,024: raise it (ulimit -n), or ask for at most 480",
		},
		{"a target elsewhere", []loadgen.Group{group(960)}, false, 1024, 960, 0, ""},
		{
			"groups add up",
			[]loadgen.Group{group(500), group(461)},
			false, 1024, 0, 0,
			"--connections 961: needs 961 descriptors (a descriptor each), and RLIMIT_NOFILE leaves 960 of 1,024: raise it (ulimit -n), or ask for at most 960",
		},
		{"open loop without a cap", []loadgen.Group{group(0)}, true, 1024, 480, 480, ""},
		{"open loop to a target elsewhere", []loadgen.Group{group(0)}, false, 1024, 960, 0, ""},
		{"no limit", []loadgen.Group{group(1_000_000)}, true, 1<<63 - 1, 1_000_000, 1 << 20, ""},
		{
			"hardly any",
			[]loadgen.Group{group(1)},
			true, 60, 0, 0,
			"--connections 1: needs 2 descriptors (a descriptor at each end, both in this process), and RLIMIT_NOFILE leaves 0 of 60: raise it (ulimit -n)",
		},
		{
			"none for an open loop",
			[]loadgen.Group{group(0)},
			true, 60, 0, 0,
			"--connections 1: needs 2 descriptors (a descriptor at each end, both in this process), and RLIMIT_NOFILE leaves 0 of 60: raise it (ulimit -n)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{Plan: loadgen.Plan{Groups: tt.groups}}
			if tt.embedded {
				c.Server = new(ServerConfig)
			}
			load, srv, err := c.divideFds(tt.limit)
			text := ""
			if err != nil {
				var refused *sockstate.ValueError
				if !errors.As(err, &refused) {
					t.Errorf("%T, want a *sockstate.ValueError", err)
				}
				text = err.Error()
			}
			if load != tt.load || srv != tt.server || text != tt.err {
				t.Errorf("load %d, server %d, error %q\nwant %d, %d, %q", load, srv, text, tt.load, tt.server, tt.err)
			}
		})
	}
}

// What cannot be carried out is refused before a socket opens.
func TestCheck(t *testing.T) {
	plan := func(change func(*loadgen.Plan, *loadgen.Group)) Config {
		c := Config{
			Plan: loadgen.Plan{Duration: time.Second, Workers: 1, Groups: []loadgen.Group{{
				Name: "run", Connections: 10, Targets: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")},
				ConnectTimeout: time.Second, RequestTimeout: time.Second, CloseTimeout: time.Second,
			}}},
			Host: &host.Facts{NoFileSoft: 1024, MemLock: math.MaxUint64, AvailableBytes: 1 << 30, Sysctls: map[string]string{"fs.file-max": "5000", "net.ipv4.ip_local_port_range": "32768\t60999"}, Usage: host.Usage{Files: 4990}},
		}
		change(&c.Plan, &c.Plan.Groups[0])
		return c
	}
	embedded := func(c Config, s server.Config) Config {
		c.Server = &ServerConfig{Config: s}
		return c
	}
	by := func(engine string, c Config) Config {
		c.Engine = engine
		return c
	}
	none := func(*loadgen.Plan, *loadgen.Group) {}
	sources := func(all ...string) Config {
		return plan(func(_ *loadgen.Plan, g *loadgen.Group) {
			for _, a := range all {
				g.Sources = append(g.Sources, netip.MustParseAddr(a))
			}
		})
	}
	tests := []struct {
		name string
		c    Config
		want error
		text string
	}{
		{"as asked", plan(none), nil, ""},
		{"a plan", plan(func(_ *loadgen.Plan, g *loadgen.Group) { g.Connections = -1 }), &sockstate.ValueError{}, "--connections -1: want 1 to 100000000"},
		{"a server", embedded(plan(none), server.Config{Backlog: -1}), &sockstate.ValueError{}, "--backlog -1: want 1 to 1048576"},
		{"no target needed with a server of our own", embedded(plan(func(_ *loadgen.Plan, g *loadgen.Group) { g.Targets, g.Connections = nil, 5 }), server.Config{}), nil, ""},
		{
			"descriptors", by("epoll", plan(func(_ *loadgen.Plan, g *loadgen.Group) { g.Connections = 961 })), &sockstate.ValueError{},
			"--connections 961: needs 961 descriptors (a descriptor each), and RLIMIT_NOFILE leaves 958 of 1,024: raise it (ulimit -n), or ask for at most 958",
		},
		{
			"open files of the host", embedded(plan(none), server.Config{}), &sockstate.ValueError{},
			"--connections 10: needs 20 open files, and the whole host may have 5,000 (fs.file-max), of which 4,990 are taken: raise it, or ask for at most 5",
		},
		{
			"a source elsewhere", plan(func(_ *loadgen.Plan, g *loadgen.Group) {
				g.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")}
			}), &sockstate.ValueError{}, "--source 192.0.2.1: is not an address of this host",
		},
		{
			"a multicast address among the sources", sources("127.0.0.1", "224.0.0.1", "127.0.0.2"), &sockstate.ValueError{}, "--source 224.0.0.1: want a unicast address of this host",
		},
		{
			"any address among the sources", sources("127.0.0.1", "0.0.0.0", "127.0.0.2"), &sockstate.ValueError{}, "--source 0.0.0.0: want a unicast address of this host",
		},
		{
			"the limited broadcast", sources("255.255.255.255"), &sockstate.ValueError{}, "--source 255.255.255.255: is a broadcast address here, and the kernel would send from another one",
		},
		{
			"lo's broadcast among the sources", sources("127.0.0.1", "127.255.255.255", "127.0.0.2"), &sockstate.ValueError{}, "--source 127.255.255.255: is a broadcast address here",
		},
		{"the last address of a part of lo's network", sources("127.0.0.0", "127.0.0.255"), nil, ""},
		{
			"source ports elsewhere", plan(func(_ *loadgen.Plan, g *loadgen.Group) { g.SourcePorts = sockstate.PortRange{Lo: 30_000, Hi: 40_000} }), &sockstate.ValueError{},
			"--source-ports 30000-40000: lies outside net.ipv4.ip_local_port_range (32768 to 60999), where the kernel ignores it: want ports inside, or widen the range",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Check(tt.c)
			if reflect.TypeOf(err) != reflect.TypeOf(tt.want) {
				t.Fatalf("%T %v, want a %T", err, err, tt.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), tt.text) {
				t.Errorf("%v\nwant %s", err, tt.text)
			}
		})
	}
}

func TestTargetRate(t *testing.T) {
	open := func(from, to float64) loadgen.Group { return loadgen.Group{RateFrom: from, RateTo: to} }
	tests := []struct {
		name      string
		p         loadgen.Plan
		g         loadgen.Group
		scheduled int64
		want      float64
	}{
		{"closed loop", loadgen.Plan{Duration: time.Second}, loadgen.Group{Connections: 64}, 0, 0},
		{"one rate", loadgen.Plan{Duration: 10 * time.Second}, open(2000, 2000), 20_000, 2000},
		{"rising", loadgen.Plan{Duration: 10 * time.Second}, open(1000, 3000), 20_000, 2000},
		{"half of it a ramp", loadgen.Plan{Duration: 10 * time.Second, Ramp: 5 * time.Second}, open(2000, 2000), 15_000, 1500},
		{"until a count", loadgen.Plan{Count: 100}, open(2000, 2000), 100, 2000},
		{"until a count, at most", loadgen.Plan{Count: 100, Duration: time.Minute}, open(2000, 2000), 100, 2000},
		{"a plateau's opening", loadgen.Plan{}, loadgen.Group{RateFrom: 100, RateTo: 100, Connections: 10, Plateau: time.Second}, 10, 0},
	}
	for _, tt := range tests {
		if got := target(&tt.p, &tt.g, tt.scheduled); got != tt.want {
			t.Errorf("%s: %v/s, want %v", tt.name, got, tt.want)
		}
	}
}
