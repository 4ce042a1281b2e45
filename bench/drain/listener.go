package drain

import (
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate/wire"
)

// doors are the answers to SYNs after the signal, in the order of time.
type doors struct {
	accepted, refused []int64
}

// doors are read off the packets, or else from what the clients saw.
func (e *evidence) doors() doors {
	if e.trace == nil {
		return e.doorsByClients()
	}
	var d doors
	// The last SYN of each client that has no answer yet.
	type key struct {
		addr [16]byte
		port uint16
	}
	waiting := make(map[key]bool)
	for i := range e.trace.Packets {
		p := &e.trace.Packets[i]
		k := key{p.Client, p.ClientPort}
		switch {
		case !p.FromServer:
			if p.Flags.Has(wire.SYN) {
				waiting[k] = true
			}
		case p.At < e.signal:
			delete(waiting, k)
		case p.Flags.Has(wire.SYN):
			if waiting[k] {
				d.accepted = append(d.accepted, p.At)
				delete(waiting, k)
			}
		case p.Flags.Has(wire.RST) && waiting[k]:
			d.refused = append(d.refused, p.At)
			delete(waiting, k)
		}
	}
	return d
}

func (e *evidence) doorsByClients() doors {
	var d doors
	for i := range e.journal.Conns {
		c := &e.journal.Conns[i]
		switch {
		case c.Opened > e.signal:
			d.accepted = append(d.accepted, c.Opened)
		case c.Outcome == loadgen.Refused && c.Ended > e.signal:
			d.refused = append(d.refused, c.Ended)
		}
	}
	sortTimes(d.accepted)
	sortTimes(d.refused)
	return d
}

// listener says what happened to new connections.
func (e *evidence) listener(t *record.DrainTry) {
	l := &t.Listener
	for i := range e.journal.Conns {
		c := &e.journal.Conns[i]
		decided := c.Opened
		if decided == 0 {
			decided = c.Ended
		}
		if decided < e.signal || c.Early || e.late(decided) {
			continue // those under way at the signal count
		}
		l.Attempts++
		switch {
		case c.Outcome == loadgen.Refused:
			l.Refused++
		case c.Outcome == loadgen.ConnectTimeout:
			l.TimedOut++
		case c.Opened != 0:
			l.SlowestConnectS = max(l.SlowestConnectS, float64(c.Opened-c.Began)/1e9)
		}
	}
	d := e.doors()
	if len(d.refused) == 0 {
		return
	}
	first, last := d.refused[0], d.refused[len(d.refused)-1]
	l.FirstRefusalS = e.since(first)
	for _, at := range d.accepted {
		if at < first {
			l.LastAcceptS = e.since(at)
		}
		if at > last {
			l.AcceptsAgainS = e.since(at)
			l.RefusedWindowS = float64(at-first) / 1e9
			return
		}
	}
	l.RefusedWindowS = float64(max(e.concluded, last)-first) / 1e9
}
