package drain

import (
	"fmt"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
)

// books lists what must agree: the load's own counts with the fates of single connections and requests, and both
// with the packets and the kernel's counters.
func (e *evidence) books(t *record.DrainTry) {
	add := func(name string, want, got int64, exact bool, note string) {
		t.Accounting = append(t.Accounting, record.Check{
			Name: name, Want: sockstate.Range{Min: want, Max: want}, Got: got, OK: want == got || !exact, Exact: exact, Note: note,
		})
	}
	whole := e.journal.Overflow == 0
	note := ""
	if !whole {
		note = quantity.Count(e.journal.Overflow) + " entries of the journal found no room"
	}

	var ends, outcomes int64
	for i := range e.journal.Conns {
		if c := &e.journal.Conns[i]; !c.Early && c.Ended < e.signal && c.End != loadgen.EndNotOpened {
			ends++ // between the count and the signal
		}
	}
	open := e.atEnd.Ledger.Opened - e.atArm.Ledger.Opened
	for i := range e.atArm.Groups {
		open += e.atArm.Groups[i].Established
	}
	add("open or opened since the count before the stop = ended or left", open, t.Connections.Sum()+ends, whole, note)

	var answered int64
	for i := range e.journal.Requests {
		if r := &e.journal.Requests[i]; !r.Early && (r.Fate == loadgen.Answered || r.Fate == loadgen.AnsweredClose) {
			answered++
		}
	}
	add("replies since that count = requests with one", e.atEnd.Ledger.Requests-e.atArm.Ledger.Requests, answered, whole, note)
	var inJournal, counted int64
	for i := range e.journal.Requests {
		if r := &e.journal.Requests[i]; !r.Early && r.Status != 0 {
			inJournal++
		}
	}
	for c := 2; c < len(e.atEnd.Ledger.Statuses); c++ {
		counted += e.atEnd.Ledger.Statuses[c] - e.atArm.Ledger.Statuses[c]
	}
	if inJournal+counted > 0 {
		add("HTTP replies since that count, 5xx too = requests with a status", counted, inJournal, whole, note)
	}
	add("requests sent = fates of requests", t.Requests.Sent, t.Requests.Sum(), true, "")
	add("requests lost = safe and unsafe to retry", t.Requests.Lost(), t.Requests.Safe+t.Requests.Unsafe, true, "")

	l := &e.total.Ledger
	for _, n := range l.Outcomes {
		outcomes += n
	}
	add("attempted = sum of outcomes", l.Attempted, outcomes, true, "")
	if q := t.Queued; q != nil {
		add("queued = served, ended or left", q.Queued, q.Served+q.Reset+q.FIN+q.TimedOut+q.Never, true, "")
	}
	e.kernelBooks(t, add)
	e.packetBooks(add)
}

type addCheck func(name string, want, got int64, exact bool, note string)

// kernelBooks compares with the kernel's counters, which are the try's own in a sandbox only.
func (e *evidence) kernelBooks(t *record.DrainTry, add addCheck) {
	l := &e.total.Ledger
	syns := l.Attempted - l.NoSYN
	const name = "TcpActiveOpens = attempted less failed before a SYN"
	if e.read != nil && !e.read("TcpActiveOpens") {
		t.Accounting = append(t.Accounting, record.Check{Name: name, Want: sockstate.Range{Min: syns, Max: syns}, NotRead: "the kernel's counter TcpActiveOpens was not read"})
		return
	}
	if len(e.counters) == 0 {
		return
	}
	note, got := "", e.counters["TcpActiveOpens"]
	if !e.own {
		note = "others' connections count in this namespace too"
	} else if n := got - syns; n > 0 && e.trace != nil && e.trace.Dropped == 0 && e.openings() == syns {
		// A proxy's connections to its backends, for one.
		note = fmt.Sprintf("and %s of the server's own, which went elsewhere", quantity.Count(n))
		got = syns
	}
	add(name, syns, got, e.own, note)
}

// packetBooks compares with the packets.
func (e *evidence) packetBooks(add addCheck) {
	if e.trace == nil {
		return
	}
	exact, note := true, ""
	switch {
	case e.trace.Dropped > 0:
		exact, note = false, quantity.Count(e.trace.Dropped)+" packets were not captured"
	case !e.own:
		exact, note = false, "others may connect to the target too"
	}
	l := &e.total.Ledger
	add("packets: first SYNs = attempted less failed before a SYN", l.Attempted-l.NoSYN, e.openings(), exact, note)

	if n := e.refusedEver(); n >= 0 {
		rsts, unanswered := e.refusalPackets()
		got := int64(len(rsts))
		if icmp := n - got; icmp > 0 && icmp <= int64(unanswered) && exact {
			note = fmt.Sprintf("and %s by ICMP, which is not captured", quantity.Count(icmp))
			got = n
		}
		add("packets: RSTs to SYNs = connects refused", n, got, exact, note)
	}
}

// openings is the number of SYNs from clients, those sent again not counted.
func (e *evidence) openings() int64 {
	type key struct {
		addr [16]byte
		port uint16
		seq  uint32
	}
	seen := make(map[key]bool)
	for i := range e.trace.Packets {
		if p := &e.trace.Packets[i]; !p.FromServer && p.Flags.Has(capture.SYN) {
			seen[key{p.Client, p.ClientPort, p.Seq}] = true
		}
	}
	return int64(len(seen))
}
