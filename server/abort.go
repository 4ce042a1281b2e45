package server

import (
	"time"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// hush stops replying: requests without a reply are cut, and later data is read only to be counted.
func (w *worker) hush() {
	if w.silent {
		return
	}
	w.silent = true
	for i := range w.conns {
		if k := &w.conns[i]; k.phase == delaying {
			w.loop.StopTimer(sockio.Sock(i))
			w.cutOff(k, sockio.Sock(i))
		}
	}
}

// cutOff counts a request that gets no reply, and those pipelined behind it.
func (w *worker) cutOff(k *conn, s sockio.Sock) {
	w.stats.Cut++
	w.listen(k, s)
}

// listen reads without replying.
func (w *worker) listen(k *conn, s sockio.Sock) {
	k.phase = reading
	w.responder.Expect(&w.request(s).ServerConn)
	w.countRest(k, s)
	w.loop.Recv(s, recvSize)
}

// countRest counts the requests among the pipelined bytes, if there are any.
func (w *worker) countRest(k *conn, s sockio.Sock) {
	if k.flags&hasRest == 0 {
		return
	}
	r := w.rest[s]
	w.count(s, r.p[r.used:])
	w.dropRest(k, s)
}

// unanswered takes bytes that arrived after hush.
func (w *worker) unanswered(k *conn, s sockio.Sock, p []byte) {
	k.flags |= unread
	w.count(s, p)
	w.loop.Recv(s, recvSize)
}

// count counts the requests that end in p. An incomplete or malformed one leaves the connection not idle.
func (w *worker) count(s sockio.Sock, p []byte) {
	t := w.request(s)
	for len(p) > 0 {
		used, whole, err := w.responder.Received(&t.ServerConn, p)
		if err != nil || !whole {
			return
		}
		w.stats.Cut++
		w.responder.Expect(&t.ServerConn)
		p = p[used:]
	}
}

// countCut counts the requests that the connection's end cuts and that are not counted yet.
func (w *worker) countCut(k *conn, s sockio.Sock) {
	switch k.phase {
	case delaying, replying:
		w.stats.Cut++
		w.responder.Expect(&w.request(s).ServerConn)
		w.countRest(k, s)
	case reading, continuing:
	default:
		return
	}
	if !w.idle(s) {
		w.stats.Cut++
	}
}

// maxFilters bounds the kernel memory that filters take: see sockio.Freezer.
const maxFilters = 10_000

// freeze stops connections from receiving data. Those with unread data need no freezing: they will be reset.
func (w *worker) freeze() {
	l, ok := w.loop.(sockio.Freezer)
	if !ok {
		return
	}
	w.frozen = true
	n := 0
	for i := range w.conns {
		k := &w.conns[i]
		if k.phase == free || k.phase == closing || k.flags&unread != 0 {
			continue
		}
		n++
		_ = l.Freeze(sockio.Sock(i), n <= maxFilters) // one that is gone by itself takes no more either
	}
}

// abort counts what has arrived and closes all connections: by RST where data was unread, or everywhere with reset.
func (w *worker) abort(reset bool) error {
	if err := w.lookAgain(reset); err != nil {
		return err
	}
	for i := range w.conns {
		if k := &w.conns[i]; k.phase == replying {
			w.loop.Cancel(sockio.Sock(i))
			w.cutOff(k, sockio.Sock(i))
		}
	}
	if err := w.lookAgain(reset); err != nil {
		return err
	}
	queued := 0
	for i := range w.conns {
		if !w.kill(&w.conns[i], sockio.Sock(i), reset) {
			continue
		}
		if queued++; queued%drainBurst == 0 {
			if err := w.loop.Wait(0); err != nil {
				return err
			}
		}
	}
	err := w.lookAgain(false)
	w.stats.Stuck = 0
	return err
}

// kill closes a connection that is not being closed already.
func (w *worker) kill(k *conn, s sockio.Sock, reset bool) bool {
	if k.phase == free || k.phase == closing && k.teardown.End() != teardown.Open {
		return false
	}
	w.countCut(k, s)
	switch {
	case reset:
		k.outcome = sockstate.OutcomeShutdownRST
		w.loop.SetLinger(s, 0)
	case k.flags&unread != 0:
		k.outcome = sockstate.OutcomeAbruptRST
		w.loop.SetLinger(s, 0)
	default:
		k.outcome = sockstate.OutcomeAbruptFIN
	}
	k.phase = closing
	w.closer.Abandon(w.loop, s, &k.teardown)
	return true
}

// lookAgain takes completions until there are no more. With hurry it takes them for a limited time: clients that are not frozen may
// send on.
func (w *worker) lookAgain(hurry bool) error {
	atMost := time.Second
	if hurry {
		atMost = 2 * time.Millisecond
	}
	// A Wait performs, and hears of, some hundred at most; what it has heard of it may perform in the next.
	enough := 4 + int(w.stats.Open)/64
	for quiet, end := 0, clock.Now()+int64(atMost); quiet < enough && clock.Now() < end; quiet++ {
		before := w.heard
		if err := w.loop.Wait(0); err != nil {
			return err
		}
		if w.heard != before {
			quiet = 0
		}
	}
	return nil
}
