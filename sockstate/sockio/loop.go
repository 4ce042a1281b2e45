package sockio

import (
	"net/netip"
	"time"

	"lastack/sockstate"
)

// Sock names a socket of one loop by slot, from 0 to Config.Slots-1. The caller
// chooses the slot of a socket that it opens, so that a chain can name a socket
// that does not exist yet; the loop chooses the slot of a connection that it
// accepts. A loop does one or the other. A slot is free again when its OpClose has
// completed, or OpSocket has failed.
type Sock int32

// Op tells what completed.
type Op uint8

// The operations. OpPoll waits for a socket to become readable without reading.
const (
	OpSocket Op = iota
	OpSetsockopt
	OpBind
	OpConnect
	OpAccept
	OpSend
	OpRecv
	OpPoll
	OpShutdown
	OpClose
	OpTimeout
	OpWake
)

var opNames = [...]string{
	"socket", "setsockopt", "bind", "connect", "accept", "send", "recv", "poll",
	"shutdown", "close", "timeout", "wake",
}

func (o Op) String() string { return opNames[o] }

// Completion is the result of one operation.
type Completion struct {
	Op   Op
	Sock Sock
	// Errno is 0 when the operation succeeded.
	Errno Errno
	// N is the number of bytes moved by send or recv (0 from recv: EOF), and the
	// listener's index for accept.
	N int
	// At is when the operation was known to be complete, on the clock of Loop.Now.
	At int64
	// Data is what recv read, valid until Complete returns.
	Data []byte
}

// Handler receives completions. Complete is called from Wait, on its goroutine.
type Handler interface {
	Complete(c *Completion)
}

// Loop is one worker's view of its sockets. It is not safe for concurrent use,
// except Wake.
//
// Every operation completes exactly once, with this exception: closing a socket
// drops its pending operations silently, and its OpClose completion is the last
// that its slot sees. At most one recv or poll, and one connect or send, may be
// pending on a socket at once.
type Loop interface {
	// Now is the time in nanoseconds since an arbitrary start, monotonic and the
	// same for all loops of the process.
	Now() int64

	// Socket opens a non-blocking TCP socket (AF_INET, or AF_INET6 if v6) in slot s.
	Socket(s Sock, v6, link bool)
	// Setsockopt applies o, which must stay unchanged until Wait returns.
	// A success completes only if o.Report is set.
	Setsockopt(s Sock, o *Opt, link bool)
	// Bind binds to a, which must stay unchanged until completion. Only a failure completes.
	Bind(s Sock, a *Addr, link bool)
	Connect(s Sock, a *Addr, link bool)
	// Send sends all of p; p must stay unchanged until completion.
	Send(s Sock, p []byte, link bool)
	// Recv reads at most n bytes, at most the size of the loop's buffer.
	Recv(s Sock, n int)
	// Poll completes when s is readable: data, EOF or an error to read.
	Poll(s Sock)
	// Shutdown shuts down the sending half (SHUT_WR).
	Shutdown(s Sock, link bool)
	// Close closes s. Set lingers when SO_LINGER with a positive time was set: such a
	// close blocks while data is unacknowledged, so it is performed apart.
	Close(s Sock, lingers bool)
	// Cancel drops the pending recv, poll, connect or send of s without a completion.
	Cancel(s Sock)

	// Accept takes over a listening descriptor and accepts from it until StopAccept
	// or Close. Each connection completes as OpAccept with its slot; a failure to accept
	// (EMFILE and the like) completes with the errno, Sock -1, and is retried a little later.
	// A listener may be shared by several loops. index comes back in Completion.N.
	Accept(listener int, index int) error
	// StopAccept stops accepting from all listeners; it does not close them.
	StopAccept()

	// SetTimer makes OpTimeout complete for s at the time at, instead of the
	// timer that s had. Timers never fire early; they fire late by at most
	// 1/32 of their distance and the time until Wait is called again.
	// A timer belongs to the slot, not to the socket: it outlives a close.
	SetTimer(s Sock, at int64)
	StopTimer(s Sock)

	// Info reads TCP_INFO.
	Info(s Sock, into *sockstate.TCPInfo) error
	// LocalAddr reads the address that s is bound to.
	LocalAddr(s Sock) (netip.AddrPort, error)

	// Wait performs what is queued and completes what is ready; if nothing was, it
	// sleeps until something is, a timer fires, Wake is called, or the time until has come.
	Wait(until int64) error
	// Wake makes a Wait of another goroutine return; the handler sees one OpWake
	// with Sock -1 for one or more calls.
	Wake()
	// Close closes all sockets and the loop. Listeners stay open.
	CloseAll() error
}

// Config sizes a loop.
type Config struct {
	// Slots is the number of sockets that can be open at once.
	Slots int
	// Buffer is the size of the receive buffer in bytes; 0 means 64 KiB.
	Buffer  int
	Handler Handler
}

// Never is an until for Wait that does not come.
const Never = int64(1)<<63 - 1

// Duration converts a difference of two Loop.Now.
func Duration(from, to int64) time.Duration { return time.Duration(to - from) }
