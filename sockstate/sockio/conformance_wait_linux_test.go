package sockio

import (
	"math"
	"slices"
	"testing"
	"time"

	"lastack/sockstate/clock"
)

func testWait(t *testing.T, f newLoop) {
	t.Run("until the past", func(t *testing.T) {
		r, peer := pair(t, f)
		for _, until := range []int64{math.MinInt64, -1, 0, clock.Now() - 1, clock.Now()} {
			r.wait(until)
		}
		if len(r.got) > 0 {
			t.Fatalf("completed %v", words(r.got[0]))
		}
		// It looks all the same.
		write(t, peer, "x")
		r.loop.Recv(0, 1)
		waitFor(t, "recv, by waits that do not sleep", func() bool { r.wait(0); return len(r.got) > 0 })
		r.want(OpRecv, 0, 0)
	})
	t.Run("until a time", func(t *testing.T) {
		r := newRig(t, f, 1)
		for range 20 {
			end := clock.Now() + int64(2*time.Millisecond)
			r.wait(end)
			if now := clock.Now(); now < end {
				t.Errorf("returned %d ns early", end-now)
			}
		}
	})
	t.Run("wake", func(t *testing.T) { testWake(t, f) })
	t.Run("much is queued", func(t *testing.T) { testManyQueued(t, f) })
	t.Run("timers", func(t *testing.T) { testTimers(t, f) })
	t.Run("nothing outside", func(t *testing.T) {
		p := newPeer(t, loopbacks["IPv4"])
		r := newRig(t, f, 1)
		r.loop.Dial(0, &Dial{Remote: NewAddr(p.addr)})
		r.loop.SetTimer(0, clock.Now())
		if len(r.got) > 0 {
			t.Errorf("completed %v before Wait", words(r.got[0]))
		}
		until(t, func() bool { return len(r.got) == 2 }, r)
	})
}

func testWake(t *testing.T, f newLoop) {
	const slots = 6
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, slots)
	r.dial(slots-1, p.addr) // a loop that has several rings has made them
	for range 100 {
		go r.loop.Wake()
		r.wait(Never)
		r.want(OpWake, -1, 0)
	}
	// Several may be heard as one, but the last is heard.
	const n = 8
	done := make(chan struct{})
	l := r.loop
	for range n {
		go func() {
			for range 100 {
				l.Wake()
			}
			done <- struct{}{}
		}()
	}
	heard, ended := 0, 0
	until(t, func() bool {
		select {
		case <-done:
			ended++
		default:
		}
		return ended == n
	}, r)
	l.Wake()
	until(t, func() bool {
		heard = 0
		for _, c := range r.got {
			if c.Op != OpWake || c.Sock != -1 {
				t.Fatalf("completed %v", words(c))
			}
			heard++
		}
		return heard > 0
	}, r)
	r.wait(clock.Now() + 5e6)
	r.got = nil
	r.quiet()
	if heard > n*100+1 {
		t.Errorf("heard %d of %d wakes", heard, n*100+1)
	}
}

// Operations that do not complete at once do not keep others from being performed,
// however many are queued.
func testManyQueued(t *testing.T, f newLoop) {
	const n, last = 1300, 1299
	p := newPeer(t, loopbacks["IPv4"])
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: n})
	r := newRig(t, f, n)
	r.dial(last, p.addr)
	write(t, p.accept(), "x")
	for s := range Sock(last) {
		r.loop.Dial(s, &Dial{Remote: NewAddr(ln.Addr)})
	}
	connected := 0
	r.on = func(c *Completion) {
		if c.Op == OpConnect && c.Errno == 0 {
			connected++
		}
	}
	until(t, func() bool { return connected == last }, r)
	r.on, r.got = nil, nil
	// All but the last wait for ever. A Wait may return early, but not work on nothing.
	for _, op := range []Op{OpRecv, OpSend} {
		for s := range Sock(last) {
			r.loop.Recv(s, 1)
		}
		if op == OpRecv {
			r.loop.Recv(last, 1)
		} else {
			r.loop.Send(last, []byte("x"))
		}
		for end := clock.Now() + int64(hung); len(r.got) == 0; {
			r.wait(end)
			if clock.Now() >= end {
				t.Fatalf("a %v behind recvs that wait was not performed", op)
			}
		}
		r.want(op, last, 0)
		for s := range Sock(last) {
			r.loop.Cancel(s)
		}
	}
	drained := make(chan struct{})
	go func() { drain(t, ln); close(drained) }()
	<-drained
}

func testTimers(t *testing.T, f newLoop) {
	t.Run("order", func(t *testing.T) {
		r := newRig(t, f, 5)
		now := clock.Now()
		after := []time.Duration{9 * time.Millisecond, 0, 5 * time.Millisecond, -time.Hour, 7 * time.Millisecond}
		for s, d := range after {
			r.loop.SetTimer(Sock(s), now+int64(d))
		}
		var order []Sock
		for range after {
			c := r.next()
			if c.Op != OpTimeout || c.Errno != 0 {
				t.Fatalf("completed %v", words(c))
			}
			if early := now + int64(after[c.Sock]) - c.At; early > 0 {
				t.Errorf("timer %d is %d ns early", c.Sock, early)
			}
			order = append(order, c.Sock)
		}
		slices.Sort(order[:2]) // both were due
		if want := []Sock{1, 3, 2, 4, 0}; !slices.Equal(order, want) {
			t.Errorf("fired %v; want %v", order, want)
		}
		r.quiet()
	})
	t.Run("set again and stopped", func(t *testing.T) {
		r := newRig(t, f, 2)
		end := clock.Now() + 5e6
		r.loop.SetTimer(0, clock.Now()+1e6)
		r.loop.SetTimer(0, end)
		r.loop.SetTimer(1, clock.Now()+1e6)
		r.loop.StopTimer(1)
		r.loop.StopTimer(1)
		if c := r.want(OpTimeout, 0, 0); c.At < end {
			t.Errorf("%d ns early", end-c.At)
		}
		r.quiet()
	})
	t.Run("far", func(t *testing.T) {
		r := newRig(t, f, 2)
		r.loop.SetTimer(0, Never)
		r.loop.SetTimer(1, clock.Now()+int64(1000*time.Hour))
		r.quiet()
	})
	t.Run("from the handler", func(t *testing.T) {
		r := newRig(t, f, 3)
		fired := 0
		r.on = func(c *Completion) {
			switch {
			case c.Sock == 0 && fired < 5:
				fired++
				r.loop.SetTimer(0, c.At) // due: comes again, but lets the loop live
				r.loop.SetTimer(1, c.At+1e6)
			case c.Sock == 1:
				r.loop.StopTimer(2)
			}
		}
		now := clock.Now()
		r.loop.SetTimer(0, now)
		r.loop.SetTimer(2, now+3600e9)
		for range 6 {
			r.want(OpTimeout, 0, 0)
		}
		r.want(OpTimeout, 1, 0)
		r.quiet()
	})
	t.Run("one stops another that is due", func(t *testing.T) {
		r := newRig(t, f, 2)
		r.on = func(c *Completion) { r.loop.StopTimer(1 - c.Sock) }
		at := clock.Now()
		r.loop.SetTimer(0, at)
		r.loop.SetTimer(1, at)
		if c := r.next(); c.Op != OpTimeout {
			t.Errorf("completed %v", words(c))
		}
		r.quiet()
	})
	t.Run("outlives a close", func(t *testing.T) {
		p := newPeer(t, loopbacks["IPv4"])
		r := newRig(t, f, 1)
		r.dial(0, p.addr)
		reset(p.accept())
		r.loop.SetTimer(0, clock.Now()+5e6)
		r.close(0)
		r.want(OpTimeout, 0, 0)
	})
	t.Run("while sockets are busy", func(t *testing.T) {
		r, peer := pair(t, f)
		r.on = func(c *Completion) {
			switch c.Op {
			case OpRecv:
				r.loop.Recv(0, 1)
			case OpTimeout:
				r.loop.Cancel(0)
			}
		}
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for {
				if _, err := peer.Write([]byte("xxxxxxxx")); err != nil {
					return
				}
			}
		}()
		r.loop.Recv(0, 1)
		r.want(OpRecv, 0, 0)
		at := clock.Now() + 20e6
		r.loop.SetTimer(0, at)
		c := r.next()
		for c.Op == OpRecv && c.Errno == 0 {
			c = r.next()
		}
		if c.Op != OpTimeout || c.At < at {
			t.Errorf("completed %v at %d; want timeout, from %d on", words(c), c.At, at)
		}
		r.on = nil
		r.loop.SetLinger(0, 0)
		r.loop.Close(0, false)
		for r.next().Op != OpClose {
		}
		<-stop
	})
}
