package handshake

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"lastack/bench/ladder"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// end is the program at one end of the connection. It opens it, exchanges, and closes as the policy says.
type end struct {
	side   sockstate.Side
	setup  *Setup
	loop   sockio.Loop
	closer teardown.Closer
	// say notes a system call that explains what follows.
	say func(sockstate.Side, ladder.Call)

	sock     sockio.Sock
	phase    phase
	teardown teardown.Conn
	// timed is set while a timer of the program runs.
	timed bool
	// heard counts completions.
	heard int
	// opened is set if the connection has been established.
	opened bool
	err    error

	dial      sockio.Dial
	requester *exchange.Client
	request   exchange.ClientConn
	statuses  sockstate.Statuses

	responder *exchange.Server
	reply     exchange.ServerConn
}

type phase uint8

const (
	idle phase = iota
	dialing
	sending
	receiving
	holding
	late
	closing
	stuck
	gone
)

const recvSize = 64 << 10

// newEnd makes an end with a loop of its own.
func newEnd(side sockstate.Side, s *Setup, say func(sockstate.Side, ladder.Call)) (*end, error) {
	e := &end{
		side: side, setup: s, say: say,
		closer:    teardown.Closer{Side: side, Policy: s.Close, Reaction: s.OnEOF},
		requester: exchange.NewClient(exchange.ClientConfig{Spec: s.Exchange, Host: "web.example", PeerCloses: s.Close.Who == teardown.ServerFirst}),
		responder: exchange.NewServer(s.Exchange),
	}
	var err error
	e.loop, err = sockio.NewEpoll(sockio.Config{Slots: 2, Handler: e})
	return e, err
}

// connect opens the connection from a port.
func (e *end) connect(local, remote netip.AddrPort, opts ...sockio.Opt) {
	e.phase, e.err, e.teardown = dialing, nil, teardown.Conn{}
	e.dial = sockio.Dial{Local: sockio.NewAddr(local), Remote: sockio.NewAddr(remote), Opts: opts}
	e.loop.Dial(e.sock, &e.dial)
}

// run lets the program do what it can, and reports whether it did anything.
func (e *end) run() (bool, error) {
	any := false
	for range 100 {
		before := e.heard
		if err := e.loop.Wait(0); err != nil {
			return any, err
		}
		if e.heard == before {
			return any, nil
		}
		any = true
	}
	return any, nil
}

// over reports whether the program does nothing more.
func (e *end) over() bool { return e.phase == gone || e.phase == stuck }

// Complete implements sockio.Handler.
func (e *end) Complete(c *sockio.Completion) {
	e.heard++
	if c.Op == sockio.OpTimeout {
		e.timed = false
	}
	switch {
	case c.Op == sockio.OpAccept:
		e.accepted(c)
		return
	case c.Sock < 0:
		return
	}
	switch e.phase {
	case dialing:
		e.dialed(c)
	case sending:
		e.sent(c)
	case receiving:
		e.received(c)
	case holding:
		if c.Op == sockio.OpTimeout {
			e.begin()
		}
	case late:
		if c.Op == sockio.OpSend {
			e.react(c)
		}
	case closing, stuck:
		e.closing(c)
	case idle, gone:
	}
}

func (e *end) accepted(c *sockio.Completion) {
	switch {
	case c.Errno != 0:
		e.fail(c)
		return
	case e.phase != idle && e.phase != gone:
		return // the second connection of a drill, which only opens
	case e.phase == gone:
		e.sock = c.Sock
		e.phase = stuck
		return
	}
	e.sock = c.Sock
	switch {
	case e.setup.Exchange.Kind == exchange.None, e.setup.Close.Active(e.side) && e.setup.Close.How.LeavesUnread():
		e.exchanged()
	default:
		e.responder.Expect(&e.reply)
		e.receive()
	}
}

func (e *end) dialed(c *sockio.Completion) {
	switch {
	case c.Errno != 0:
		e.fail(c)
	case c.Op != sockio.OpConnect:
	case e.setup.Exchange.Kind == exchange.None:
		e.opened = true
		e.exchanged()
	default:
		e.opened = true
		e.phase = sending
		e.loop.Send(e.sock, e.requester.Start(&e.request, true))
	}
}

func (e *end) receive() {
	e.phase = receiving
	e.loop.Recv(e.sock, recvSize)
}

func (e *end) sent(c *sockio.Completion) {
	switch {
	case c.Op != sockio.OpSend:
	case c.Errno != 0:
		e.broken(c)
	case e.side == sockstate.Server:
		if e.responder.Sent(e.loop, e.sock, &e.reply) {
			e.exchanged()
		}
	case !e.requester.Sent(e.loop, e.sock, &e.request):
	case e.setup.Close.Active(e.side) && e.setup.Close.How.LeavesUnread():
		e.exchanged()
	default:
		e.receive()
	}
}

func (e *end) received(c *sockio.Completion) {
	switch {
	case c.Op != sockio.OpRecv:
		return
	case c.Errno != 0:
		e.broken(c)
		return
	case c.N == 0:
		e.phase = closing
		e.closing(c)
		return
	}
	var whole bool
	var err error
	if e.side == sockstate.Server {
		_, whole, err = e.responder.Received(&e.reply, c.Data)
		if whole && err == nil {
			e.phase = sending
			e.responder.Reply(e.loop, e.sock, &e.reply, true)
			return
		}
	} else {
		whole, err = e.requester.Received(&e.request, c.Data, &e.statuses)
		if whole || err != nil {
			if !errors.Is(err, exchange.ErrStatus) {
				e.note(err)
			}
			e.exchanged()
			return
		}
	}
	if err != nil {
		e.note(err)
		e.exchanged()
		return
	}
	e.receive()
}

// exchanged goes on to the hold and the close.
func (e *end) exchanged() {
	if e.setup.Close.Active(e.side) && e.setup.Hold > 0 {
		e.phase, e.timed = holding, true
		e.loop.SetTimer(e.sock, e.loop.Now()+int64(e.setup.Hold))
		return
	}
	e.begin()
}

// begin begins this side's part of the close.
func (e *end) begin() {
	e.phase = closing
	if e.setup.Close.Active(e.side) {
		e.say(e.side, map[teardown.How]ladder.Call{
			teardown.FIN: ladder.CallClose, teardown.Half: ladder.CallShutdown, teardown.Linger: ladder.CallLinger,
			teardown.RST: ladder.CallReset, teardown.Unread: ladder.CallUnread,
		}[e.setup.Close.How])
	}
	if e.closer.Begin(e.loop, e.sock, &e.teardown); e.teardown.Held() {
		e.phase = stuck
	}
}

func (e *end) closing(c *sockio.Completion) {
	passive := !e.setup.Close.Active(e.side) && e.setup.Close.Who != teardown.Nobody
	switch {
	case passive && c.Op == sockio.OpRecv && c.Errno == 0 && c.N == 0:
		if e.setup.LateReply > 0 {
			e.phase = late
			e.loop.Send(e.sock, make([]byte, e.setup.LateReply))
			return
		}
		e.react(c)
		return
	case passive && c.Op == sockio.OpTimeout:
		e.say(e.side, ladder.CallClose)
	}
	if e.closer.Complete(e.loop, &e.teardown, c).Gone {
		e.phase = gone
	}
}

// react reacts to the peer's FIN.
func (e *end) react(*sockio.Completion) {
	e.phase = closing
	switch e.setup.OnEOF.Kind {
	case teardown.ReactClose:
		e.say(e.side, ladder.CallClose)
	case teardown.ReactRST:
		e.say(e.side, ladder.CallReset)
	case teardown.ReactDelay:
		e.timed = true
	}
	if e.closer.PeerClosed(e.loop, e.sock, &e.teardown) {
		e.phase = stuck
	}
}

// broken goes on after an error of the connection.
func (e *end) broken(c *sockio.Completion) {
	if !sockio.IsReset(c.Errno) {
		e.note(c.Errno)
	}
	e.phase = closing
	e.closer.PeerReset(e.loop, e.sock, &e.teardown)
}

// fail ends a connection that could not be opened.
func (e *end) fail(c *sockio.Completion) {
	e.note(fmt.Errorf("%v: %w", c.Op, c.Errno))
	if c.Op == sockio.OpSocket || e.side == sockstate.Server {
		e.phase = gone
		return
	}
	e.phase = closing
	e.closer.Abandon(e.loop, e.sock, &e.teardown)
}

func (e *end) note(err error) {
	if e.err == nil {
		e.err = err
	}
}

// nextTimer is how long the loops may rest: timers are theirs.
const nextTimer = time.Millisecond
