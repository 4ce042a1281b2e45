package sockio

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// Two thousand connections at once between two loops, several rounds of echo on each.
func testEcho(t *testing.T, f newLoop) {
	const rounds = 3
	n := 2000
	if testing.Short() {
		n = 300
	}
	for family, ip := range loopbacks {
		t.Run(family, func(t *testing.T) {
			ln := listen(t, ip, ListenConfig{Backlog: n})
			server, client := newRig(t, f, n), newRig(t, f, n)
			server.on = func(c *Completion) {
				switch {
				case c.Errno != 0:
					t.Errorf("server: completed %v", words(*c))
				case c.Op == OpAccept, c.Op == OpSend:
					server.loop.Recv(c.Sock, 64)
				case c.Op == OpRecv && c.N > 0:
					server.loop.Send(c.Sock, bytes.Clone(c.Data))
				case c.Op == OpRecv:
					server.loop.Close(c.Sock, false)
				}
				server.got = nil
			}
			left, open, most, closed := make([]int, n), 0, 0, 0
			say := func(s Sock) []byte { return fmt.Appendf(nil, "%d of %d", left[s], s) }
			client.on = func(c *Completion) {
				switch {
				case c.Errno != 0:
					t.Errorf("client: completed %v", words(*c))
				case c.Op == OpConnect:
					open++
					most = max(most, open)
				case c.Op == OpSend:
					client.loop.Recv(c.Sock, 64)
				case c.Op == OpRecv:
					if got, want := string(c.Data), string(say(c.Sock)); got != want {
						t.Errorf("read %q; want %q", got, want)
					}
					if left[c.Sock]--; left[c.Sock] > 0 {
						client.loop.Send(c.Sock, say(c.Sock))
					} else {
						client.loop.SetTimer(c.Sock, clock.Now()+1) // hold until all are open
					}
				case c.Op == OpTimeout && open < n:
					client.loop.SetTimer(c.Sock, clock.Now()+1e6)
				case c.Op == OpTimeout:
					client.loop.SetLinger(c.Sock, 0)
					client.loop.Close(c.Sock, false)
				case c.Op == OpClose:
					closed++
				}
				client.got = nil
			}
			if err := server.loop.Accept(ln.FD, 0); err != nil {
				t.Fatal(err)
			}
			// The server hears of the reset by recv.
			inner := server.on
			server.on = func(c *Completion) {
				if c.Op == OpRecv && c.Errno == unix.ECONNRESET {
					c.Errno, c.N = 0, 0
				}
				inner(c)
			}
			d := Dial{Remote: NewAddr(ln.Addr)}
			for s := range Sock(n) {
				left[s] = rounds
				d.First = say(s)
				client.loop.Dial(s, &d)
			}
			until(t, func() bool { return closed == n || t.Failed() }, client, server)
			if most != n {
				t.Errorf("%d were open at once; want %d", most, n)
			}
		})
	}
}

// Connections whose recvs, polls, cancels, sends and shutdowns fall anywhere between
// the peer's writes lose no byte, no EOF and no wake-up.
func testInterleavings(t *testing.T, f newLoop) {
	conns, bytesEach := 200, 200<<10
	if testing.Short() {
		conns, bytesEach = 40, 60<<10
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: conns})
	p := newPeer(t, loopbacks["IPv4"])
	accepting, dialing := newRig(t, f, conns/2), newRig(t, f, conns/2)
	if err := accepting.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	peers := make(chan error, conns)
	for range conns / 2 {
		go func() {
			c, err := net.Dial("tcp", ln.Addr.String())
			if err != nil {
				peers <- err
				return
			}
			peers <- chatter(c, bytesEach, rand.New(rand.NewPCG(rand.Uint64(), 2)))
		}()
		go func() {
			c, err := p.ln.Accept()
			if err != nil {
				peers <- err
				return
			}
			peers <- chatter(c, bytesEach, rand.New(rand.NewPCG(rand.Uint64(), 3)))
		}()
	}
	a := &talker{t: t, rig: accepting, rnd: rnd, each: bytesEach, conns: make([]talk, conns/2)}
	d := &talker{t: t, rig: dialing, rnd: rnd, each: bytesEach, conns: make([]talk, conns/2)}
	accepting.on, dialing.on = a.complete, d.complete
	for s := range Sock(conns / 2) {
		dialing.loop.Dial(s, &Dial{Remote: NewAddr(p.addr)})
	}
	// Long waits: a lost wake-up shows as a test that hangs, not as a late byte.
	for end := clock.Now() + 3*int64(hung); a.closed+d.closed < conns; {
		if t.Failed() || clock.Now() > end {
			t.Fatalf("%d of %d connections ended; stuck: %s %s", a.closed+d.closed, conns, a.stuck(), d.stuck())
		}
		for _, r := range []*rig{accepting, dialing} {
			r.wait(clock.Now() + int64(200*time.Microsecond))
		}
	}
	for range conns {
		if err := <-peers; err != nil {
			t.Error(err)
		}
	}
}

// pattern is what both ends send: bytes that tell their place.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
}

// chatter sends and reads n bytes of pattern in random pieces, ends its half, and waits for EOF.
func chatter(c net.Conn, n int, rnd *rand.Rand) error {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(3 * hung)); err != nil {
		return err
	}
	sent := make(chan error)
	rnd2 := rand.New(rand.NewPCG(rnd.Uint64(), 4))
	go func() {
		for p := pattern(n); len(p) > 0; {
			k := min(len(p), 1+rnd2.IntN(1<<rnd2.IntN(16)))
			if _, err := c.Write(p[:k]); err != nil {
				sent <- err
				return
			}
			p = p[k:]
			if rnd2.IntN(8) == 0 {
				time.Sleep(time.Duration(rnd2.IntN(300)) * time.Microsecond)
			}
		}
		sent <- c.(*net.TCPConn).CloseWrite()
	}()
	sum := crc32.NewIEEE()
	m, err := io.Copy(sum, c)
	if err2 := <-sent; err == nil {
		err = err2
	}
	if err == nil && (m != int64(n) || sum.Sum32() != crc32.ChecksumIEEE(pattern(n))) {
		err = fmt.Errorf("the peer read %d bytes, not the %d that were sent", m, n)
	}
	return err
}

// talker does the same with a loop.
type talker struct {
	t      *testing.T
	rig    *rig
	rnd    *rand.Rand
	each   int
	conns  []talk
	closed int
	out    []byte
}

type talk struct {
	read, sent   int
	sending      int // bytes of the send under way
	reading      Op  // OpRecv, OpPoll, or OpClose: neither
	eof, done    bool
	recv, cancel int // counts, for the report of a stuck connection
}

func (w *talker) complete(c *Completion) {
	w.rig.got = w.rig.got[:0]
	if w.out == nil {
		w.out = pattern(w.each)
	}
	if c.Sock < 0 || c.Errno != 0 {
		w.t.Errorf("completed %v", words(*c))
		return
	}
	k, s, l := &w.conns[c.Sock], c.Sock, w.rig.loop
	switch c.Op {
	case OpConnect, OpAccept:
		*k = talk{reading: OpClose}
		w.send(s, k)
		w.read(s, k)
	case OpSend:
		if c.N != k.sending {
			w.t.Errorf("sent %d of %d bytes", c.N, k.sending)
		}
		k.sent += k.sending
		k.sending = 0
		w.send(s, k)
	case OpPoll:
		k.reading = OpClose
		if w.rnd.IntN(3) == 0 {
			w.read(s, k)
			return
		}
		k.reading = OpRecv
		l.Recv(s, w.size())
	case OpRecv:
		k.recv++
		k.reading = OpClose
		if c.N == 0 {
			k.eof = true
			if k.read != w.each {
				w.t.Errorf("EOF after %d of %d bytes", k.read, w.each)
			}
			break
		}
		if k.read+c.N > w.each || !bytes.Equal(c.Data, w.out[k.read:k.read+c.N]) {
			w.t.Errorf("read something else at %d", k.read)
			return
		}
		k.read += c.N
		w.read(s, k)
	case OpTimeout:
		// Idle until now, so that edges come while nothing waits for them; or a cancel.
		if k.reading == OpPoll || k.reading == OpRecv && k.sending == 0 {
			l.Cancel(s)
			k.cancel++
			k.reading = OpClose
			if k.sending > 0 {
				// The cancelled send may have gone out in part: not to be repeated.
				w.t.Error("a send was cancelled")
			}
		}
		if k.reading == OpClose && !k.eof {
			w.read(s, k)
		}
	case OpClose:
		w.closed++
		return
	}
	if k.eof && k.sent == w.each && k.sending == 0 && !k.done {
		k.done = true
		l.StopTimer(s)
		l.Close(s, false)
	}
}

func (w *talker) size() int { return 1 + w.rnd.IntN(1<<w.rnd.IntN(17)) }

func (w *talker) send(s Sock, k *talk) {
	if k.sent == w.each {
		w.rig.loop.Shutdown(s)
		return
	}
	k.sending = min(w.size(), w.each-k.sent)
	w.rig.loop.Send(s, w.out[k.sent:k.sent+k.sending])
}

func (w *talker) read(s Sock, k *talk) {
	l := w.rig.loop
	switch w.rnd.IntN(8) {
	case 0:
		l.SetTimer(s, clock.Now()+w.rnd.Int64N(400e3)) // later
	case 1:
		k.reading = OpPoll
		l.Poll(s)
		if k.sending == 0 {
			l.SetTimer(s, clock.Now()+w.rnd.Int64N(200e3))
		}
	case 2:
		k.reading = OpRecv
		l.Recv(s, w.size())
		if k.sending == 0 {
			l.SetTimer(s, clock.Now()+w.rnd.Int64N(200e3))
		}
	default:
		k.reading = OpRecv
		l.Recv(s, w.size())
	}
}

func (w *talker) stuck() (list []string) {
	for s := range w.conns {
		if k := &w.conns[s]; !k.done && len(list) < 3 {
			list = append(list, fmt.Sprintf("%d: %+v", s, *k))
		}
	}
	return list
}
