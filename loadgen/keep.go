package loadgen

import (
	"fmt"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// Keep says what a client does with its connection when its requests are answered. A client that
// keeps it does so until the server ends it, or the load is concluded.
type Keep uint8

// What clients do.
const (
	KeepNot     Keep = iota // closes, or waits for the close, as the policy has it
	KeepIdle                // keeps it, and says nothing more
	KeepAsking              // asks on, Think apart
	KeepPartial             // has sent half a request, and leaves it at that
)

var keepNames = [...]string{"", "idle", "asking", "partial"}

func (k Keep) String() string { return keepNames[k] }

// MarshalText implements encoding.TextMarshaler with String.
func (k Keep) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Keep) UnmarshalText(b []byte) error {
	for i, name := range keepNames {
		if name == string(b) {
			*k = Keep(i)
			return nil
		}
	}
	return fmt.Errorf("unknown way to keep a connection %q", b)
}

func (g *Group) validateKeep() error {
	switch {
	case g.Keep > KeepPartial:
		return sockstate.BadValue("keep", uint8(g.Keep), "want idle, asking or partial")
	case g.Reconnect < 0 || g.Reconnect > time.Hour:
		return sockstate.BadValue("reconnect", g.Reconnect, "want 0s (never) to 1h")
	case g.Keep == KeepNot && g.Reconnect > 0:
		return sockstate.BadValue("reconnect", g.Reconnect, "only for clients that keep their connection")
	case g.Keep == KeepNot:
		return nil
	case g.OpenLoop() || g.Plateau > 0:
		return sockstate.BadValue("keep", g.Keep, "not with a --rate or a --plateau: so many clients have a connection each")
	case g.Close.Who != teardown.ClientFirst || g.Close.How != teardown.FIN:
		return sockstate.BadValue("close", g.Close, "clients that keep their connection close it by client:fin at the end")
	case g.Hold > 0:
		return sockstate.BadValue("hold", g.Hold, "clients that keep their connection hold it to the end")
	case g.Keep == KeepAsking && g.Exchange.Kind == exchange.None:
		return sockstate.BadValue("exchange", g.Exchange, "want echo or http for clients that ask")
	case g.Keep == KeepPartial && (g.Exchange.Kind == exchange.None || g.Exchange.Kind == exchange.Echo && g.Exchange.Request < 2):
		return sockstate.BadValue("exchange", g.Exchange, "want http, or an echo with a request of 2 bytes or more, of which to send half")
	}
	return nil
}

// backoffAtMost bounds the time between two attempts of a client.
const backoffAtMost = int64(5e9)

// backoff is how long the client in s waits before it connects again: twice as long after each refusal.
func (w *worker) backoff(g *group, s sockio.Sock) int64 {
	d := int64(g.Reconnect)
	if w.log != nil {
		d <<= max(int(w.log.lives[s].refusals)-1, 0)
	}
	return max(min(d, backoffAtMost), int64(g.Reconnect))
}

// absence is how long the client in s goes without a connection. One that asks on, and was told with a reply that the
// connection ends with it, has lost nothing: its next request goes by a new one (RFC 9112, section 9.6).
func (w *worker) absence(g *group, k *conn, s sockio.Sock) int64 {
	if g.dismissed(k) {
		return int64(g.Think)
	}
	return w.backoff(g, s)
}

func (g *group) dismissed(k *conn) bool { return g.Keep == KeepAsking && k.flags&isDismissed != 0 }

// gaveUp reports whether a client gives up once its connection is over. Of clients that are not to connect again some would be left
// when the journal is armed only by chance, if those that have lost nothing by then did not go on.
func (w *worker) gaveUp(g *group, k *conn, now int64) bool {
	stays := g.dismissed(k) && w.log != nil && !w.log.armed
	return g.Reconnect == 0 && !stays || now >= w.end
}

// keep is what a client does that keeps its connection, when it has its reply.
func (w *worker) keep(g *group, k *conn, s sockio.Sock, now int64) {
	switch {
	case now >= w.end:
		w.begin(g, k, s, now)
	case g.Keep == KeepAsking && g.Think == 0:
		w.ask(g, k, s, now)
	case g.Keep == KeepAsking:
		k.phase = thinking
		w.loop.SetTimer(s, now+int64(g.Think))
		w.loop.Recv(s, recvSize)
	default:
		k.phase = holding
		w.loop.StopTimer(s)
		w.loop.Recv(s, recvSize)
	}
}

// awaitEnd waits for the end of a connection whose last reply said that the server would close it.
func (w *worker) awaitEnd(g *group, k *conn, s sockio.Sock, now int64) {
	k.phase = holding
	w.loop.SetTimer(s, now+int64(g.CloseTimeout))
	w.loop.Recv(s, recvSize)
}

// keptEnded takes the end of a kept connection that the server brought about between requests: as it may, by
// FIN, or by RST.
func (w *worker) keptEnded(g *group, k *conn, c *sockio.Completion) {
	if c.Errno != 0 && !sockio.IsReset(c.Errno) {
		w.give(g, k, c.Sock, sockstate.OutcomeOther, c.Errno)
		return
	}
	k.phase = closing
	if c.Errno != 0 {
		g.closer.PeerReset(w.loop, c.Sock, &k.tear)
		return
	}
	g.closer.PeerClosed(w.loop, c.Sock, &k.tear)
}

// conclude ends the clients that keep their connection, so many at a time, and reports whether there are more to look at.
// Requests under way are answered first.
func (w *worker) conclude(now int64, most int) (more bool) {
	for ; most > 0 && w.concluded < len(w.conns); w.concluded++ {
		s := sockio.Sock(w.concluded)
		k := &w.conns[s]
		if k.phase == free {
			continue
		}
		g := w.groups[k.group]
		if g.Keep == KeepNot {
			continue
		}
		switch k.phase {
		case holding, thinking:
			w.release(g, k, s, now)
			most--
		case reading:
			if g.Keep == KeepPartial {
				w.log.request(g, k, s, RequestOpen, now)
				w.release(g, k, s, now)
				most--
			}
		case pausing:
			g.paused--
			w.loop.StopTimer(s)
			w.vacate(g, k, s, now)
		}
	}
	return w.concluded < len(w.conns)
}

// arm arms the journal, and marks the connections that are open now.
func (w *worker) arm() {
	if w.log == nil || w.log.armed {
		return
	}
	w.log.armed = true
	for i := range w.conns {
		k := &w.conns[i]
		if k.phase != free && k.phase != pausing && k.flags&isOpen != 0 {
			w.groups[k.group].before++
			w.log.lives[i].flags |= wasOpen
		}
	}
}
