package sockio

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

const tick = int64(1) << tickShift

// naiveTimers is what timers may differ from in nothing but speed.
type naiveTimers map[Sock]naiveTimer

type naiveTimer struct {
	at  int64
	due int64 // the tick at which it fires
}

// timersCheck runs timers and the model side by side.
type timersCheck struct {
	t     *testing.T
	wheel *timers
	model naiveTimers
	now   int64
}

const checkSlots = 32

func newTimersCheck(t *testing.T, now int64) *timersCheck {
	return &timersCheck{t: t, wheel: newTimers(checkSlots, now), model: make(naiveTimers), now: now}
}

func (c *timersCheck) set(s Sock, at int64) {
	c.wheel.set(s, at)
	// What is due already fires with the next tick, so that expire comes to an end.
	c.model[s] = naiveTimer{at, max((at-1)>>tickShift+1, c.wheel.cur+1)}
}

func (c *timersCheck) stop(s Sock) {
	c.wheel.stop(s)
	delete(c.model, s)
}

// advance expires up to now; in, called for each timer that fires, may set others.
func (c *timersCheck) advance(now int64, in func(Sock)) {
	c.t.Helper()
	c.now = now
	fired := 0
	var last int64
	count := c.wheel.expire(now, func(s Sock) {
		fired++
		timer, ok := c.model[s]
		switch {
		case !ok:
			c.t.Fatalf("timer %d fired, and was not set", s)
		case timer.at > now:
			c.t.Fatalf("timer %d fired %v early", s, time.Duration(timer.at-now))
		case timer.due < last:
			c.t.Fatalf("timer %d fired out of order", s)
		}
		last = timer.due
		delete(c.model, s)
		if in != nil {
			in(s)
		}
	})
	if count != fired {
		c.t.Fatalf("expire says %d fired, and fired %d", count, fired)
	}
	for s, timer := range c.model {
		if timer.due <= now>>tickShift {
			c.t.Fatalf("timer %d of %v has not fired at %v", s, time.Duration(timer.at), time.Duration(now))
		}
	}
	c.next()
}

// next has to be after now and not after the first timer.
func (c *timersCheck) next() {
	c.t.Helper()
	next := c.wheel.next()
	if len(c.model) == 0 {
		if next != Never {
			c.t.Fatalf("next is %v without a timer", time.Duration(next))
		}
		return
	}
	if next == Never || next <= c.now&^(tick-1) {
		c.t.Fatalf("next is %v at %v, with %d timers", time.Duration(next), time.Duration(c.now), len(c.model))
	}
	for s, timer := range c.model {
		if next > timer.due<<tickShift {
			c.t.Fatalf("next is %v, timer %d is due before", time.Duration(next), s)
		}
	}
}

func TestTimersAgainstModel(t *testing.T) {
	spans := []int64{1, tick, 300 * tick, 70_000 * tick, 17_000_000 * tick, int64(30 * time.Hour), int64(2000 * time.Hour)}
	steps := 100_000
	if testing.Short() {
		steps = 10_000
	}
	for _, start := range []int64{0, 1, tick - 1, int64(time.Hour), maxTicks << tickShift, 1 << 60} {
		t.Run(fmt.Sprint(start), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(uint64(start), 1))
			span := func() int64 { return spans[rnd.IntN(len(spans))] }
			c := newTimersCheck(t, start)
			for range steps {
				s := Sock(rnd.IntN(checkSlots))
				switch rnd.IntN(8) {
				case 0:
					c.stop(s)
				case 1: // in the past
					c.set(s, c.now-rnd.Int64N(span()))
				case 2: // where a level begins
					level := rnd.IntN(wheelLevels)
					unit := tick << (level * wheelBits)
					c.set(s, (c.now/unit+1+rnd.Int64N(3))*unit+rnd.Int64N(3)-1)
				case 3, 4:
					c.set(s, c.now+rnd.Int64N(span()))
				case 5:
					c.advance(c.now+rnd.Int64N(tick), nil)
				case 6:
					c.advance(min(c.now+rnd.Int64N(span()), 1<<61), nil)
				case 7: // to when the wheel asks for it, as Wait does
					if at := c.wheel.next(); at != Never {
						c.advance(max(at, c.now), nil)
					}
				}
				c.next()
			}
		})
	}
}

// Each timer fires within a tick when it is expired as Wait does, however far it is.
func TestTimersFireOnTime(t *testing.T) {
	for _, after := range []time.Duration{
		0, 1, time.Microsecond, 4 * time.Millisecond, 5 * time.Millisecond, time.Second, time.Hour,
		19 * time.Hour, 20 * time.Hour, 1000 * time.Hour,
	} {
		for _, start := range []int64{0, 12345, int64(time.Hour) + 1} {
			w := newTimers(1, start)
			at := start + int64(after)
			w.set(0, at)
			now, fired := start, false
			for wakes := 0; !fired; wakes++ {
				if wakes > 3*wheelLevels+int(after/(15*time.Hour)) {
					t.Fatalf("%v: woken %d times", after, wakes)
				}
				now = max(now, w.next())
				w.expire(now, func(Sock) { fired = true })
			}
			if late := now - at; late < 0 || late > tick && after > 0 {
				t.Errorf("%v: %v late", after, time.Duration(late))
			}
		}
	}
}

func TestTimersNever(t *testing.T) {
	w := newTimers(1, 5)
	w.set(0, Never)
	if fired := w.expire(1<<61, func(Sock) {}); fired != 0 {
		t.Error("a timer set to Never fired")
	}
}

// A callback that sets a timer for the past, always, does not keep expire from ending.
func TestTimersSetFromCallback(t *testing.T) {
	c := newTimersCheck(t, 0)
	for _, after := range []int64{-int64(time.Hour), 0, 1, 255 * tick, 256 * tick, 65536 * tick} {
		c.set(0, c.now)
		c.set(1, c.now+10*tick)
		n := 0
		c.advance(c.now+1000*tick, func(s Sock) {
			if s != 0 {
				return
			}
			if n++; n > 1001 {
				t.Fatal("fired more than once a tick")
			}
			c.set(0, c.wheel.cur<<tickShift+after)
			c.stop(2)
			c.set(3, c.now+1)
		})
		if _, set := c.model[1]; set {
			t.Error("timer 1 has not fired")
		}
		c.advance(c.now+70_000*tick, nil)
	}
}

func FuzzTimers(f *testing.F) {
	f.Add(uint64(0), []byte{0, 1, 2, 3, 4, 5, 200, 7})
	f.Add(uint64(1)<<46, []byte{2, 63, 3, 50, 2, 40, 3, 40})
	f.Fuzz(func(t *testing.T, start uint64, steps []byte) {
		c := newTimersCheck(t, int64(start>>3))
		limit := int64(1) << 61
		for len(steps) >= 2 {
			op, arg := steps[0], steps[1]
			steps = steps[2:]
			s := Sock(op>>3) % checkSlots
			d := int64(1)<<(arg%48) + int64(arg>>6)*tick
			switch op & 7 {
			case 0, 1, 2:
				c.set(s, c.now+d)
			case 3:
				c.set(s, c.now-d)
			case 4:
				c.stop(s)
			case 5:
				if at := c.wheel.next(); at < limit {
					c.advance(max(at, c.now), nil)
				}
			case 6:
				if c.now+d < limit {
					c.advance(c.now+d, nil)
				}
			case 7:
				if c.now+int64(arg)*tick < limit {
					c.advance(c.now+int64(arg)*tick, func(s Sock) { c.set((s+1)%checkSlots, c.now+d) })
				}
			}
			c.next()
		}
	})
}

// What most timers do: a timeout that never fires.
func BenchmarkTimersSetStop(b *testing.B) {
	const slots = 1 << 16
	w := newTimers(slots, 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s := Sock(i % slots)
		w.set(s, int64(i)*1000+int64(5*time.Second))
		w.stop(Sock((i + slots/2) % slots))
	}
}

func BenchmarkTimersExpire(b *testing.B) {
	const slots = 1 << 10
	w := newTimers(slots, 0)
	now := int64(0)
	for s := range Sock(slots) {
		w.set(s, now+int64(s)*1000)
	}
	b.ReportAllocs()
	fired := 0
	for b.Loop() {
		now = w.next()
		fired += w.expire(now, func(s Sock) { w.set(s, now+int64(10*time.Millisecond)) })
	}
	b.ReportMetric(float64(fired)/float64(b.N), "timers/op")
}
