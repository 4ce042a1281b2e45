package server

import (
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

const (
	// recently is how long ago a connection can have been active and still be given the chance to ask once more: its client
	// may be about to.
	recently = 250 * time.Millisecond
	// chance is how long it has. It is longer by the time that a client on a busy host may be late.
	chance = 500 * time.Millisecond

	// activityShift makes nanoseconds milliseconds, about, which fit talk.active.
	activityShift = 20
)

// drainBurst is how many closes are queued between two calls of Wait. A close is up to three operations; more than one Wait
// performs would make the loop's queue grow with the connections.
const drainBurst = 32

// drain closes idle connections, so many at a time. The others are closed after their reply, or when their chance is over.
func (w *worker) drain() {
	now := w.loop.Now()
	for most := drainBurst; most > 0 && w.drained < len(w.conns); w.drained++ {
		s := sockio.Sock(w.drained)
		k := &w.conns[s]
		switch {
		case k.phase == holding:
			w.loop.StopTimer(s)
			w.give(k, s, sockstate.OutcomeDrained)
			most--
		case k.phase == reading && w.idle(s):
			if w.mayAsk(s, now) {
				w.giveChance(s, now)
				continue
			}
			w.give(k, s, sockstate.OutcomeDrained)
			most--
		}
	}
}

// mayAsk reports whether an idle connection was active recently: its next request may be on the way.
func (w *worker) mayAsk(s sockio.Sock, now int64) bool {
	if w.cfg.Exchange.Kind == exchange.None {
		return false
	}
	since := uint32(now>>activityShift) - w.request(s).active
	return since <= uint32(int64(recently)>>activityShift)
}

// giveChance closes an idle connection after chance, unless a request comes before.
func (w *worker) giveChance(s sockio.Sock, now int64) {
	w.loop.SetTimer(s, now+int64(chance))
}

// missedChance closes a connection on which no request came in time.
func (w *worker) missedChance(k *conn, s sockio.Sock) {
	if w.draining && w.idle(s) {
		w.give(k, s, sockstate.OutcomeDrained)
	}
}

// settle gives every open connection its outcome. The sockets are closed with the loop.
func (w *worker) settle() {
	for i := range w.conns {
		k := &w.conns[i]
		if k.phase == free {
			continue
		}
		w.countCut(k, sockio.Sock(i))
		if k.teardown.Held() || w.cfg.Close.Who == teardown.Nobody {
			w.stats.Outcomes[sockstate.OutcomeHeld]++
		} else {
			w.stats.Outcomes[sockstate.OutcomeAborted]++
		}
		w.stats.Open--
		k.phase = free
	}
	w.stats.Stuck = 0
}
