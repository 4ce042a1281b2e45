package ring

import (
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// More requests than the queue takes in at once, and more completions than it keeps.
func TestOverflow(t *testing.T) {
	const n = 100
	r := newRing(t, 8, 16)
	for i := range uint64(n) {
		r.Queue(SQE{Op: OpNop, UserData: i + 1})
	}
	// Nothing is taken until all is submitted, or nothing more goes in.
	for range n {
		if e := r.Enter(0); e != 0 {
			t.Fatal(e)
		}
	}
	var next uint64 = 1
	var c CQE
	for r.Pending() {
		if e := r.Enter(0); e != 0 {
			t.Fatal(e)
		}
		for r.Next(&c) {
			if c.UserData != next || c.Res != 0 {
				t.Fatalf("completion %d with %d; want %d with 0", c.UserData, c.Res, next)
			}
			next++
		}
	}
	if next != n+1 {
		t.Errorf("%d of %d completed", next-1, n)
	}
	if lost := r.Lost(); lost != 0 {
		t.Errorf("lost %d", lost)
	}
}

func TestDoKeepsOthers(t *testing.T) {
	r := newRing(t, 8, 16)
	r.Queue(SQE{Op: OpNop, UserData: 1})
	if e := r.Enter(0); e != 0 {
		t.Fatal(e)
	}
	r.Queue(SQE{Op: OpNop, UserData: 2})
	// Closing an index without a file table.
	if res, err := r.Do(SQE{Op: OpClose, FileIndex: 1, UserData: 3}); err != nil || unix.Errno(-res) != unix.ENXIO {
		t.Errorf("result %d, error %v; want ENXIO", res, err)
	}
	if e := r.Enter(0); e != 0 {
		t.Fatal(e)
	}
	var got []uint64
	for c := (CQE{}); r.Next(&c); {
		if c.UserData != 0 {
			got = append(got, c.UserData)
		}
	}
	if len(got) != 2 || got[0] != 1 || got[1] != 2 {
		t.Errorf("completed %v, want 1 and 2", got)
	}
}

// An address for the kernel. p must stay reachable, and not lie on the stack.
func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }

// submit enters r once, which must not fail.
func submit(t *testing.T, r *Ring) {
	t.Helper()
	if e := r.Enter(0); e != 0 {
		t.Fatal(e)
	}
}

// completed takes what Next has, but for what is of nobody's interest.
func completed(r *Ring) (data []uint64) {
	for c := (CQE{}); r.Next(&c); {
		if c.UserData != 0 {
			data = append(data, c.UserData)
		}
	}
	return data
}

// sequence is from, from+1 ... to.
func sequence(from, to uint64) (s []uint64) {
	for i := from; i <= to; i++ {
		s = append(s, i)
	}
	return s
}

// An Enter takes what fits behind what the kernel has not taken.
func TestTakes(t *testing.T) {
	const entries = 8
	for _, test := range []struct {
		queued, taken int    // the taken ones by an Enter before
		busy          uint32 // entries that the kernel has not taken
		want          int
	}{
		{0, 0, 0, 0},
		{4, 0, 0, 4},
		{8, 0, 0, 8},
		{9, 0, 0, 8},
		{5, 0, 4, 4},
		{5, 0, 8, 0},
		{9, 6, 0, 3},
		{9, 6, 6, 2},
	} {
		for _, wraps := range []uint32{0, 5, 1<<32 - 3} {
			head, tail := wraps, wraps+test.busy
			r := &Ring{entries: make([]SQE, entries), sqHead: &head, sqTail: &tail, done: test.taken}
			for range test.queued {
				r.Queue(SQE{Op: OpNop})
			}
			if got := r.Takes(); got != test.want {
				t.Errorf("%+v: takes %d from %d on", test, got, wraps)
			}
		}
	}
}

func TestQueueFirst(t *testing.T) {
	r := newRing(t, 8, 64)
	queue := func(from, to uint64) {
		for _, i := range sequence(from, to) {
			r.Queue(SQE{Op: OpNop, UserData: i})
		}
	}
	r.QueueFirst(SQE{Op: OpNop, UserData: 100}) // before nothing
	queue(1, 20)
	submit(t, r)
	r.QueueFirst(SQE{Op: OpNop, UserData: 101}) // before 8, of a queue of which half is to come
	if q := r.Queued(); len(q) != 14 || q[0].UserData != 101 || q[1].UserData != 8 {
		t.Errorf("queued %v; want 101 before 8 to 20", q)
	}
	submit(t, r)
	r.QueueFirst(SQE{Op: OpNop, UserData: 102})
	queue(21, 30)
	for range 30 {
		submit(t, r)
	}
	want := slices.Concat([]uint64{100}, sequence(1, 7), []uint64{101}, sequence(8, 14), []uint64{102}, sequence(15, 30))
	if got := completed(r); !slices.Equal(got, want) {
		t.Errorf("completed %v; want %v", got, want)
	}
}

// Fetch brings what found no room, and leaves what is queued.
func TestFetch(t *testing.T) {
	const n, room = 40, 16
	r := newRing(t, 8, room)
	for _, i := range sequence(1, n) {
		if r.Overflowed() != (i > room+1) {
			t.Errorf("overflowed after %d: %v", i-1, r.Overflowed())
		}
		r.Queue(SQE{Op: OpNop, UserData: i})
		submit(t, r)
	}
	r.Queue(SQE{Op: OpNop, UserData: n + 1})
	var got []uint64
	for i := 0; r.Overflowed(); i++ {
		if i > n {
			t.Fatalf("still overflowed; completed %v", got)
		}
		got = append(got, completed(r)...)
		if e := r.Fetch(); e != 0 {
			t.Fatal(e)
		}
	}
	got = append(got, completed(r)...)
	if want := sequence(1, n); !slices.Equal(got, want) {
		t.Errorf("completed %v; want 1 to %d", got, n)
	}
	if q := r.Queued(); len(q) != 1 || r.Pending() != r.Unsubmitted() {
		t.Errorf("%d queued; want 1", len(q))
	}
	submit(t, r)
	if got := completed(r); !slices.Equal(got, []uint64{n + 1}) {
		t.Errorf("completed %v; want %d", got, n+1)
	}
}

// Do finds its result behind all that has completed before, in memory of the ring's or of the kernel's, and
// Next has the others in their order.
func TestDoWhileFull(t *testing.T) {
	const room = 16
	for _, n := range []uint64{room - 1, room, room + 1, 3 * room, 10 * room} {
		r := newRing(t, 8, room)
		for _, i := range sequence(1, n) {
			r.Queue(SQE{Op: OpNop, UserData: i})
			submit(t, r)
		}
		next := n
		for range 3 {
			// Closing an index without a file table.
			if res, err := r.Do(SQE{Op: OpClose, FileIndex: 1, UserData: 1 << 40}); err != nil || unix.Errno(-res) != unix.ENXIO {
				t.Errorf("behind %d: result %d, error %v; want ENXIO", n, res, err)
			}
			if !r.Pending() {
				t.Errorf("behind %d: nothing pending", n)
			}
			next++
			r.Queue(SQE{Op: OpNop, UserData: next})
			submit(t, r)
		}
		var got []uint64
		for i := uint64(0); r.Pending() && i < 2*n; i++ {
			got = append(got, completed(r)...)
			submit(t, r)
		}
		if want := sequence(1, next); !slices.Equal(got, want) {
			t.Errorf("completed %v; want 1 to %d", got, next)
		}
		if lost := r.Lost(); lost != 0 {
			t.Errorf("lost %d", lost)
		}
	}
}

// What requests point to is kept until they are submitted, and not longer.
func TestQueueWith(t *testing.T) {
	const n = 20
	r := newRing(t, 8, 64)
	kept := func() (n int) {
		for _, p := range r.points {
			if p != nil {
				n++
			}
		}
		return n + len(r.reading)
	}
	for range n {
		r.QueueWith(SQE{Op: OpNop, Flags: CQESkipSuccess}, unsafe.Pointer(new(int)))
		r.Queue(SQE{Op: OpNop, Flags: CQESkipSuccess})
	}
	r.QueueFirst(SQE{Op: OpNop, Flags: CQESkipSuccess})
	for last := n; r.Unsubmitted(); {
		if got := kept(); got > last || got < last-8 {
			t.Fatalf("%d are kept after %d", got, last)
		} else {
			last = got
		}
		if e := r.Enter(0); e != 0 {
			t.Fatal(e)
		}
	}
	if got := kept(); got != 0 {
		t.Errorf("%d are kept, and all is submitted", got)
	}
}
