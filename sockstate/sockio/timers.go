package sockio

import "math/bits"

// timers is a hierarchical timing wheel (Varghese and Lauck, 1987, scheme 7) with one
// timer per slot, set and stopped in constant time, without pointers.
//
// A bucket of level k spans 256^k ticks. When its time comes its timers cascade to the
// levels below. Most timers are timeouts that never fire: they are touched twice, set and
// stopped. A heap would cost a logarithm for each; a wheel that rounds far timers up, like
// the kernel's, would stretch a hold.
//
// A slot costs four bytes, an armed timer a node. Held connections have no timer, so a
// million of them need only as many nodes as were ever armed at once.
type timers struct {
	cur    int64 // the last expired tick
	heads  [wheelLevels][wheelSize]int32
	used   [wheelLevels][wheelSize / 64]uint64
	nodeOf []int32                 // by slot: 1 + the index of its node; 0: none
	nodes  []*[nodeChunk]timerNode // in chunks, so that growing copies nothing
	made   int32                   // number of nodes ever used
	free   int32                   // head of the free list, linked by next; -1: empty
}

type timerNode struct {
	at         int64 // tick; may be beyond the wheel's range
	next, prev int32 // nodes; -1: none
	slot       int32
	list       int16 // level<<8 | bucket
}

const (
	tickShift   = 14 // a tick is 16.4 us
	wheelBits   = 8
	wheelSize   = 1 << wheelBits
	wheelLevels = 4 // 256^4 ticks: 19 hours
	maxTicks    = int64(1)<<(wheelBits*wheelLevels) - 1

	nodeChunk = 1024 // 24 KiB
)

func newTimers(slots int, now int64) *timers {
	t := &timers{cur: now >> tickShift, nodeOf: make([]int32, slots), free: -1}
	for l := range t.heads {
		for b := range t.heads[l] {
			t.heads[l][b] = -1
		}
	}
	return t
}

// set arms slot s for the time at, rounded up to a tick.
func (t *timers) set(s Sock, at int64) {
	tick := at >> tickShift
	if at&(1<<tickShift-1) != 0 {
		tick++
	}
	n := t.nodeOf[s] - 1
	if n >= 0 {
		t.unlink(n)
	} else {
		n = t.take()
		t.nodeOf[s] = n + 1
		t.node(n).slot = int32(s)
	}
	t.node(n).at = max(tick, t.cur+1)
	t.link(n)
}

func (t *timers) stop(s Sock) {
	n := t.nodeOf[s] - 1
	if n < 0 {
		return
	}
	t.unlink(n)
	t.nodeOf[s] = 0
	t.node(n).next = t.free
	t.free = n
}

// take returns a free node.
func (t *timers) take() int32 {
	n := t.free
	if n >= 0 {
		t.free = t.node(n).next
		return n
	}
	if int(t.made) == len(t.nodes)*nodeChunk {
		t.nodes = append(t.nodes, new([nodeChunk]timerNode))
	}
	t.made++
	return t.made - 1
}

func (t *timers) node(n int32) *timerNode {
	return &t.nodes[uint32(n)/nodeChunk][uint32(n)%nodeChunk] // unsigned, to become a shift and a mask
}

// link puts node n into the bucket of its tick. A tick beyond the wheel's range goes into the
// last bucket and cascades from there.
func (t *timers) link(n int32) {
	node := t.node(n)
	ahead := min(node.at-t.cur, maxTicks)
	near := t.cur + ahead
	level := 0
	for ahead >= wheelSize {
		ahead >>= wheelBits
		level++
	}
	bucket := int(near>>(level*wheelBits)) & (wheelSize - 1)
	head := t.heads[level][bucket]
	node.next, node.prev, node.list = head, -1, int16(level<<wheelBits|bucket)
	if head >= 0 {
		t.node(head).prev = n
	}
	t.heads[level][bucket] = n
	t.used[level][bucket/64] |= 1 << (bucket % 64)
}

func (t *timers) unlink(n int32) {
	node := t.node(n)
	level, bucket := int(node.list)>>wheelBits, int(node.list)&(wheelSize-1)
	if node.next >= 0 {
		t.node(node.next).prev = node.prev
	}
	if node.prev >= 0 {
		t.node(node.prev).next = node.next
		return
	}
	t.heads[level][bucket] = node.next
	if node.next < 0 {
		t.used[level][bucket/64] &^= 1 << (bucket % 64)
	}
}

// next is the time at which expire has work: a timer to fire or a bucket to
// cascade. Never if no timer is set.
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

// distance is the number of buckets from pos to the next used one, up to a full
// turn; 0 if none is used.
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

// expire fires the timers due at now.
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
				t.cascade(level, int(tick>>(level*wheelBits))&(wheelSize-1))
			}
		}
		bucket := int(tick) & (wheelSize - 1)
		for t.heads[0][bucket] >= 0 {
			s := Sock(t.node(t.heads[0][bucket]).slot)
			t.stop(s)
			fire(s)
			fired++
		}
	}
}

// cascade moves a bucket's timers to the levels below; those due now into this tick's bucket.
func (t *timers) cascade(level, bucket int) {
	for t.heads[level][bucket] >= 0 {
		n := t.heads[level][bucket]
		t.unlink(n)
		t.link(n)
	}
}
