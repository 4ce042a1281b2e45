package loadgen

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

var comparePlans = cmp.Options{
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// randomPlan fills every field, valid or not: JSON has to keep it.
func randomPlan(r *rand.Rand) Plan {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	duration := func() time.Duration { return time.Duration(r.Int64N(int64(MaxTime))) * time.Duration(r.IntN(2)) }
	addr := func() netip.Addr {
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{127, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		}
		var b [16]byte
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return netip.AddrFrom16(b)
	}
	p := Plan{
		Duration: duration(), Warmup: duration(), Ramp: duration(), Count: r.Int64N(1<<40) * r.Int64N(2),
		Workers: r.IntN(9),
	}
	for range 1 + r.IntN(3) {
		g := Group{
			Name:        pick("", "load", "täglich \"x\"\n"),
			Connections: r.IntN(1e6) * r.IntN(2), RateFrom: r.ExpFloat64() * 1e4, RateTo: r.ExpFloat64() / 3,
			Hold: duration(), Plateau: duration(), CloseRate: r.Float64() * float64(r.IntN(2)),
			Close: mustPolicy(pick("client:fin", "server:fin", "client:half", "server:half", "both:fin", "client:rst", "server:rst",
				"client:linger=2s", "server:linger=5m", "client:unread", "server:unread", "never")),
			OnEOF:    mustReaction(pick("close", "delay=1ms", "delay=1h", "delay=1.5s", "never", "rst")),
			Exchange: mustExchange(pick("none", "echo:1,1", "echo:1073741824,7", "http:/", "http:/a?b=%20&c")),
			Requests: r.IntN(5), Think: duration(), Host: pick("", "example.org:8080"),
			ConnectTimeout: duration(), RequestTimeout: duration(), CloseTimeout: duration(),
		}
		for range 1 + r.IntN(3) {
			g.Targets = append(g.Targets, netip.AddrPortFrom(addr(), uint16(r.Uint32())))
		}
		for range r.IntN(3) {
			g.Sources = append(g.Sources, addr())
			g.Headers = append(g.Headers, pick("A: b", "X-Y: \t\"z\""))
		}
		if r.IntN(2) == 0 {
			lo := uint16(1 + r.IntN(60_000))
			g.SourcePorts = sockstate.PortRange{Lo: lo, Hi: lo + uint16(r.IntN(5000))}
		}
		p.Groups = append(p.Groups, g)
	}
	return p
}

func TestPlanRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		p := randomPlan(r)
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q Plan
		if err := json.Unmarshal(b, &q); err != nil {
			t.Fatalf("%v, reading\n%s", err, b)
		}
		if d := cmp.Diff(p, q, comparePlans); d != "" {
			t.Fatalf("round trip (-written +read):\n%s\n%s", d, b)
		}
	}
}

// A plan from a file is read whole or refused, and what is read survives another turn.
func FuzzPlanJSON(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 5 {
		b, err := json.Marshal(randomPlan(r))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add(`{"groups":[{"close":"client:maybe"}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		var p Plan
		if json.Unmarshal([]byte(s), &p) != nil {
			return
		}
		_ = p.Validate() // must not panic
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		var q Plan
		if err := json.Unmarshal(b, &q); err != nil {
			t.Fatalf("%v, reading\n%s", err, b)
		}
		again, err := json.Marshal(q)
		if err != nil || string(again) != string(b) {
			t.Fatalf("second turn: %v\n%s\n%s", err, b, again)
		}
	})
}

func TestPlanJSONKeys(t *testing.T) {
	b, err := json.Marshal(validPlan())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"groups":[{"name":"load","targets":["127.0.0.1:9000"],"connections":64,"close":"client:fin","on_eof":"close",` +
		`"exchange":"echo:1,1","connect_timeout_ns":5000000000,"request_timeout_ns":10000000000,"close_timeout_ns":5000000000}],` +
		`"duration_ns":1000000000,"workers":0}`
	if d := cmp.Diff(want, string(b)); d != "" {
		t.Errorf("JSON (-want +got):\n%s", d)
	}
}

func TestExchanges(t *testing.T) {
	for _, tc := range []struct {
		g    Group
		want int
	}{
		{Group{}, 0},
		{Group{Requests: 5}, 0},
		{Group{Exchange: exchange.Spec{Kind: exchange.Echo}}, 1},
		{Group{Exchange: exchange.Spec{Kind: exchange.HTTP}, Requests: 5, Close: teardown.Never}, 5},
	} {
		if got := tc.g.Exchanges(); got != tc.want {
			t.Errorf("%+v: %d exchanges, want %d", tc.g, got, tc.want)
		}
	}
}

func TestPartsAreTheWhole(t *testing.T) {
	for n := range 50 {
		for workers := 1; workers < 9; workers++ {
			sum, least, most := 0, n, 0
			for id := range workers {
				p := part(n, id, workers)
				sum += p
				least, most = min(least, p), max(most, p)
			}
			if sum != n || most-least > 1 {
				t.Errorf("%d in %d parts: sum %d, from %d to %d", n, workers, sum, least, most)
			}
		}
	}
}

func TestSlots(t *testing.T) {
	for _, tc := range []struct {
		name           string
		conns          []int
		slots, workers int
		want           []int
	}{
		{"as planned", []int{10}, 0, 3, []int{4, 3, 3}},
		{"several groups", []int{10, 1}, 0, 3, []int{5, 3, 3}},
		{"room to spare", []int{10}, 1000, 2, []int{5, 5}},
		{"less room than planned", []int{10}, 4, 2, []int{2, 2}},
		{"without a cap", []int{0}, 101, 2, []int{51, 50}},
		{"one without a cap", []int{0, 10}, 100, 2, []int{50, 50}},
		{"hardly any room", []int{0}, 1, 2, []int{1, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{Slots: tc.slots}
			for _, n := range tc.conns {
				c.Plan.Groups = append(c.Plan.Groups, Group{Connections: n})
			}
			var got []int
			for id := range tc.workers {
				got = append(got, c.slots(id, tc.workers))
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("slots (-want +got):\n%s", d)
			}
		})
	}
}

// The schedule is that of arrivals, but for a plateau, whose rate opens its connections and no more.
func TestPlanSchedule(t *testing.T) {
	const s = time.Second
	group := func(from, to float64) Group { return Group{RateFrom: from, RateTo: to} }
	for _, tc := range []struct {
		name string
		plan Plan
		g    Group
		want int64
	}{
		{"lo..hi after a warm-up", Plan{Duration: 10 * s, Warmup: 3 * s}, group(100, 300), 2300},
		{"ramp", Plan{Duration: 10 * s, Warmup: 1 * s, Ramp: 2 * s}, group(500, 500), 5000},
		{"count after a warm-up", Plan{Count: 777, Warmup: 3 * s}, group(100, 100), 1077},
		{"plateau", Plan{}, Group{RateFrom: 100, RateTo: 100, Connections: 50, Plateau: s}, 50},
	} {
		p := tc.plan.schedule(&tc.g)
		if got := p.Total(); got != tc.want {
			t.Errorf("%s: %d arrivals, want %d", tc.name, got, tc.want)
		}
	}
}
