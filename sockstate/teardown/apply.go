package teardown

import (
	"time"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// End is how a connection ended, seen by one side.
type End uint8

// The ends.
const (
	Open           End = iota // not ended
	endFIN                    // closed by FIN
	EndRSTSent                // aborted by this side
	EndRSTReceived            // aborted by the peer
	EndEarly                  // the peer closed before its turn
	EndOther                  // a system call failed: see Step.Errno
)

// Conn is the teardown state of one connection: a small value without pointers, to embed in
// a slot. In the zero value the teardown has not begun.
type Conn struct {
	phase phase
	end   End
}

// End is how the connection ended or is about to end.
func (c *Conn) End() End { return c.end }

type phase uint8

const (
	phaseNone     phase = iota
	phaseReadable       // active, unread: waiting for data to leave unread
	phaseHalf           // active, half: FIN sent, reading to EOF
	phaseAwait          // passive: reading to EOF
	phaseDelay          // passive: in CLOSE_WAIT until the timer fires
	phaseStuck          // passive: in CLOSE_WAIT indefinitely
	phaseHeld           // never: open indefinitely
	phaseClosing        // close() is under way
)

// Step is the result of a completion.
type Step struct {
	// Gone is set when the descriptor is closed and the slot is free.
	Gone bool
	// PeerEnded is set when this completion is the peer's FIN or RST, at At.
	PeerEnded bool
	At        int64
	// Held is set when this side will do nothing more by itself.
	Held bool
	// TimedOut is set when a timer other than this side's own delay has fired.
	TimedOut bool
	Errno    sockio.Errno
}

// Closer performs one side's part of a teardown:
//
//	active   fin              check > close
//	         half             check > shutdown > read to EOF > close
//	         rst, linger      check > SO_LINGER > close
//	         unread           wait until readable > check > close
//	passive  read to EOF > [delay] > close, or RST, or stay in CLOSE_WAIT
//	never    stay open, and watch the peer
//
// Just before a client closes first, it checks whether the server has ended the connection already. If so, that is
// the end that counts. After close() the client can observe nothing.
type Closer struct {
	Side     sockstate.Side
	Policy   Policy
	Reaction Reaction
}

// Begin starts this side's part after the exchange and the hold. No operation may be
// pending on s.
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
		m.checkPeer(l, s, false)
		m.close(l, s, c, endFIN, false)
	case RST:
		m.checkPeer(l, s, false)
		l.SetLinger(s, 0)
		m.close(l, s, c, EndRSTSent, false)
	case Linger:
		m.checkPeer(l, s, false)
		l.SetLinger(s, int(m.Policy.Linger/time.Second))
		m.close(l, s, c, endFIN, true)
	case Half:
		c.phase = phaseHalf
		m.checkPeer(l, s, false)
		// Fails if the peer has reset the connection; the check reports that too.
		l.Shutdown(s)
		l.Recv(s, discard)
	case Unread:
		c.phase = phaseReadable
		l.Poll(s)
	}
}

// discard is the size of the reads of a side that waits for EOF.
const discard = 64 << 10

// PeerClosed reacts to EOF, read during the exchange or after it.
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
		m.close(l, s, c, endFIN, false)
	}
	return false
}

// PeerReset closes after the peer's RST.
func (m *Closer) PeerReset(l sockio.Loop, s sockio.Sock, c *Conn) {
	m.close(l, s, c, EndRSTReceived, false)
}

// Abandon calls close() in any state.
func (m *Closer) Abandon(l sockio.Loop, s sockio.Sock, c *Conn) {
	m.close(l, s, c, EndOther, false)
}

// checkPeer checks whether the peer has ended the connection, if it matters who was first. Under both:fin it does not; a server
// sees a client's end by reading.
func (m *Closer) checkPeer(l sockio.Loop, s sockio.Sock, keep bool) {
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

// Held reports whether the connection stays as it is until Abandon.
func (c *Conn) Held() bool { return c.phase == phaseHeld || c.phase == phaseStuck }

// Complete handles a completion of a connection whose teardown has begun.
func (m *Closer) Complete(l sockio.Loop, c *Conn, done *sockio.Completion) Step {
	s := done.Sock
	switch done.Op {
	case sockio.OpClose:
		return Step{Gone: true, At: done.At, Errno: done.Errno}
	case sockio.OpTimeout:
		if c.phase != phaseDelay {
			return Step{TimedOut: c.phase != phaseClosing}
		}
		m.close(l, s, c, endFIN, false)
	case sockio.OpPoll:
		if done.Errno != 0 || done.N == 0 {
			// A FIN or RST is queued, perhaps behind data: read up to it to see which.
			l.Recv(s, discard)
			return Step{}
		}
		m.checkPeer(l, s, true)
		m.close(l, s, c, EndRSTSent, false)
	case sockio.OpPeerEnd:
		return m.peerHadEnded(c, done)
	case sockio.OpRecv:
		return m.received(l, c, done)
	}
	return Step{}
}

// peerHadEnded notes that the peer has ended the connection before this side's close.
func (m *Closer) peerHadEnded(c *Conn, done *sockio.Completion) Step {
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
			m.close(l, s, c, endFIN, false)
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
