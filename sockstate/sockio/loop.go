package sockio

import (
	"net/netip"

	"lastack/sockstate"
)

// Sock is the slot of a socket of one loop, from 0 to Config.Slots-1. The caller
// chooses the slot of a socket that it opens, so a chain can name a socket that does
// not exist yet. The loop chooses the slot of a connection that it accepts. A loop
// either opens or accepts. A slot is free again when its OpClose has completed or its
// OpSocket has failed.
type Sock int32

// Op is an operation.
type Op uint8

// The operations. Loop describes them.
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

// Dial says how to open a connection. Loop.Dial copies it; what it points to must
// stay unchanged until the dial has completed.
type Dial struct {
	Remote *Addr
	// Local is the address to bind; nil lets connect choose address and port.
	Local *Addr
	// Opts are set before the bind.
	Opts []Opt
	// First is sent as soon as the connection is open.
	First []byte
}

// Completion is the result of one operation.
type Completion struct {
	Op   Op
	Sock Sock
	// Errno is 0 when the operation succeeded.
	Errno Errno
	// N depends on Op.
	// Send, recv: the number of bytes; 0 from recv is EOF.
	// Accept: the listener's index.
	// Poll: 1 if there is only data to read, 0 if EOF or an error is behind it.
	// A failed connect: 1 if the SYN was sent (tcp_connect, counted in ActiveOpens), 0 if the kernel refused at once.
	N int
	// At is when the loop knew that the operation had completed, on the clock of Loop.Now.
	At int64
	// Began is when connect was called; for OpConnect only.
	Began int64
	// Data is the data of a recv, valid until Complete returns.
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
// Every operation completes once, with these exceptions. Shutdown and SetLinger complete only if they fail, PeerEnd
// only if the peer has ended the connection. Cancel and Close silently drop the socket's pending and queued
// operations, except PeerEnd, Shutdown and SetLinger. OpClose is a slot's last completion.
// At most one recv or poll, and one dial or send, may be pending on a socket at once.
type Loop interface {
	// Name is the backend's, as for --engine.
	Name() string
	// Now is monotonic time in nanoseconds, the same for all loops of the process.
	Now() int64

	// Dial opens a socket in slot s and connects it, one step after the other: socket, setsockopt, bind,
	// connect and, with First, send. It completes as OpConnect and then, with First, as OpSend.
	// If a step fails, only that step completes. After a failed OpSocket the slot is free;
	// after another failure the socket is still to be closed.
	Dial(s Sock, d *Dial)
	// ConnectSent returns when connect returned, for a dial that has not completed: the SYN was sent by then. It
	// is 0 as long as connect has not been called, or is searching for a port: no SYN was sent, nor will be before the next Wait.
	ConnectSent(s Sock) int64
	// Send sends all of p, which must stay unchanged until the send has completed.
	Send(s Sock, p []byte)
	// Recv reads at most n bytes: at least 1, at most Config.Buffer.
	Recv(s Sock, n int)
	// Poll completes when s is readable: data, EOF or an error. It reads nothing.
	Poll(s Sock)
	// PeerEnd checks, without waiting, whether the peer has ended the connection: by FIN (no error) or RST (ECONNRESET).
	// Queued before a Close it shows what close() does not tell. It discards unread data, for which close() would
	// send an RST. With keep, for a socket that has data and is to be closed with it unread, it does not.
	PeerEnd(s Sock, keep bool)
	// Shutdown shuts down the sending half (SHUT_WR).
	Shutdown(s Sock)
	// SetLinger sets SO_LINGER {1, seconds}.
	SetLinger(s Sock, seconds int)
	// Close closes s. lingers says that SO_LINGER with a positive time is set: such a close
	// blocks while data is unacknowledged, even on a non-blocking socket, so another thread
	// performs it. It completes with ECANCELED if the dial had not come to its SYN: none was sent, nor will be.
	Close(s Sock, lingers bool)
	// Cancel drops the pending operations of s without a completion.
	Cancel(s Sock)

	// Accept starts accepting from a listening descriptor. Several loops may share it; the
	// caller still owns it. Each connection completes as OpAccept with its slot and, in N,
	// index. A failure (EMFILE and the like) completes with Sock -1 and is retried a little
	// later; the connection waits in the kernel's queue.
	Accept(listener, index int) error
	// StopAccept stops accepting from all listeners. Close them only after it. Connections that the kernel had
	// accepted by then may still complete.
	StopAccept()

	// SetTimer makes OpTimeout complete for s at the time at, and replaces the timer that s
	// had. It is never early, and late by up to a tick of 16 us and the time to the next Wait.
	// A timer belongs to the slot, not to the socket: it outlives a close.
	SetTimer(s Sock, at int64)
	StopTimer(s Sock)

	// Info reads TCP_INFO.
	Info(s Sock, into *sockstate.TCPInfo) error
	// LocalAddr reads the address that s is bound to.
	LocalAddr(s Sock) (netip.AddrPort, error)

	// Wait performs the queued operations and completes those that are ready. If none is, it
	// sleeps until one is, a timer fires, Wake is called, or the time until has come.
	Wait(until int64) error
	// Wake makes a Wait in another goroutine return. The handler sees one OpWake with
	// Sock -1 for one or more calls. After CloseAll it does nothing.
	Wake()
	// CloseAll closes the sockets, with abort by RST, and then the loop itself. Listeners
	// stay open. Nothing completes, and no more SYNs are sent.
	CloseAll(abort bool) error
}

// Config sizes a loop.
type Config struct {
	// Slots is the number of sockets that can be open at once.
	Slots int
	// Buffer is the size of a receive buffer in bytes. 0 means 64 KiB for epoll, which has one, and 16 KiB
	// for io_uring, which has 256.
	Buffer int
	// Handler receives the completions.
	Handler Handler
	// GivesWay makes a loop call sched_yield before it waits for data: if both ends share the
	// CPUs, the data has arrived when the call returns. It is not for a thread that has to be
	// on time.
	GivesWay bool
	// Unfiltered says that no firewall on the path rejects a SYN by ICMP, as in a fresh namespace. The io_uring loop then does not
	// verify that a connect has opened the connection, which costs a request for each dial without First.
	Unfiltered bool
}

// Never is a time for Wait that never comes.
const Never int64 = 1<<63 - 1
