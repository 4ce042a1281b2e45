package sockio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
)

// hung is when a test gives up on a loop that should have completed something: far
// beyond what a loaded machine needs.
const hung = 30 * time.Second

// rig drives a loop under test and keeps what it completes, in order.
type rig struct {
	t    testing.TB
	loop Loop
	on   func(*Completion) // called from Complete
	got  []Completion      // not yet taken by next; Data copied
	// forget: keep nothing; copies would count as allocations of the loop.
	forget bool
}

type newLoop func(Config) (Loop, error)

// newRig makes a loop that is closed with the test. The goroutine stays locked to its thread, which ends with it: the end of a
// ring is still to come to the threads that used it (see ProbeRing).
func newRig(t testing.TB, f newLoop, slots int) *rig {
	t.Helper()
	runtime.LockOSThread()
	r := &rig{t: t}
	var err error
	// The rings of earlier tests count against RLIMIT_MEMLOCK until the kernel has taken them down (io_ring_exit_work).
	for end := clock.Now() + int64(hung); ; time.Sleep(time.Millisecond) {
		r.loop, err = f(Config{Slots: slots, Handler: r})
		if !errors.Is(err, unix.ENOMEM) || clock.Now() > end {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.loop != nil {
			r.closeAll(true)
		}
	})
	return r
}

func (r *rig) closeAll(abort bool) {
	r.t.Helper()
	if err := r.loop.CloseAll(abort); err != nil {
		r.t.Error(err)
	}
	r.loop = nil
}

// Complete implements Handler.
func (r *rig) Complete(c *Completion) {
	if !r.forget {
		kept := *c
		kept.Data = bytes.Clone(c.Data)
		r.got = append(r.got, kept)
	}
	if r.on != nil {
		r.on(c)
	}
}

func (r *rig) wait(until int64) {
	r.t.Helper()
	if err := r.loop.Wait(until); err != nil {
		r.t.Fatal(err)
	}
}

// next returns the loop's next completion.
func (r *rig) next() Completion {
	r.t.Helper()
	for end := clock.Now() + int64(hung); len(r.got) == 0; {
		if clock.Now() > end {
			r.t.Fatal("nothing completed")
		}
		r.wait(end)
	}
	c := r.got[0]
	r.got = r.got[1:]
	return c
}

// want returns the next completion, which must be of op on s and come to errno.
func (r *rig) want(op Op, s Sock, errno Errno) Completion {
	r.t.Helper()
	c := r.next()
	if c.Op != op || c.Sock != s || c.Errno != errno {
		r.t.Fatalf("completed %v; want %v", words(c), words(Completion{Op: op, Sock: s, Errno: errno}))
	}
	return c
}

func words(c Completion) string {
	return fmt.Sprintf("%v of socket %d, errno %d, n %d", c.Op, c.Sock, int(c.Errno), c.N)
}

// quiet checks that nothing completes for a while: long enough for what is ready to show.
func (r *rig) quiet() {
	r.t.Helper()
	for range 3 {
		r.wait(clock.Now() + int64(5*time.Millisecond))
	}
	if len(r.got) > 0 {
		r.t.Fatalf("completed %v; want nothing", words(r.got[0]))
	}
}

// until drives loops in turns until done.
func until(t testing.TB, done func() bool, rigs ...*rig) {
	t.Helper()
	for end := clock.Now() + int64(hung); !done(); {
		if clock.Now() > end {
			t.Fatal("not done in time")
		}
		for _, r := range rigs {
			r.wait(clock.Now() + int64(100*time.Microsecond))
		}
	}
}

// dial opens a connection in s to addr, and waits for it.
func (r *rig) dial(s Sock, addr netip.AddrPort) {
	r.t.Helper()
	r.loop.Dial(s, &Dial{Remote: NewAddr(addr)})
	r.want(OpConnect, s, 0)
}

// recv reads from s until it has n bytes.
func (r *rig) recv(s Sock, n int) []byte {
	r.t.Helper()
	var all []byte
	for len(all) < n {
		r.loop.Recv(s, n-len(all))
		c := r.want(OpRecv, s, 0)
		if c.N == 0 {
			r.t.Fatalf("EOF after %d of %d bytes", len(all), n)
		}
		if c.N != len(c.Data) {
			r.t.Fatalf("N is %d, Data has %d bytes", c.N, len(c.Data))
		}
		all = append(all, c.Data...)
	}
	return all
}

func (r *rig) close(s Sock) {
	r.t.Helper()
	r.loop.Close(s, false)
	r.want(OpClose, s, 0)
}

func (r *rig) info(s Sock) (ti sockstate.TCPInfo) {
	r.t.Helper()
	if err := r.loop.Info(s, &ti); err != nil {
		r.t.Fatal(err)
	}
	return ti
}

// waitFor waits for something that the kernel does by itself, of which no event tells.
func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(hung); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

var loopbacks = map[string]netip.Addr{
	"IPv4": netip.AddrFrom4([4]byte{127, 0, 0, 1}),
	"IPv6": netip.IPv6Loopback(),
}

// peer is a listener of the standard library, to which loops dial.
type peer struct {
	t    testing.TB
	ln   *net.TCPListener
	addr netip.AddrPort
}

func newPeer(t testing.TB, ip netip.Addr) *peer {
	t.Helper()
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return &peer{t: t, ln: ln, addr: ln.Addr().(*net.TCPAddr).AddrPort()}
}

// accept takes a connection, which is reset when the test ends, so that no TIME_WAIT stays.
func (p *peer) accept() *net.TCPConn {
	p.t.Helper()
	if err := p.ln.SetDeadline(time.Now().Add(hung)); err != nil {
		p.t.Fatal(err)
	}
	c, err := p.ln.AcceptTCP()
	if err != nil {
		p.t.Fatal(err)
	}
	return kept(p.t, c)
}

func kept(t testing.TB, c *net.TCPConn) *net.TCPConn {
	t.Helper()
	t.Cleanup(func() { reset(c) })
	if err := c.SetDeadline(time.Now().Add(hung)); err != nil {
		t.Fatal(err)
	}
	return c
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails where it is closed already
	_ = c.Close()
}

// pair is a connection from slot 0 of a loop to the standard library.
func pair(t testing.TB, f newLoop) (*rig, *net.TCPConn) {
	t.Helper()
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 4)
	r.dial(0, p.addr)
	return r, p.accept()
}

func write(t testing.TB, c net.Conn, p string) {
	t.Helper()
	if _, err := io.WriteString(c, p); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, c net.Conn, n int) string {
	t.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(c, p); err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// readable waits until the kernel has what is to be read on s, EOF included, without
// the loop's doing.
func readable(t testing.TB, r *rig, s Sock, state sockstate.State) {
	t.Helper()
	waitFor(t, "the peer's FIN", func() bool { return r.info(s).State == state })
}

// listen makes a listener for loops to accept from.
func listen(t testing.TB, ip netip.Addr, cfg ListenConfig) *Listener {
	t.Helper()
	ln, err := Listen(netip.AddrPortFrom(ip, 0), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
	})
	return ln
}

func dialPeer(t testing.TB, addr netip.AddrPort) *net.TCPConn {
	t.Helper()
	d := net.Dialer{Timeout: hung}
	c, err := d.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return kept(t, c.(*net.TCPConn))
}

// unused is an address on which nobody listens, bound so that nobody will.
func unused(t testing.TB, ip netip.Addr) netip.AddrPort {
	t.Helper()
	a := NewAddr(netip.AddrPortFrom(ip, 0))
	fd, err := unix.Socket(a.family(), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if e := bind(int32(fd), a); e != 0 {
		t.Fatal(e)
	}
	at, err := localAddr(fd)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
