package capture

import (
	"testing"

	"golang.org/x/sys/unix"
)

// kernelFills writes the next n frames as tpacket_rcv does.
func kernelFills(r *ring, next *int, n int) {
	for range n {
		k := ring{mem: r.mem, next: *next % frames}
		h := header(k.frame())
		h.Net, h.Snaplen, h.Sec, h.Nsec = 80, 54, 1, uint32(*next)
		h.Status = unix.TP_STATUS_USER | unix.TP_STATUS_TS_SOFTWARE
		*next++
	}
}

func TestRing(t *testing.T) {
	r := &ring{mem: make([]byte, blocks*blockSize)}
	if r.ready() {
		t.Fatal("an empty ring is ready")
	}
	filled, taken := 0, 0
	for _, n := range []int{1, perBlock, 0, frames, frames - 1, 17, frames} { // several times around
		kernelFills(r, &filled, n)
		got := r.take(func(c captured) {
			if want := int64(1e9 + taken); c.wall != want || len(c.headers) != 54 {
				t.Fatalf("packet %d: %d bytes of time %d, want 54 of %d", taken, len(c.headers), c.wall, want)
			}
			taken++
		})
		if got != n || r.ready() {
			t.Errorf("took %d of %d, ready %v", got, n, r.ready())
		}
	}
	if taken != filled {
		t.Errorf("took %d of %d", taken, filled)
	}

	// Lengths beyond the frame are cut to it.
	kernelFills(r, &filled, 2)
	first := header(r.frame())
	first.Snaplen = 1 << 31
	second := header((&ring{mem: r.mem, next: r.next + 1}).frame())
	second.Net = 1<<16 - 1
	var lengths []int
	r.take(func(c captured) { lengths = append(lengths, len(c.headers)) })
	if len(lengths) != 2 || lengths[0] != frameSize-80 || lengths[1] != 0 {
		t.Errorf("lengths %v, want %d and 0", lengths, frameSize-80)
	}
}
