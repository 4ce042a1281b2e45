package grid

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
)

var testSysctls = []string{"net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_fin_timeout", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.core.somaxconn"}

func TestParseFactor(t *testing.T) {
	for text, want := range map[string]record.Factor{
		"tcp_tw_reuse=0,1,2":                           {Key: "net.ipv4.tcp_tw_reuse", Levels: []string{"0", "1", "2"}},
		"net.ipv4.tcp_fin_timeout=10, 60":              {Key: "net.ipv4.tcp_fin_timeout", Levels: []string{"10", "60"}},
		"net/ipv4/tcp_fin_timeout=10,60":               {Key: "net.ipv4.tcp_fin_timeout", Levels: []string{"10", "60"}},
		"somaxconn=128,4096":                           {Key: "net.core.somaxconn", Levels: []string{"128", "4096"}},
		"ip_local_port_range=32768-60999,1024\t 65535": {Key: portRange, Levels: []string{"32768 60999", "1024 65535"}},
		"ip_local_reserved_ports=8080,9000;8080":       {Key: "net.ipv4.ip_local_reserved_ports", Levels: []string{"8080,9000", "8080"}},
		"net.ipv4.conf.lo.rp_filter=0,1":               {Key: "net.ipv4.conf.lo.rp_filter", Levels: []string{"0", "1"}},
		"net.ipv6.bindv6only=0,1":                      {Key: "net.ipv6.bindv6only", Levels: []string{"0", "1"}},
		"close=client:fin,server:rst,never":            {Key: "close", Levels: []string{"client:fin", "server:rst", "never"}},
		"on-eof=close,delay=50ms":                      {Key: "on-eof", Levels: []string{"close", "delay=50ms"}},
		"rate=1000,2k,1k..5k":                          {Key: "rate", Levels: []string{"1k", "2k", "1k..5k"}},
		"connections=64,1k":                            {Key: "connections", Levels: []string{"64", "1k"}},
		"sources=1,2,198.18.2.0/30":                    {Key: "sources", Levels: []string{"1", "2", "198.18.2.0/30"}},
		"source=127.0.0.1,127.0.0.2;127.0.0.9":         {Key: "sources", Levels: []string{"127.0.0.1,127.0.0.2", "127.0.0.9"}},
		"source-ports=1024-2000,3000-4000":             {Key: "source-ports", Levels: []string{"1024-2000", "3000-4000"}},
		"hold=0s,200ms,1m":                             {Key: "hold", Levels: []string{"0s", "200ms", "1m0s"}},
		"exchange=none,echo:1,1,echo:100,20000,http:/": {Key: "exchange", Levels: []string{"none", "echo:1,1", "echo:100,20000", "http:/"}},
		"exchange=none;http:/a,b":                      {Key: "exchange", Levels: []string{"none", "http:/a,b"}},
		"engine=uring,epoll":                           {Key: "engine", Levels: []string{"uring", "epoll"}},
		"loss=0%,1.0%":                                 {Key: "loss", Levels: []string{"0%", "1%"}},
		"topology=lo,veth":                             {Key: "topology", Levels: []string{"lo", "veth"}},
		"backlog=16,4k":                                {Key: "backlog", Levels: []string{"16", "4k"}},
		"workers=1,2":                                  {Key: "workers", Levels: []string{"1", "2"}},
	} {
		got, err := ParseFactor(text, testSysctls)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
	}
	for text, want := range map[string]string{
		"":                         `"": want a key`,
		"tcp_tw_reuse":             `"tcp_tw_reuse": want a key`,
		"=1,2":                     `"=1,2": want a key`,
		"tcp_tw_reus=0,1":          `"tcp_tw_reus" is nothing that a sweep can vary here: did you mean tcp_tw_reuse?`,
		"conections=1,2":           `"conections" is nothing that a sweep can vary here: did you mean connections?`,
		"net.ipv4.tcp_twreuse=0,1": `"net.ipv4.tcp_twreuse" is nothing that a sweep can vary here: did you mean tcp_tw_reuse?`,
		"zzzzzzzzzzzzzzzz=0,1":     `"zzzzzzzzzzzzzzzz" is nothing that a sweep can vary here: want a sysctl of net.ipv4 or net.core`,
		"kernel.panic=0,1":         `"kernel.panic" is nothing that a sweep can vary`,
		"net..x=1,2":               `"net..x" is nothing that a sweep can vary`,
		"tcp_tw_reuse=":            "tcp_tw_reuse: a level is empty",
		"tcp_tw_reuse=0,,1":        "tcp_tw_reuse: a level is empty",
		"tcp_tw_reuse=0,":          "tcp_tw_reuse: a level is empty",
		"tcp_tw_reuse=1":           "tcp_tw_reuse has only the level 1: want at least two",
		"tcp_tw_reuse=0,1,0":       "tcp_tw_reuse: the level 0 is there twice",
		"rate=1k,1000":             "rate: the level 1k is there twice",
		"rate=-5,1k":               `rate: "-5" is not a rate`,
		"close=client:foo,never":   `close: unknown close policy "client:foo"`,
		"exchange=none,echo:1":     `exchange: unknown exchange "echo:1"`,
		"engine=uring,ring":        `engine: "ring" is unknown: want auto, uring, epoll`,
		"topology=lo,tap":          `topology: "tap" is unknown: want lo, veth`,
		"connections=0,1":          "connections: 0: want at least 1",
		"backlog=x,1":              `backlog: "x" is not a count`,
		"sources=0,1":              "sources: 0: want 1 to",
		"sources=x,y":              `sources: "x" is not a source`,
		"hold=5,6":                 `hold: "5" is not a duration`,
		"loss=1,2":                 `loss: "1": want a percentage`,
		"workers=a,b":              `workers: "a" is not a whole number`,
		"source-ports=5,6-7":       `source-ports: "5" is not a range of ports`,
	} {
		if f, err := ParseFactor(text, testSysctls); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", text, f, err, want)
		}
	}
}

// What is read is what is printed, and no level is empty or there twice.
func FuzzParseFactor(f *testing.F) {
	for _, s := range []string{"tcp_tw_reuse=0,1", "exchange=none,echo:1,1", "source=1;2", "rate=1k..2k,0", "ip_local_port_range=1-2,3 4", "net/a/b.c=1,2", "loss=1%,2%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseFactor(text, testSysctls)
		if err != nil {
			return
		}
		again, err := ParseFactor(got.Key+"="+strings.Join(got.Levels, ";"), testSysctls)
		if slices.ContainsFunc(got.Levels, func(l string) bool { return strings.Contains(l, ";") }) {
			return // a path of HTTP
		}
		if err != nil || !cmp.Equal(got, again) {
			t.Errorf("%q is %v, which is read as %v (%v)", text, got, again, err)
		}
		slices.Sort(got.Levels)
		if len(slices.Compact(got.Levels)) < 2 || got.Levels[0] == "" {
			t.Errorf("%q has the levels %q", text, got.Levels)
		}
	})
}

func testBase() setup.Spec {
	return setup.Spec{
		Plan:   loadgen.Plan{Groups: []loadgen.Group{{Name: "run", Connections: 7}}},
		Server: &setup.Server{Backlog: 5}, Sandbox: &sandbox.Spec{Sysctls: []sandbox.Sysctl{{Key: "net.ipv4.tcp_fin_timeout", Value: "9"}}},
	}
}

// The first cell is the base, and a cell's spec has nothing of another's.
func TestGrid(t *testing.T) {
	factors := []record.Factor{{Key: "net.ipv4.tcp_fin_timeout", Levels: []string{"1", "2"}}, {Key: "connections", Levels: []string{"3", "4", "5"}}, {Key: "backlog", Levels: []string{"6", "7"}}}
	cells := combinations(factors)
	if n, err := countCells(factors, 5, false); err != nil || n != len(cells) || n != 12 {
		t.Errorf("%d cells, counted %d (%v)", len(cells), n, err)
	}
	if d := cmp.Diff([]string{"1", "3", "6"}, cells[0]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"1", "3", "7"}, cells[1]); d != "" {
		t.Error(d)
	}
	base := testBase()
	for _, levels := range cells {
		s, err := with(&base, factors, levels, testSysctls)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{s.Sandbox.Sysctls[0].Value, string(rune('0' + s.Plan.Groups[0].Connections)), string(rune('0' + s.Server.Backlog))}
		if d := cmp.Diff(levels, got); d != "" {
			t.Error(d)
		}
	}
	if d := cmp.Diff(testBase(), base, cmp.AllowUnexported(), cmp.Comparer(func(a, b sandbox.Sysctl) bool { return a == b })); d != "" {
		t.Errorf("the base changed:\n%s", d)
	}
}

func TestCheckFactors(t *testing.T) {
	two := []string{"1", "2"}
	for _, tt := range []struct {
		factors []record.Factor
		given   string
		want    string
	}{
		{nil, "", "--vary: want at least one"},
		{[]record.Factor{{Key: "backlog", Levels: two}, {Key: "rate", Levels: two}}, "duration", ""},
		{[]record.Factor{{Key: "backlog", Levels: two}, {Key: "backlog", Levels: two}}, "", "--vary backlog: it is varied twice"},
		{[]record.Factor{{Key: "backlog", Levels: two}}, "backlog", "--backlog: it is varied too (--vary backlog)"},
		{[]record.Factor{{Key: "sources", Levels: two}}, "source", "--source: it is varied too (--vary sources)"},
		{[]record.Factor{{Key: "net.ipv4.tcp_fin_timeout", Levels: two}}, "", "--sysctl net.ipv4.tcp_fin_timeout: it is varied too"},
	} {
		base := testBase()
		base.Given = []string{tt.given}
		got := ""
		if err := checkFactors(tt.factors, &base, testSysctls); err != nil {
			got = err.Error()
		}
		if got != tt.want && (tt.want == "" || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%v: %q, want %q", tt.factors, got, tt.want)
		}
	}
	many := make([]string, 30)
	for _, tt := range []struct {
		n, blocks int
		yes       bool
		want      string
	}{{1, 5, false, ""}, {2, 5, false, "--vary: the grid has 900 cells, each to run 5 times: want at most 500, or --yes"}, {2, 5, true, ""}, {9, 5, true, "--vary: "}} {
		var f []record.Factor
		for range tt.n {
			f = append(f, record.Factor{Levels: many})
		}
		got := ""
		if _, err := countCells(f, tt.blocks, tt.yes); err != nil {
			got = err.Error()
		}
		if got != tt.want && (tt.want == "" || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%d factors: %q, want %q", tt.n, got, tt.want)
		}
	}
}
