package loadgen

import (
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

func mustPolicy(s string) teardown.Policy {
	p, err := teardown.ParsePolicy(s)
	if err != nil {
		panic(err)
	}
	return p
}

func mustReaction(s string) teardown.Reaction {
	r, err := teardown.ParseReaction(s)
	if err != nil {
		panic(err)
	}
	return r
}

func mustExchange(s string) exchange.Spec {
	x, err := exchange.Parse(s)
	if err != nil {
		panic(err)
	}
	return x
}

// validPlan is a closed loop that Validate takes.
func validPlan() Plan {
	return Plan{
		Duration: time.Second,
		Groups: []Group{{
			Name:           "load",
			Targets:        []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9000")},
			Connections:    64,
			Exchange:       mustExchange("echo:1,1"),
			ConnectTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second, CloseTimeout: 5 * time.Second,
		}},
	}
}

func TestValidateRefuses(t *testing.T) {
	addr := netip.MustParseAddrPort
	type change = func(p *Plan, g *Group)
	for _, tc := range []struct {
		name         string
		change       change
		field, value string
		want         string // a part of what is wanted instead
	}{
		{"no group", func(p *Plan, _ *Group) { p.Groups = nil }, "groups", "0", "1 to 64"},
		{"65 groups", func(p *Plan, g *Group) { p.Groups = make([]Group, 65) }, "groups", "65", "1 to 64"},
		{"negative duration", func(p *Plan, _ *Group) { p.Duration = -1 }, "duration", "-1ns", "from 0s"},
		{"absurd duration", func(p *Plan, _ *Group) { p.Duration = MaxTime + 1 }, "duration", "720h0m0.000000001s", "720h"},
		{"negative warm-up", func(p *Plan, _ *Group) { p.Warmup = -time.Second }, "warmup", "-1s", "from 0s"},
		{"negative ramp", func(p *Plan, _ *Group) { p.Ramp = -time.Second }, "ramp", "-1s", "from 0s"},
		{"no end", func(p *Plan, _ *Group) { p.Duration = 0 }, "duration", "0s", "--count"},
		{"negative count", func(p *Plan, _ *Group) { p.Count = -5 }, "count", "-5", "above 0"},
		{"negative workers", func(p *Plan, _ *Group) { p.Workers = -1 }, "workers", "-1", "to 1024"},
		{"absurd workers", func(p *Plan, _ *Group) { p.Workers = 1025 }, "workers", "1025", "to 1024"},
		{"ramp beyond the end", func(p *Plan, _ *Group) { p.Ramp = 2 * time.Second }, "ramp", "2s", "at most"},
		{"ramp to a plateau's rate", func(p *Plan, g *Group) {
			p.Ramp, g.Plateau, g.RateFrom, g.RateTo = time.Second/2, time.Second, 10, 10
		}, "ramp", "500ms", "under --plateau"},
		{"ramp of lo..hi", func(p *Plan, g *Group) { p.Ramp, g.RateFrom, g.RateTo = time.Second/2, 1, 2 }, "ramp", "500ms", "LO..HI"},
		{"lo..hi without a duration", func(p *Plan, g *Group) { p.Duration, p.Count, g.RateFrom, g.RateTo = 0, 9, 1, 2 }, "rate", "1..2", "--duration"},

		{"no target", func(_ *Plan, g *Group) { g.Targets = nil }, "target", `""`, "at least one"},
		{"zero target", func(_ *Plan, g *Group) { g.Targets = []netip.AddrPort{{}} }, "target", "invalid AddrPort", "can be connected to"},
		{"target without a port", func(_ *Plan, g *Group) { g.Targets = []netip.AddrPort{addr("10.0.0.1:0")} }, "target", "10.0.0.1:0", "a port"},
		{"unspecified target", func(_ *Plan, g *Group) { g.Targets = append(g.Targets, addr("[::]:80")) }, "target", "[::]:80", "can be connected to"},
		{"multicast target", func(_ *Plan, g *Group) { g.Targets = []netip.AddrPort{addr("224.0.0.1:80")} }, "target", "224.0.0.1:80", "can be connected to"},

		{"negative connections", func(_ *Plan, g *Group) { g.Connections = -1 }, "connections", "-1", "1 to"},
		{"absurd connections", func(_ *Plan, g *Group) { g.Connections = MaxConnections + 1 }, "connections", "100000001", "1 to 100000000"},
		{"no connection in closed loop", func(_ *Plan, g *Group) { g.Connections = 0 }, "connections", "0", "--rate"},
		{"negative rate", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = -1, 5 }, "rate", "-1..5", "closed loop"},
		{"rate that is no number", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 1, math.NaN() }, "rate", "1..NaN", "100000000"},
		{"infinite rate", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = math.Inf(1), math.Inf(1) }, "rate", "+Inf", "100000000"},
		{"rate of nearly nothing", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 1e-9, 1e-9 }, "rate", "1e-09", "0.001"},

		{"negative hold", func(_ *Plan, g *Group) { g.Hold = -1 }, "hold", "-1ns", "from 0s"},
		{"absurd hold", func(_ *Plan, g *Group) { g.Hold = 1 << 62 }, "hold", "1281023h53m38.427387904s", "720h"},
		{"negative think", func(_ *Plan, g *Group) { g.Think = -1 }, "think", "-1ns", "from 0s"},
		{"negative plateau", func(_ *Plan, g *Group) { g.Plateau = -1 }, "plateau", "-1ns", "from 0s"},
		{"think without requests", func(_ *Plan, g *Group) { g.Think = time.Second }, "think", "1s", "--requests"},
		{"negative requests", func(_ *Plan, g *Group) { g.Requests = -3 }, "requests", "-3", "1 to"},
		{"absurd requests", func(_ *Plan, g *Group) { g.Requests = maxRequests + 1 }, "requests", "1073741825", "1 to 1073741824"},
		{"requests of nothing", func(_ *Plan, g *Group) { g.Requests, g.Exchange = 2, exchange.Spec{} }, "requests", "2", "--exchange"},
		{"headers of an echo", func(_ *Plan, g *Group) { g.Headers = []string{"A: b"} }, "header", `"A"`, "http"},
		{"a header that frames", func(_ *Plan, g *Group) {
			g.Exchange, g.Headers = mustExchange("http:/"), []string{"A: b", "Content-Length: 3"}
		}, "header", `"Content-Length"`, "lastack itself"},
		{"a header that is none", func(_ *Plan, g *Group) { g.Exchange, g.Headers = mustExchange("http:/"), []string{"A\r\n"} }, "header", `"A ..."`, "Name: value"},

		{"client:unread of nothing", func(_ *Plan, g *Group) {
			g.Close, g.Exchange = mustPolicy("client:unread"), exchange.Spec{}
		}, "close", "client:unread", "--exchange"},
		{"server:unread of nothing", func(_ *Plan, g *Group) {
			g.Close, g.Exchange = mustPolicy("server:unread"), exchange.Spec{}
		}, "close", "server:unread", "--exchange"},

		{"no connect timeout", func(_ *Plan, g *Group) { g.ConnectTimeout = 0 }, "connect-timeout", "0s", "above 0"},
		{"negative request timeout", func(_ *Plan, g *Group) { g.RequestTimeout = -1 }, "request-timeout", "-1ns", "above 0"},
		{"absurd close timeout", func(_ *Plan, g *Group) { g.CloseTimeout = MaxTime + 1 }, "close-timeout", "720h0m0.000000001s", "720h"},

		{"close rate without a plateau", func(_ *Plan, g *Group) { g.CloseRate = 5 }, "close-rate", "5", "--plateau"},
		{"negative close rate", func(_ *Plan, g *Group) { g.Plateau, g.CloseRate = 1, -5 }, "close-rate", "-5", "as fast as possible"},
		{"close rate that is no number", func(_ *Plan, g *Group) { g.Plateau, g.CloseRate = 1, math.NaN() }, "close-rate", "NaN", "as fast as possible"},
		{"plateau of any number", func(_ *Plan, g *Group) { g.Plateau, g.Connections, g.RateFrom, g.RateTo = 1, 0, 5, 5 }, "plateau", "1ns", "--connections"},
		{"plateau that the server ends", func(_ *Plan, g *Group) { g.Plateau, g.Close = 1, mustPolicy("server:fin") }, "plateau", "1ns", "not server:fin"},
		{"plateau that both end", func(_ *Plan, g *Group) { g.Plateau, g.Close = 1, mustPolicy("both:fin") }, "plateau", "1ns", "not both:fin"},
		{"plateau and hold", func(_ *Plan, g *Group) { g.Plateau, g.Hold = 1, 1 }, "plateau", "1ns", "--hold"},
		{"plateau at lo..hi", func(_ *Plan, g *Group) { g.Plateau, g.RateFrom, g.RateTo = 1, 5, 6 }, "rate", "5..6", "one rate"},

		{"zero source", func(_ *Plan, g *Group) { g.Sources = []netip.Addr{{}} }, "source", "invalid IP", "unicast"},
		{"unspecified source", func(_ *Plan, g *Group) { g.Sources = []netip.Addr{netip.IPv4Unspecified()} }, "source", "0.0.0.0", "unicast"},
		{"source of the other family", func(_ *Plan, g *Group) { g.Sources = []netip.Addr{netip.IPv6Loopback()} }, "source", "::1", "127.0.0.1:9000"},

		{"a later group", func(p *Plan, g *Group) { p.Groups = append(p.Groups, *g); p.Groups[1].Hold = -7 }, "hold", "-7ns", "from 0s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := validPlan()
			tc.change(&p, &p.Groups[0])
			err := p.Validate()
			var pe *sockstate.ValueError
			if !errors.As(err, &pe) {
				t.Fatalf("Validate() = %v, want a *sockstate.ValueError", err)
			}
			if pe.Name != tc.field || pe.Value != tc.value || !strings.Contains(pe.Want, tc.want) {
				t.Errorf("refused --%s %s: %s\nwant    --%s %s: ...%s...", pe.Name, pe.Value, pe.Want, tc.field, tc.value, tc.want)
			}
			for _, s := range []string{"--" + tc.field, tc.value, tc.want} {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q does not name %s", err, s)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q is not one line", err)
			}
			// A refused plan opens nothing.
			if _, err := New(Config{Plan: p}); !errors.As(err, &pe) {
				t.Errorf("New took it: %v", err)
			}
		})
	}
}

func TestValidateTakes(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(p *Plan, g *Group)
	}{
		{"closed loop", func(*Plan, *Group) {}},
		{"count", func(p *Plan, _ *Group) { p.Duration, p.Count = 0, 1 }},
		{"open loop without a cap", func(_ *Plan, g *Group) { g.Connections, g.RateFrom, g.RateTo = 0, 0.001, 0.001 }},
		{"from nothing", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 0, 100 }},
		{"to nothing", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 100, 0 }},
		{"ramp over warm-up and duration", func(p *Plan, _ *Group) { p.Warmup, p.Ramp = time.Second, 2*time.Second }},
		{"plateau needs no end", func(p *Plan, g *Group) { p.Duration, g.Plateau, g.CloseRate = 0, 1, 5 }},
		{"a plateau that never ends", func(p *Plan, g *Group) { p.Duration, g.Plateau, g.Close = 0, 1, teardown.Never }},
		{"client:unread", func(_ *Plan, g *Group) { g.Close = mustPolicy("client:unread") }},
		{"mapped target and IPv4 source", func(_ *Plan, g *Group) {
			g.Targets = []netip.AddrPort{netip.MustParseAddrPort("[::ffff:127.0.0.1]:80")}
			g.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.2")}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := validPlan()
			tc.change(&p, &p.Groups[0])
			if err := p.Validate(); err != nil {
				t.Errorf("Validate() = %v", err)
			}
		})
	}
}

func TestNewRefusesAPlateauWithoutRoom(t *testing.T) {
	p := validPlan()
	p.Groups[0].Plateau = time.Second
	_, err := New(Config{Plan: p, Slots: 63})
	var pe *sockstate.ValueError
	if !errors.As(err, &pe) || pe.Name != "connections" || pe.Value != "64" {
		t.Errorf("New() = %v, want a refusal of --connections 64", err)
	}
}
