package sockio

import (
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// What is asked for beside a dial waits for the connection.
func testDialBeside(t *testing.T, f newLoop) {
	for _, op := range []Op{OpRecv, OpPoll} {
		for name, opts := range map[string][]Opt{"": nil, ", with an option": {NewBindNoPort()}} {
			t.Run(op.String()+name, func(t *testing.T) {
				p := newPeer(t, loopbacks["IPv4"])
				r := newRig(t, f, 1)
				r.loop.Dial(0, &Dial{Remote: NewAddr(p.addr), Opts: opts})
				if op == OpRecv {
					r.loop.Recv(0, 4)
				} else {
					r.loop.Poll(0)
				}
				r.want(OpConnect, 0, 0)
				write(t, p.accept(), "x")
				if c := r.want(op, 0, 0); c.N != 1 {
					t.Errorf("N is %d", c.N)
				}
			})
		}
	}
}

// What was to be sent first on a connection that did not come about does not leave on the slot's next one.
func testDialFirstDropped(t *testing.T, f newLoop) {
	ip := loopbacks["IPv4"]
	tests := []struct {
		name  string
		how   func(*Dial)
		op    Op
		errno Errno
	}{
		{"closed before it began", nil, OpClose, unix.ECANCELED},
		{"option", func(d *Dial) { d.Opts = []Opt{newOpt(unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1<<20)} }, OpSetsockopt, unix.EINVAL},
		{"bind", func(d *Dial) { d.Local = NewAddr(foreign(ip)) }, OpBind, unix.EADDRNOTAVAIL},
		{"refused", func(d *Dial) { d.Remote = NewAddr(unused(t, ip)) }, OpConnect, unix.ECONNREFUSED},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, ip)
			r := newRig(t, f, 1)
			d := Dial{Remote: NewAddr(p.addr), First: []byte("first")}
			if test.how != nil {
				test.how(&d)
			}
			r.loop.Dial(0, &d)
			if test.op == OpClose {
				r.loop.Close(0, false)
				r.want(OpClose, 0, test.errno)
			} else {
				r.want(test.op, 0, test.errno)
				r.close(0)
			}
			r.dial(0, p.addr)
			r.loop.Send(0, []byte("x"))
			if c := r.want(OpSend, 0, 0); c.N != 1 {
				t.Errorf("sent %d bytes; want 1", c.N)
			}
			r.loop.Shutdown(0)
			r.wait(clock.Now())
			if got, err := io.ReadAll(p.accept()); err != nil || string(got) != "x" {
				t.Errorf("the peer read %q, error %v; want x", got, err)
			}
		})
	}
}

// A shutdown by the handler of the connection does not overtake what is sent first.
func testDialHandlerShutsDown(t *testing.T, f newLoop) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 1)
	r.on = func(c *Completion) {
		if c.Op == OpConnect {
			r.loop.Shutdown(0)
		}
	}
	for range 10 {
		r.loop.Dial(0, &Dial{Remote: NewAddr(p.addr), First: []byte("first")})
		r.want(OpConnect, 0, 0)
		r.want(OpSend, 0, 0)
		r.wait(clock.Now())
		peer := p.accept()
		if got, err := io.ReadAll(peer); err != nil || string(got) != "first" {
			t.Errorf("the peer read %q, error %v; want what was sent first, and EOF", got, err)
		}
		reset(peer)
		r.close(0)
	}
}
