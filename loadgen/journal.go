package loadgen

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/sockio"
)

// Journal has an entry for each connection and request that ended after Generator.Mark, or was lost before it.
type Journal struct {
	Conns    []ConnEntry    // in the order of Ended
	Requests []RequestEntry // in the order of Ended
	// Overflow is the number of entries beyond maxEntries, which are lost.
	Overflow int64
	// LoopLag is by how much the workers' loops were late, in nanoseconds: an event may have been seen so much later than
	// it came.
	LoopLag *hdrhistogram.Histogram
}

// End is how a connection ended, as its client saw it.
type End uint8

// The ends.
const (
	EndOpen      End = iota // it was open when the load ended
	EndByClient             // the client closed it
	EndByFIN                // the server's EOF came first
	EndByRST                // the server's RST came first
	EndNotOpened            // there never was one: see Outcome
)

// ConnEntry is one connection, or one attempt. Times are on the clock of clock.Now.
type ConnEntry struct {
	ID ConnID
	// Client names the client, which may have several connections, one after the other.
	Client  ClientID
	Group   uint8
	End     End
	Outcome sockstate.Outcome
	// Again is set for a client that had a connection before, Early for an end before Generator.Mark.
	Again, Early bool
	// Began is when connect was called, Opened when it was established, 0 if never; Ended when the end was seen.
	Began, Opened, Ended int64
	// Requests is the number of requests answered on it.
	Requests int32
	// Port and Addr are the client's, see Local.
	Port uint16
	Addr [16]byte
}

// ConnID names a connection: the worker's number and a serial number.
type ConnID uint64

// ClientID names a client: the worker's number and its slot there.
type ClientID uint64

// Local is the client's address; not valid where the connection was not established.
func (e *ConnEntry) Local() netip.AddrPort {
	if e.Port == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.AddrFrom16(e.Addr).Unmap(), e.Port)
}

// Fate is how a request ended.
type Fate uint8

// The fates of a request.
const (
	RequestOpen     Fate = iota // neither answered nor cut when the load ended
	Answered                    // a whole reply, and the connection may be used on
	AnsweredClose               // a whole reply, with "Connection: close"
	Answered5xx                 // a whole reply with a status of 5xx
	CutByFIN                    // EOF before the whole reply
	CutByRST                    // RST before the whole reply
	RequestTimedOut             // no whole reply in time
	RequestBroken               // what came was not a reply, or a system call failed
)

// Lost reports whether the request never had a whole reply.
func (f Fate) Lost() bool { return f >= CutByFIN }

// RequestEntry is one request.
type RequestEntry struct {
	Conn  ConnID
	Group uint8
	Fate  Fate
	// Partial is set for a request of which only a part was sent, on purpose.
	Partial bool
	// Early is set for an end before Generator.Mark.
	Early bool
	// Touched is set where some of the reply had come.
	Touched bool
	// Unacked is set where the server's kernel had not acknowledged the request when the server's FIN was seen: a
	// FIN acknowledges all that came before the close, so it came later, or never.
	Unacked bool
	// Unsent is set where the connection failed before all of the request had been handed to the kernel.
	Unsent bool
	// Nth is the number of requests answered on the connection before this one.
	Nth int32
	// Status is the HTTP status code, 0 where no whole reply came or it has none.
	Status uint16
	// Sent is when it was handed to the kernel at the earliest, Ended when its fate was seen.
	Sent, Ended int64
}

// life is the journal's state of the connection in the same slot of worker.conns.
type life struct {
	ConnEntry        // so far; Ended is when its end was seen, 0 before
	status    uint16 // of the reply that was whole last
	flags     uint8
}

const (
	again     uint8 = 1 << iota // its client had a connection before
	touched                     // some of the reply under way has come
	endsByFIN                   // the peer's end has been seen
	endsByRST
	unacked // what was sent last, as the peer's FIN came
	unsent  // not all of the request under way was handed to the kernel
)

// maxEntries bounds the entries of a worker: 64 MiB or so.
const maxEntries = 1 << 20

// lagEvery is how often a worker with a journal measures how late its loop is.
const lagEvery = int64(5e6)

// log is a worker's journal.
type log struct {
	// keepsAll is set once the load is marked: until then only what was lost is of interest.
	keepsAll bool
	worker   uint64 // in the bits above those of slots and serial numbers
	serial   uint64
	lives    []life
	conns    []ConnEntry
	requests []RequestEntry
	overflow int64
	lag      *hdrhistogram.Histogram
	lagDue   int64 // when the loop is to be back next
	// at is when the completion being handled came.
	at int64
}

func newLog(worker, slots int) *log {
	return &log{worker: uint64(worker) << 48, lives: make([]life, slots), lag: newHistogram()}
}

// begin starts the entry of a connection that is about to be dialled, and keeps the state of its client.
func (j *log) begin(s sockio.Sock, now int64) {
	if j == nil {
		return
	}
	l := &j.lives[s]
	j.serial++
	*l = life{ConnEntry: ConnEntry{ID: ConnID(j.worker | j.serial), Client: ClientID(j.worker | uint64(s)), Began: now}, flags: l.flags & again}
}

// leave forgets the client in a slot.
func (j *log) leave(s sockio.Sock) {
	if j != nil {
		j.lives[s] = life{}
	}
}

func (j *log) opened(loop sockio.Loop, s sockio.Sock, c *sockio.Completion) {
	if j == nil {
		return
	}
	l := &j.lives[s]
	l.Began, l.Opened = max(l.Began, c.Began), c.At
	if at, err := loop.LocalAddr(s); err == nil { // else the entry has no address
		l.Addr, l.Port = at.Addr().As16(), at.Port()
	}
}

// mark sets a flag of the connection in s.
func (j *log) mark(s sockio.Sock, flag uint8) {
	if j != nil {
		j.lives[s].flags |= flag
	}
}

// seen records that the end of the connection in s, or of the attempt, has just been seen.
func (j *log) seen(s sockio.Sock) {
	if j != nil && j.lives[s].Ended == 0 {
		j.lives[s].Ended = j.at
	}
}

// peerEnded records how the server ended the connection.
func (j *log) peerEnded(s sockio.Sock, e sockio.Errno) {
	j.seen(s)
	switch {
	case e == 0:
		j.mark(s, endsByFIN)
	case sockio.IsReset(e):
		j.mark(s, endsByRST)
	}
}

// replied records the status of a whole reply.
func (j *log) replied(s sockio.Sock, status int) {
	if j != nil {
		j.lives[s].status = uint16(status)
	}
}

// request adds the fate of the request under way on s.
func (j *log) request(g *group, k *conn, s sockio.Sock, f Fate, at int64) {
	if j == nil {
		return
	}
	l := &j.lives[s]
	nth, t, late, cut := l.Requests, l.flags&touched != 0, l.flags&unacked != 0, l.flags&unsent != 0
	l.flags &^= touched
	status := uint16(0)
	if f == Answered || f == AnsweredClose || f == Answered5xx {
		l.Requests++
		status = l.status
		if !j.keepsAll {
			return
		}
	}
	keep(j, &j.requests, RequestEntry{
		Conn: l.ID, Group: g.index, Fate: f, Partial: g.Keep == KeepPartial, Early: !j.keepsAll, Touched: t, Unacked: late, Unsent: cut,
		Nth: nth, Status: status, Sent: k.mark, Ended: at,
	})
}

// end adds the end of the connection in s, or of the attempt.
func (j *log) end(g *group, k *conn, s sockio.Sock, o sockstate.Outcome, open bool, at int64) {
	if j == nil {
		return
	}
	l := &j.lives[s]
	e := l.ConnEntry
	e.Group, e.Outcome, e.Again, e.Early, e.Ended = g.index, o, l.flags&again != 0, !j.keepsAll, cmp.Or(l.Ended, at)
	switch {
	case k.flags&isOpen == 0:
		e.End = EndNotOpened
	case l.flags&endsByFIN != 0:
		e.End = EndByFIN
	case l.flags&endsByRST != 0:
		e.End = EndByRST
	case !open:
		e.End = EndByClient
	}
	l.flags |= again
	if !j.keepsAll && (e.End == EndByClient || e.End == EndOpen) {
		return
	}
	keep(j, &j.conns, e)
}

// keep adds an entry, if there is room.
func keep[E any](j *log, list *[]E, e E) {
	if len(*list) == maxEntries {
		j.overflow++
		return
	}
	*list = append(*list, e)
}

// logLost adds the request under way on s, which will not be answered.
func (w *worker) logLost(g *group, k *conn, s sockio.Sock, o sockstate.Outcome, e sockio.Errno) {
	w.log.seen(s)
	if w.log == nil || k.phase != asking && k.phase != reading {
		return
	}
	f := RequestBroken
	switch {
	case o == sockstate.OutcomeHTTPStatus:
		return // it was answered
	case o == sockstate.OutcomeRequestTimeout:
		f = RequestTimedOut
	case o == sockstate.OutcomeCutInRequest && e == 0:
		f = CutByFIN
		if w.loop.Info(s, &w.tcpInfo) == nil && w.tcpInfo.Unacked > 0 {
			w.log.mark(s, unacked)
		}
	case o == sockstate.OutcomeCutInRequest:
		f = CutByRST
	}
	w.log.request(g, k, s, f, w.log.at)
}

// logOpen adds a lifecycle that was not over when the load ended.
func (w *worker) logOpen(g *group, k *conn, s sockio.Sock, o sockstate.Outcome) {
	if w.log == nil {
		return
	}
	now := clock.Now()
	if k.phase == asking || k.phase == reading {
		w.log.request(g, k, s, RequestOpen, now)
	}
	w.log.end(g, k, s, o, k.flags&isOpen != 0, now)
}

// merge sorts the workers' journals into one.
func merge(logs []*log) *Journal {
	m := &Journal{LoopLag: newHistogram()}
	for _, j := range logs {
		m.Conns = append(m.Conns, j.conns...)
		m.Requests = append(m.Requests, j.requests...)
		m.Overflow += j.overflow
		m.LoopLag.Merge(j.lag)
	}
	slices.SortStableFunc(m.Conns, func(a, b ConnEntry) int { return cmp.Compare(a.Ended, b.Ended) })
	slices.SortStableFunc(m.Requests, func(a, b RequestEntry) int { return cmp.Compare(a.Ended, b.Ended) })
	return m
}
