package rendezvous

import (
	"context"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a shard 0 that answers asks by one function and announces a start by the other. It says nothing where the function is nil.
type fake struct {
	answer func(*clocks)
	start  func() int64
}

func (f fake) serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	l, stop := newLink(ctx, c)
	defer stop()
	for {
		m, err := l.receive()
		switch {
		case err != nil:
			return
		case m.Ask != nil && f.answer != nil:
			f.answer(m.Ask)
			if l.send(message{Answer: m.Ask}) != nil {
				return
			}
		case m.Ready && f.start != nil:
			if l.send(message{Start: &start{At: f.start(), RunID: "r"}}) != nil {
				return
			}
		}
	}
}

// rightly answers as shard 0 does.
func rightly(c *clocks) {
	c.T2 = time.Now().UnixNano()
	c.T3 = c.T2
}

// Whatever listens and speaks the protocol is not believed what cannot be, and is waited for no longer than for the shards.
func TestFakes(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) func() int64 { return func() int64 { return time.Now().Add(d).UnixNano() } }
	const year = 365 * 24 * time.Hour
	const rubbish = "what listens at web.example:1 is no shard 0: say where shard 0 is"
	away := func(d string) string {
		return "what listens at web.example:1 announced a start " + d + ", want one within 4s: is it shard 0, and was a clock set?"
	}
	for _, tc := range []struct {
		name string
		fake
		want string // nothing: they meet
	}{
		{"right", fake{rightly, in(lead)}, ""},
		{"late", fake{rightly, in(-mostAway)}, ""},
		{"another clock", fake{func(c *clocks) { c.T2 = time.Now().Add(year).UnixNano(); c.T3 = c.T2 }, in(year + lead)}, ""},
		{"silent", fake{}, "what listens at web.example:1 said nothing within 12s: is it shard 0?"},
		{
			"no start",
			fake{answer: rightly},
			"shard 0 at web.example:1 was reached after 0s, and announced no start in the 12s left, as it waits for other shards: " +
				"start all shards at about the same time, or give all a longer --rendezvous-timeout",
		},
		{
			"far",
			fake{func(c *clocks) { time.Sleep(2*MaxUncertainty + time.Millisecond); rightly(c) }, in(lead)},
			"the shortest round trip to shard 0 takes 101ms, so that the clocks are unsure by 50.501ms: want at most 50ms, in one network",
		},
		{"a start in a year", fake{rightly, in(year)}, away("8760h0m0s from now")},
		{"a start a little far", fake{rightly, in(mostAway + 100*time.Millisecond)}, away("4.1s from now")},
		{"a start a year ago", fake{rightly, in(-year)}, away("8760h0m0s ago")},
		{"the last start", fake{rightly, func() int64 { return math.MaxInt64 }}, away("2299079h47m16.9s from now")},
		{"the first start", fake{rightly, func() int64 { return math.MinInt64 }}, away("2562047h47m16.854775807s ago")},
		{"answered before 1970", fake{func(c *clocks) { c.T2, c.T3 = math.MinInt64, math.MaxInt64 }, in(lead)}, rubbish},
		{"answered at the end of time", fake{func(c *clocks) { c.T2, c.T3 = math.MaxInt64, math.MaxInt64 }, in(lead)}, away("2299079h47m14.9s ago")},
		{"answered for longer than the trip", fake{func(c *clocks) { rightly(c); c.T3 += int64(time.Second) }, in(lead)}, rubbish},
		{"answered before it was asked", fake{func(c *clocks) { rightly(c); c.T3-- }, in(lead)}, rubbish},
		{"answered another", fake{func(c *clocks) { rightly(c); c.T1++ }, in(lead)}, rubbish},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, s := net.Pipe()
				go tc.serve(t.Context(), s)
				o, began := joined(t.Context(), 1, 2, 10*time.Second, c), time.Now()
				switch {
				case tc.want == "" && o.err != nil:
					t.Error(o.err)
				case tc.want != "" && (o.err == nil || o.err.Error() != "rendezvous: "+tc.want):
					t.Errorf("%v, want %q", o.err, tc.want)
				case o.err == nil && o.At.Sub(began).Abs() > mostAway:
					t.Errorf("it starts at %v, agreed on at %v", o.At, began)
				}
			})
		})
	}
}

// A shard that came before shard 0 gives up before it, and both say what was so.
func TestGivesUpFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, ended := led(t.Context(), 3, 3*time.Second)
		one := joined(t.Context(), 1, 3, time.Millisecond, p.dial())
		for i, o := range []outcome{<-ended, one} {
			want := []string{"shard 2 did not come within 3s; shard 1 came and went away again", "announced no start in the 2s left, as it waits for other shards: start all shards at about the same time"}[i]
			if o.err == nil || !strings.Contains(o.err.Error(), want) {
				t.Errorf("shard %d: %v, want %q", i, o.err, want)
			}
		}
	})
}
