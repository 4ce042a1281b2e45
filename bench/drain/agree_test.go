package drain

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
)

// world makes journals, with their packets, of loads as they could have been. Times are in ns; the signal is sent at
// signalAt, the watch ends at watchedTo, the load at loadedTo.
type world struct {
	*rand.Rand
	journal loadgen.Journal
	packets []capture.Packet
	port    uint16
	// groups are the load's own counts.
	groups []loadgen.GroupSnapshot
}

const (
	markedAt, signalAt, watchedTo, loadedTo = 990 * ms, 1000 * ms, 3000 * ms, 3400 * ms
	requestSize                             = 50
)

var worldGroups = groups{
	{name: groupIdle, keep: loadgen.KeepIdle, bytes: requestSize},
	{name: groupInFlight, keep: loadgen.KeepAsking, bytes: requestSize},
	{name: groupArrivals, bytes: requestSize},
	{name: groupPartial, keep: loadgen.KeepPartial, bytes: requestSize},
}

// near is a time that is often close to one of those at which something is counted apart.
func (w *world) near() int64 {
	at := []int64{markedAt, signalAt, watchedTo, loadedTo - ms}[w.IntN(4)]
	if w.IntN(2) == 0 {
		return w.Int64N(loadedTo)
	}
	return min(max(at+w.Int64N(4*ms)-2*ms, 0), loadedTo-1)
}

// conn adds a connection with all that its client saw of it.
func (w *world) conn(id loadgen.ConnID) {
	group := w.IntN(len(worldGroups))
	kind := &worldGroups[group]
	w.port++
	local := netip.AddrPortFrom(client.Addr(), w.port)
	c := loadgen.ConnEntry{ID: id, Client: loadgen.ClientID(id / 2), Again: id%2 == 1, Group: uint8(group), Began: w.near()}
	send := func(at int64, fromServer bool, flags capture.Flags, acked uint32) {
		w.packets = append(w.packets, capture.Packet{
			At: at, Client: local.Addr().As16(), ClientPort: w.port, FromServer: fromServer, Flags: flags, Acked: acked,
		})
	}
	send(c.Began, false, capture.SYN, 0)
	answered := min(c.Began+w.Int64N(3*ms), loadedTo)
	hair := min(answered-c.Began, w.Int64N(ms/2)) // by which the client sees it later
	end := func(e loadgen.End, o sockstate.Outcome, at int64) {
		c.End, c.Outcome, c.Ended, c.Early = e, o, at, at < markedAt
		if c.Early && (e == loadgen.EndByClient || e == loadgen.EndOpen) {
			return // not in the journal
		}
		w.journal.Conns = append(w.journal.Conns, c)
	}
	switch w.IntN(10) {
	case 0:
		send(answered-hair, true, capture.RST|capture.ACK, 1)
		end(loadgen.EndNotOpened, sockstate.OutcomeRefused, answered)
		return
	case 1:
		end(loadgen.EndNotOpened, sockstate.OutcomeConnectTimeout, answered)
		return
	case 2:
		end(loadgen.EndNotOpened, sockstate.OutcomeInterrupted, loadedTo)
		return
	case 3:
		end(loadgen.EndNotOpened, []sockstate.Outcome{sockstate.OutcomeNoLocalPort, sockstate.OutcomeUnreachable}[w.IntN(2)], answered)
		return
	}
	send(answered-hair, true, capture.SYN|capture.ACK, 1)
	c.Opened = answered
	c = entryAt(c, local)
	w.requests(&c, kind, send, end)
}

// requests goes on with an open connection, to its end.
func (w *world) requests(c *loadgen.ConnEntry, kind *group, send func(int64, bool, capture.Flags, uint32), end func(loadgen.End, sockstate.Outcome, int64)) {
	request := func(f loadgen.Fate, sent, at int64) {
		r := loadgen.RequestEntry{Conn: c.ID, Group: c.Group, Fate: f, Partial: kind.keep == loadgen.KeepPartial, Early: at < markedAt, Nth: c.Requests, Sent: sent, Ended: at}
		l := &w.groups[c.Group].Ledger
		switch f {
		case loadgen.Answered5xx:
			r.Status = 502
			l.Outcomes[sockstate.OutcomeHTTPStatus]++
		case loadgen.Answered, loadgen.AnsweredClose:
			r.Status = []uint16{200, 301, 404}[w.IntN(3)]
			l.Requests++
		}
		if r.Status != 0 {
			c.Requests++
			l.Statuses[r.Status/100]++
			if r.Early {
				return
			}
		}
		r.Touched, r.Unsent = f.Lost() && w.IntN(4) == 0, f == loadgen.CutByRST && w.IntN(4) == 0
		w.journal.Requests = append(w.journal.Requests, r)
	}
	byServer := func(at int64) (loadgen.End, loadgen.Fate) {
		seen := at - min(at-c.Opened, w.Int64N(ms/2))
		acked := 1 + uint32(w.IntN(3))*requestSize
		if w.IntN(2) == 0 {
			send(seen, true, capture.FIN|capture.ACK, acked)
			return loadgen.EndByFIN, loadgen.CutByFIN
		}
		send(seen, true, capture.RST|capture.ACK, acked)
		return loadgen.EndByRST, loadgen.CutByRST
	}
	for at := c.Opened; ; {
		sent := at
		at += 1 + w.Int64N(50*ms)
		if near := w.near(); near > sent && w.IntN(3) == 0 {
			at = near
		}
		if at >= loadedTo {
			request(loadgen.RequestOpen, sent, loadedTo)
			end(loadgen.EndOpen, sockstate.OutcomeInterrupted, loadedTo)
			return
		}
		if kind.keep == loadgen.KeepPartial {
			if at > watchedTo {
				request(loadgen.RequestOpen, sent, at)
				end(loadgen.EndByClient, sockstate.OutcomeFIN, at)
				return
			}
			e, f := byServer(at)
			request(f, sent, at)
			end(e, sockstate.OutcomeCutInRequest, at)
			return
		}
		switch w.IntN(12) {
		case 0:
			e, f := byServer(at)
			request(f, sent, at)
			end(e, sockstate.OutcomeCutInRequest, at)
			return
		case 1:
			request(loadgen.RequestTimedOut, sent, at)
			end(loadgen.EndByClient, sockstate.OutcomeRequestTimeout, at)
			return
		case 2:
			request(loadgen.RequestBroken, sent, at)
			end(loadgen.EndByClient, sockstate.OutcomeOther, at)
			return
		case 3:
			request(loadgen.Answered5xx, sent, at)
			end(loadgen.EndByClient, sockstate.OutcomeHTTPStatus, at)
			return
		case 4, 5:
			request(loadgen.AnsweredClose, sent, at)
		default:
			request(loadgen.Answered, sent, at)
		}
		switch {
		case kind.keep == loadgen.KeepNot || at > watchedTo:
			end(loadgen.EndByClient, sockstate.OutcomeFIN, at)
			return
		case kind.keep == loadgen.KeepIdle || w.IntN(8) == 0:
			at = min(max(at+1, w.near()), loadedTo-1)
			if at > watchedTo && w.IntN(2) == 0 {
				end(loadgen.EndByClient, sockstate.OutcomeFIN, at)
				return
			}
			e, _ := byServer(at)
			o := sockstate.OutcomeFIN
			if e == loadgen.EndByRST {
				o = sockstate.OutcomeRSTReceived
			}
			end(e, o, at)
			return
		}
	}
}

// TestTablesAgree makes tries of random journals: whatever is told in two places is the same in both.
func TestTablesAgree(t *testing.T) {
	for seed := range uint64(3000) {
		w := &world{Rand: rand.New(rand.NewPCG(seed, 1)), port: 1000, groups: make([]loadgen.GroupSnapshot, len(worldGroups))}
		for id := range loadgen.ConnID(w.IntN(40)) {
			w.conn(id + 1)
		}
		w.journal.LoopLag = record.NewHistogram()
		e := evidence{
			groups: worldGroups, journal: &w.journal, times: times{signal: signalAt, concluded: watchedTo},
			atMark: loadgen.Snapshot{Groups: make([]loadgen.GroupSnapshot, len(worldGroups))}, atEnd: loadgen.Snapshot{Groups: w.groups},
		}
		if w.IntN(3) > 0 {
			e.packets = capture.NewTrace(w.packets)
		}
		r := fold(&e)
		var replies, sent int64 // whole replies of the load, and all requests
		for i := range w.groups {
			l := &w.groups[i].Ledger
			replies += l.Requests + l.Outcomes[sockstate.OutcomeHTTPStatus]
		}
		sent = replies
		for i := range w.journal.Requests {
			if q := &w.journal.Requests[i]; q.Fate.Lost() || q.Fate == loadgen.RequestOpen {
				sent++
			}
		}
		if q := &r.Requests; q.Total != sent || repliesOf(q.HTTP)+repliesOf(q.HTTPBefore) != replies {
			t.Errorf("seed %d: %d requests in all, want %d; %v and before %v replies, want %d", seed, q.Total, sent, q.HTTP, q.HTTPBefore, replies)
		}
		if got, want := r.Before.Answered, repliesOf(r.Requests.HTTPBefore); got != want {
			t.Errorf("seed %d: %d answered before the stop, %d replies then", seed, got, want)
		}
		for _, d := range disagreements(&r) {
			t.Errorf("seed %d, packets %v: %s", seed, e.packets != nil, d)
		}
		if t.Failed() {
			t.Fatalf("%+v", r)
		}
	}
}

// disagreements lists the figures of a try that are told twice and differ.
func disagreements(r *record.DrainTry) (list []string) {
	same := func(what string, a, b int64) {
		if a != b {
			list = append(list, fmt.Sprintf("%s: %d and %d", what, a, b))
		}
	}
	var sum record.DrainGroup
	for i := range r.Groups {
		g := &r.Groups[i]
		sum.Connections.Opened += g.Connections.Opened
		sum.Requests.Sent += g.Requests.Sent
		sum.Requests.Total += g.Requests.Total
		sum.OpenAtStop += g.OpenAtStop
		sum.Refused += g.Refused
		sum.ConnectsUnanswered += g.ConnectsUnanswered
	}
	var sl record.DrainSlice
	for i := range r.Slices {
		s := &r.Slices[i]
		sl.Accepted += s.Accepted
		sl.Refused += s.Refused
		sl.Completed += s.Completed
		sl.Answered5xx += s.Answered5xx
		sl.Lost += s.Lost
		sl.FIN += s.FIN
		sl.RST += s.RST
	}
	l, c, q := &r.Listener, &r.Connections, &r.Requests
	same("connects and their fates", l.Attempts, l.Sum())
	same("connects that succeeded, connections opened after the stop", l.Opened, c.Opened-sum.OpenAtStop)
	same("connects that succeeded, by the timeline", l.Opened, sl.Accepted)
	same("connects refused, by groups", l.Refused, sum.Refused)
	same("connects refused, by the timeline", l.Refused, sl.Refused)
	same("connects without an answer, by groups", l.Unanswered(), sum.ConnectsUnanswered)
	same("connections and their fates", c.Opened, c.Sum())
	same("connections, by groups", c.Opened, sum.Connections.Opened)
	same("connections that the server ended, by the timeline", c.FIN+c.RST+c.Cut, sl.FIN+sl.RST)
	same("connections cut in a request, requests cut", c.Cut, q.CutFIN+q.CutRST)
	same("requests and their fates", q.Sent, q.Sum())
	same("requests, by groups", q.Sent, sum.Requests.Sent)
	same("requests of the load, by groups", q.Total, sum.Requests.Total)
	same("requests lost, by the timeline", q.Lost(), sl.Lost)
	same("requests answered, by the timeline", q.Completed+q.CompletedClose, sl.Completed)
	same("requests answered 5xx, by the timeline", q.Answered5xx, sl.Answered5xx)
	if len(q.HTTP) > 0 {
		same("replies, by status", q.Completed+q.CompletedClose+q.Answered5xx, repliesOf(q.HTTP)-q.HTTP["invalid"])
		same("replies of 5xx", q.Answered5xx, q.HTTP["5xx"])
	}
	same("requests lost, safe and unsafe", q.Lost(), q.Safe+q.Unsafe)
	same("clients that connected again", r.Reconnect.Clients, r.Reconnect.Reconnected()+r.Reconnect.Failed)
	if q.Raced+q.Unreceived > q.Safe {
		list = append(list, fmt.Sprintf("%d raced and %d not received, of %d safe to retry", q.Raced, q.Unreceived, q.Safe))
	}
	if l.Refused > 0 != (l.FirstRefusalS != nil) {
		list = append(list, fmt.Sprintf("%d refused, the first at %v", l.Refused, l.FirstRefusalS))
	}
	if l.Unserved+l.Undecided > l.Opened || l.Undecided > q.Open || l.UnservedFromS != nil && l.Unserved == 0 {
		list = append(list, fmt.Sprintf("%d of %d unserved, from %v", l.Unserved, l.Opened, l.UnservedFromS))
	}
	return list
}
