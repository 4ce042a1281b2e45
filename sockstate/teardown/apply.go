package teardown

import (
	"time"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// End is how a connection ended, as one side saw it.
type End uint8

// The ends.
const (
	Open           End = iota // not over
	EndFIN                    // closed by FIN
	EndRSTSent                // aborted by this side
	EndRSTReceived            // aborted by the peer
	EndEarly                  // the peer closed before its turn
	EndOther                  // a system call failed: see Step.Errno
)

// Conn is the teardown of one connection: a small value without pointers, to be
// embedded in a slot. The zero value is a connection whose teardown has not begun.
type Conn struct {
	phase phase
	end   End
}

// End is how the connection ended, or is about to.
func (c *Conn) End() End { return c.end }

type phase uint8

const (
	phaseNone     phase = iota
	phaseReadable       // active, unread: waiting for data to leave unread
	phaseHalf           // active, half: FIN sent, reading to EOF
	phaseAwait          // passive: reading to EOF
	phaseDelay          // passive: in CLOSE_WAIT, until the timer
	phaseStuck          // passive: in CLOSE_WAIT for good
	phaseHeld           // never: open for good
	phaseClosing        // close() is under way
)

// Step is what a completion came to.
type Step struct {
	// Gone is set when the descriptor is closed and the slot is free.
	Gone bool
	// PeerEnded is set when this completion brought the peer's FIN or RST, at At.
	PeerEnded bool
	At        int64
	// Held is set when nothing more will happen by itself.
	Held bool
	// TimedOut is set when the timer was not this side's own delay.
	TimedOut bool
	Errno    sockio.Errno
}

// Closer performs one side's part of a teardown:
//
//	active   fin              look > close
//	         half             look > shutdown > read to EOF > close
//	         rst, linger      look > SO_LINGER > close
//	         unread           wait until readable > look > close
//	passive  read to EOF > [delay] > close, or RST, or stay in CLOSE_WAIT
//	never    stay open, and watch the peer
//
// A client that closes first looks just before, whether the server has ended the connection already: that is then
// the end, whatever the close would have been. What comes after close() nobody sees.
type Closer struct {
	Side     sockstate.Side
	Policy   Policy
	Reaction Reaction
}

// Begin starts this side's part, when the exchange and the hold are over. No operation
// may be pending on s.
func (m *Closer) Begin(l sockio.Loop, s sockio.Sock, c *Conn) {
	if !m.Policy.Active(m.Side) {
		c.phase = phaseAwait
		if m.Policy.Who == Nobody {
			c.phase = phaseHeld
		}
		l.Recv(s, discard)
		return
	}
	switch m.Policy.How {
	case FIN:
		m.look(l, s, false)
		m.close(l, s, c, EndFIN, false)
	case RST:
		m.look(l, s, false)
		l.SetLinger(s, 0)
		m.close(l, s, c, EndRSTSent, false)
	case Linger:
		m.look(l, s, false)
		l.SetLinger(s, int(m.Policy.Linger/time.Second))
		m.close(l, s, c, EndFIN, true)
	case Half:
		c.phase = phaseHalf
		m.look(l, s, false)
		// Fails where the peer has reset the connection; the look says so too.
		l.Shutdown(s)
		l.Recv(s, discard)
	case Unread:
		c.phase = phaseReadable
		l.Poll(s)
	}
}

// discard is how much a side that waits for EOF reads at once.
const discard = 64 << 10

// PeerClosed makes a side that has read EOF, in its exchange or waiting for it, react.
func (m *Closer) PeerClosed(l sockio.Loop, s sockio.Sock, c *Conn) (held bool) {
	switch m.Reaction.Kind {
	case ReactDelay:
		c.phase = phaseDelay
		l.SetTimer(s, l.Now()+int64(m.Reaction.Delay))
	case ReactNever:
		c.phase = phaseStuck
		return true
	case ReactRST:
		l.SetLinger(s, 0)
		m.close(l, s, c, EndRSTSent, false)
	case ReactClose:
		m.close(l, s, c, EndFIN, false)
	}
	return false
}

// PeerReset closes after the peer's RST.
func (m *Closer) PeerReset(l sockio.Loop, s sockio.Sock, c *Conn) {
	m.close(l, s, c, EndRSTReceived, false)
}

// Abandon closes with close(), whatever state the connection is in.
func (m *Closer) Abandon(l sockio.Loop, s sockio.Sock, c *Conn) {
	m.close(l, s, c, EndOther, false)
}

// look looks, where it matters who was first. Under both:fin it does not; a server learns of its clients by reading.
func (m *Closer) look(l sockio.Loop, s sockio.Sock, keep bool) {
	if m.Side == sockstate.Client && m.Policy.Who == ClientFirst {
		l.PeerEnd(s, keep)
	}
}

func (m *Closer) close(l sockio.Loop, s sockio.Sock, c *Conn, end End, lingers bool) {
	c.phase = phaseClosing
	if c.end == Open {
		c.end = end
	}
	l.StopTimer(s)
	l.Close(s, lingers)
}

// Held reports whether the connection stays as it is until somebody abandons it.
func (c *Conn) Held() bool { return c.phase == phaseHeld || c.phase == phaseStuck }

// Complete takes a completion of a connection whose teardown has begun.
func (m *Closer) Complete(l sockio.Loop, c *Conn, done *sockio.Completion) Step {
	s := done.Sock
	switch done.Op {
	case sockio.OpClose:
		return Step{Gone: true, At: done.At, Errno: done.Errno}
	case sockio.OpTimeout:
		if c.phase != phaseDelay {
			return Step{TimedOut: c.phase != phaseClosing}
		}
		m.close(l, s, c, EndFIN, false)
	case sockio.OpPoll:
		if done.Errno != 0 || done.N == 0 {
			// The peer has ended, by FIN or RST, maybe behind data: reading to it tells which.
			l.Recv(s, discard)
			return Step{}
		}
		m.look(l, s, true)
		m.close(l, s, c, EndRSTSent, false)
	case sockio.OpPeerEnd:
		return m.looked(c, done)
	case sockio.OpRecv:
		return m.received(l, c, done)
	}
	return Step{}
}

// looked takes what the peer did before this side's close.
func (m *Closer) looked(c *Conn, done *sockio.Completion) Step {
	switch {
	case done.Errno == 0:
		c.end = EndEarly
	case sockio.IsReset(done.Errno):
		c.end = EndRSTReceived
	default:
		c.end = EndOther
		return Step{Errno: done.Errno}
	}
	return Step{}
}

func (m *Closer) received(l sockio.Loop, c *Conn, done *sockio.Completion) Step {
	s := done.Sock
	switch {
	case c.phase == phaseClosing:
	case sockio.IsReset(done.Errno):
		m.PeerReset(l, s, c)
		return Step{PeerEnded: true, At: done.At}
	case done.Errno != 0:
		m.Abandon(l, s, c)
		return Step{Errno: done.Errno}
	case done.N == 0:
		step := Step{PeerEnded: true, At: done.At}
		switch c.phase {
		case phaseHalf:
			m.close(l, s, c, EndFIN, false)
		case phaseReadable, phaseHeld:
			m.close(l, s, c, EndEarly, false)
		default:
			step.Held = m.PeerClosed(l, s, c)
		}
		return step
	default:
		l.Recv(s, discard)
	}
	return Step{}
}
