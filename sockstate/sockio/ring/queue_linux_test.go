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

// A submission ends a chain, so none is submitted in parts.
func TestTakesWholeChains(t *testing.T) {
	const entries = 8
	tests := []struct {
		name  string
		queue string // a request each; those with - are linked to the next
		taken int    // of the queue, by an Enter before
		busy  uint32 // entries that the kernel has not taken
		want  int
	}{
		{"nothing", "", 0, 0, 0},
		{"no chain", "....", 0, 0, 4},
		{"no chain, more than fit", ".........", 0, 0, 8},
		{"a chain", "--.", 0, 0, 3},
		{"ends with the room", ".....--.", 0, 0, 8},
		{"ends with the room, more behind", ".....--.--.", 0, 0, 8},
		{"cut in its middle", "......--.", 0, 0, 6},
		{"cut behind its first", ".......--.", 0, 0, 7},
		{"cut before its last", ".....---.", 0, 0, 5},
		{"the second of two", "---.-----.", 0, 0, 4},
		{"begins where the room ends", "........--.", 0, 0, 8},
		{"as long as the room", "-------.", 0, 0, 8},
		{"longer than the room", "--------.", 0, 0, 0},
		{"its end is not queued yet", "..--", 0, 0, 2},
		{"less room", "..--.", 0, 4, 2},
		{"no room", "..--.", 0, 8, 0},
		{"some were taken", "......--.", 6, 0, 3},
		{"some were taken, less room", "......--.", 6, 6, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, wraps := range []uint32{0, 5, 1<<32 - 3} {
				head, tail := wraps, wraps+test.busy
				r := &Ring{entries: make([]SQE, entries), sqHead: &head, sqTail: &tail, done: test.taken}
				for _, mark := range test.queue {
					e := SQE{Op: OpNop}
					if mark == '-' {
						e.Flags = Link
					}
					r.Queue(e)
				}
				if got := r.Takes(); got != test.want {
					t.Errorf("takes %d from %d on; want %d", got, wraps, test.want)
				}
			}
		})
	}
}

// A chain that fails is cancelled to its end, though there is more to submit than fits: none of it is
// left to a submission of its own.
func TestChainsStayWhole(t *testing.T) {
	r := newRing(t, 8, 64)
	const chains = 9
	for i := range uint64(chains) {
		// A close of an index without a file table fails (ENXIO), and takes the rest along.
		r.Queue(SQE{Op: OpClose, FileIndex: 1, Flags: Link, UserData: 10*i + 1})
		r.Queue(SQE{Op: OpNop, Flags: Link, UserData: 10*i + 2})
		r.Queue(SQE{Op: OpNop, UserData: 10*i + 3})
	}
	res := make(map[uint64]unix.Errno)
	for range 3 * chains {
		submit(t, r)
		for c := (CQE{}); r.Next(&c); {
			res[c.UserData] = unix.Errno(-c.Res)
		}
	}
	for i := range uint64(chains) {
		for k, want := range []unix.Errno{unix.ENXIO, unix.ECANCELED, unix.ECANCELED} {
			if got, ok := res[10*i+uint64(k)+1]; !ok || got != want {
				t.Errorf("chain %d, request %d: %v, completed %v; want %v", i, k+1, got, ok, want)
			}
		}
	}
	if r.Unsubmitted() {
		t.Error("not all was submitted")
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
