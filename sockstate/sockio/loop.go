package sockio

import (
	"net/netip"

	"lastack/sockstate"
)

// Sock names a socket of one loop by slot, from 0 to Config.Slots-1. The caller
// chooses the slot of a socket that it opens, so that a chain can name a socket
// that does not exist yet; the loop chooses the slot of a connection that it
// accepts. A loop does one or the other. A slot is free again when its OpClose has
// completed, or its OpSocket has failed.
type Sock int32

// Op tells what completed.
type Op uint8

// The operations. OpPoll waits for a socket to become readable without reading; OpPeerEnd does not wait, and
// reads nothing that anybody wants.
const (
	OpSocket Op = iota
	OpSetsockopt
	OpBind
	OpConnect
	OpAccept
	OpSend
	OpRecv
	OpPoll
	OpPeerEnd
	OpShutdown
	OpClose
	OpTimeout
	OpWake
)

var opNames = [...]string{
	"socket", "setsockopt", "bind", "connect", "accept", "send", "recv", "poll", "peer end",
	"shutdown", "close", "timeout", "wake",
}

func (o Op) String() string { return opNames[o] }

// Dial says how to open a connection. It is copied when it is queued; what it
// points to must stay unchanged until the dial has completed.
type Dial struct {
	Remote *Addr
	// Local is bound to first; nil leaves source and port to connect.
	Local *Addr
	// Opts are set before the bind.
	Opts []Opt
	// First is sent as soon as the connection is there.
	First []byte
}

// Completion is the result of one operation.
type Completion struct {
	Op   Op
	Sock Sock
	// Errno is 0 when the operation succeeded.
	Errno Errno
	// N is the number of bytes moved by send or recv (0 from recv: EOF); the listener's
	// index for accept; for poll 1 if there is nothing but data to read, 0 if EOF or an error is
	// behind it; for a failed connect 1 if the kernel had taken it up (tcp_connect: a SYN
	// was sent, ActiveOpens counted), 0 if it refused at once.
	N int
	// At is when the operation was known to be complete, on the clock of Loop.Now.
	At int64
	// Began is when connect was called; for OpConnect only.
	Began int64
	// Data is what recv read, valid until Complete returns.
	Data []byte
}

// Handler receives completions. Complete is called from Wait, on its goroutine;
// c is valid until it returns.
type Handler interface {
	Complete(c *Completion)
}

// Loop is one worker's view of its sockets. It is not safe for concurrent use,
// except Wake.
//
// Every operation completes once, but for these: Shutdown and SetLinger complete only when they fail, PeerEnd only
// when it finds the peer's end;
// Cancel and Close drop the pending operations of their socket silently, those still queued
// too, but for PeerEnd, Shutdown and SetLinger; OpClose is the last completion that its slot sees.
// At most one recv or poll, and one dial or send, may be pending on a socket at once.
type Loop interface {
	// Name is the backend, as --engine spells it.
	Name() string
	// Now is the time in nanoseconds since an arbitrary start, monotonic and the
	// same for all loops of the process.
	Now() int64

	// Dial opens a socket in slot s and connects it, as one chain: socket, setsockopt, bind,
	// connect and, if there is something to send first, send. It completes as OpConnect
	// and then, with First, as OpSend; where a step before fails, as that step alone,
	// and where connect fails, as OpConnect alone. After a failed OpSocket the slot is
	// free; after another failure the socket is still to be closed.
	Dial(s Sock, d *Dial)
	// ConnectSent is when the connect of a dial that has not completed had been called, and had come back: a SYN was sent
	// by then. It is 0 while the dial is queued, and connect itself may take long to find a port.
	ConnectSent(s Sock) int64
	// Send sends all of p, which must stay unchanged until it has completed.
	Send(s Sock, p []byte)
	// Recv reads at most n bytes, n being at least 1, and at most Config.Buffer.
	Recv(s Sock, n int)
	// Poll completes when s is readable: data, EOF or an error to read.
	Poll(s Sock)
	// PeerEnd asks whether the peer has ended the connection already: without an error by FIN, with ECONNRESET by
	// RST. A Close queued behind it comes after it. close() alone does not tell, and what arrives later nobody hears
	// of. Data that nobody has read is discarded, for close() would send an RST for it; unless keep
	// is set, which is for a socket that has some and is to be closed with it.
	PeerEnd(s Sock, keep bool)
	// Shutdown shuts down the sending half (SHUT_WR).
	Shutdown(s Sock)
	// SetLinger sets SO_LINGER {1, seconds}.
	SetLinger(s Sock, seconds int)
	// Close closes s. lingers says that SO_LINGER with a positive time was set: such a
	// close blocks while data is unacknowledged, non-blocking sockets included, so it is
	// performed apart. It completes with ECANCELED where the dial had not begun: there is no
	// socket then, and no SYN was sent.
	Close(s Sock, lingers bool)
	// Cancel drops the pending operations of s without a completion.
	Cancel(s Sock)

	// Accept starts accepting from a listening descriptor, which may be shared by several
	// loops and stays its owner's. Each connection completes as OpAccept with its slot and,
	// in N, index. A failure (EMFILE and the like) completes with Sock -1, and is retried
	// a little later; the connection waits in the kernel's queue.
	Accept(listener, index int) error
	// StopAccept stops accepting from all listeners. They are to be closed after it. What the kernel had
	// accepted by then may still complete.
	StopAccept()

	// SetTimer makes OpTimeout complete for s at the time at, in place of the timer
	// that s had; never early, late by up to a tick of 16 us and the way to the next Wait.
	// A timer belongs to the slot, not to the socket: it outlives a close.
	SetTimer(s Sock, at int64)
	StopTimer(s Sock)

	// Info reads TCP_INFO.
	Info(s Sock, into *sockstate.TCPInfo) error
	// LocalAddr reads the address that s is bound to.
	LocalAddr(s Sock) (netip.AddrPort, error)

	// Wait performs what is queued and completes what is ready; if there was nothing, it
	// sleeps until there is, a timer fires, Wake is called, or the time until has come.
	Wait(until int64) error
	// Wake makes a Wait of another goroutine return; the handler sees an OpWake
	// with Sock -1 for one or more calls. After CloseAll it does nothing.
	Wake()
	// CloseAll closes the sockets and then the loop itself: with abort by RST, otherwise as
	// close() does. Listeners stay open. Nothing completes.
	CloseAll(abort bool) error
}

// Config sizes a loop.
type Config struct {
	// Slots is the number of sockets that can be open at once.
	Slots int
	// Buffer is the size of a receive buffer in bytes; 0 means 64 KiB with epoll, which has one, and 16 KiB
	// with io_uring, which has as many as may be full at once.
	Buffer int
	// Handler receives the completions.
	Handler Handler
	// GivesWay has a loop let other threads of its CPU run (sched_yield) before it waits for
	// data: where both ends share the CPUs, the data is there when it comes back. It is
	// not for a thread that has to be on time.
	GivesWay bool
	// Unfiltered says that no firewall rejects a SYN by ICMP on its way, as in a namespace of one's own. io_uring need not ask then
	// whether what connect calls open is so, which without a First of Dial takes a request for each connection.
	Unfiltered bool
}

// Never is an until for Wait that does not come.
const Never int64 = 1<<63 - 1
