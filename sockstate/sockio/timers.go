package sockio

import "math/bits"

// timers is a hierarchical timing wheel (Varghese and Lauck, 1987, scheme 7): one
// timer a slot, set and stopped in constant time, without pointers.
//
// Level 0 has a bucket a tick, level k a bucket of 256^k ticks, whose timers are
// dealt out to the levels below when its time comes. So most timers, timeouts
// that never fire, are touched twice: set and stopped. A heap costs a logarithm
// for each; a wheel that rounds far timers up, like the kernel's, would stretch a hold.
type timers struct {
	cur   int64 // the last tick that was expired
	heads [wheelLevels][wheelSize]int32
	used  [wheelLevels][wheelSize / 64]uint64
	nodes []timerNode
}

type timerNode struct {
	at         int64 // tick; may be beyond the wheel's reach
	next, prev int32 // -1: none
	place      int16 // 1 + (level<<8 | bucket); 0: not set, so that slots nobody uses cost no memory
}

const (
	tickShift   = 14 // a tick is 16.4 us
	wheelBits   = 8
	wheelSize   = 1 << wheelBits
	wheelLevels = 4 // 256^4 ticks: 19 hours
	maxTicks    = int64(1)<<(wheelBits*wheelLevels) - 1
)

func newTimers(slots int, now int64) *timers {
	t := &timers{cur: now >> tickShift, nodes: make([]timerNode, slots)}
	for l := range t.heads {
		for b := range t.heads[l] {
			t.heads[l][b] = -1
		}
	}
	return t
}

// set arms slot s for the time at, rounded up to a tick.
func (t *timers) set(s Sock, at int64) {
	t.stop(s)
	tick := at >> tickShift
	if at&(1<<tickShift-1) != 0 {
		tick++
	}
	t.link(int32(s), max(tick, t.cur+1))
}

// link puts s into the bucket of its tick. A tick out of reach goes as far as the wheel
// does, and is dealt out anew from there.
func (t *timers) link(s int32, tick int64) {
	ahead := min(tick-t.cur, maxTicks)
	near := t.cur + ahead
	level := 0
	for ahead >= wheelSize {
		ahead >>= wheelBits
		level++
	}
	bucket := int(near>>(level*wheelBits)) & (wheelSize - 1)
	n := &t.nodes[s]
	head := t.heads[level][bucket]
	*n = timerNode{at: tick, next: head, prev: -1, place: int16(1 + (level<<wheelBits | bucket))}
	if head >= 0 {
		t.nodes[head].prev = s
	}
	t.heads[level][bucket] = s
	t.used[level][bucket/64] |= 1 << (bucket % 64)
}

func (t *timers) stop(s Sock) {
	n := &t.nodes[s]
	if n.place == 0 {
		return
	}
	place := int(n.place) - 1
	level, bucket := place>>wheelBits, place&(wheelSize-1)
	if n.next >= 0 {
		t.nodes[n.next].prev = n.prev
	}
	if n.prev >= 0 {
		t.nodes[n.prev].next = n.next
	} else {
		t.heads[level][bucket] = n.next
		if n.next < 0 {
			t.used[level][bucket/64] &^= 1 << (bucket % 64)
		}
	}
	n.place = 0
}

// next is the time at which expire has something to do: a timer to fire or a
// bucket to deal out. Never if no timer is set.
func (t *timers) next() int64 {
	tick := t.nextTick()
	if tick == Never {
		return Never
	}
	return tick << tickShift
}

func (t *timers) nextTick() int64 {
	first := Never
	for level := range wheelLevels {
		shift := level * wheelBits
		pos := t.cur >> shift
		if d := t.distance(level, int(pos)&(wheelSize-1)); d > 0 {
			first = min(first, (pos+int64(d))<<shift)
		}
	}
	return first
}

// distance is how many buckets after pos the next used one is, going round, up to
// a full turn; 0 if none is used.
func (t *timers) distance(level, pos int) int {
	for d := 1; d <= wheelSize; {
		b := (pos + d) & (wheelSize - 1)
		word := t.used[level][b/64] >> (b % 64)
		if word != 0 {
			return min(d+bits.TrailingZeros64(word), wheelSize)
		}
		d += 64 - b%64
	}
	return 0
}

// expire fires what is due at now.
func (t *timers) expire(now int64, fire func(Sock)) (fired int) {
	until := now >> tickShift
	for {
		tick := t.nextTick()
		if tick > until {
			t.cur = max(t.cur, until)
			return fired
		}
		t.cur = tick
		for level := wheelLevels - 1; level > 0; level-- {
			if tick&(1<<(level*wheelBits)-1) == 0 {
				t.deal(level, int(tick>>(level*wheelBits))&(wheelSize-1))
			}
		}
		bucket := int(tick) & (wheelSize - 1)
		for t.heads[0][bucket] >= 0 {
			s := Sock(t.heads[0][bucket])
			t.stop(s)
			fire(s)
			fired++
		}
	}
}

// deal moves a bucket's timers to the levels below; those due now into this tick's bucket.
func (t *timers) deal(level, bucket int) {
	for t.heads[level][bucket] >= 0 {
		s := t.heads[level][bucket]
		at := t.nodes[s].at
		t.stop(Sock(s))
		t.link(s, at)
	}
}
