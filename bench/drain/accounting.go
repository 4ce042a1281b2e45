package drain

import (
	"fmt"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
)

// checks are pairs of figures that must agree.
type checks []record.Check

func (c *checks) add(name string, want, got int64, exact bool, note string) {
	*c = append(*c, record.Check{
		Name: name, Want: sockstate.Range{Min: want, Max: want}, Got: got, OK: want == got || !exact, Exact: exact, Note: note,
	})
}

// accounting compares the load's counts with the fates of connections and requests, and both with the packets, the kernel's counters and
// the server's ledger.
func (j *joined) accounting(t *record.DrainTry) []record.Check {
	var c checks
	whole, note := j.journal.Overflow == 0, ""
	if !whole {
		note = quantity.Count(j.journal.Overflow) + " entries of the journal found no room"
	}
	open := j.atEnd.Ledger.Opened - j.atMark.Ledger.Opened
	for i := range j.atMark.Groups {
		open += j.atMark.Groups[i].Established
	}
	ends := int64(0) // between the count and the signal
	for i := range j.conns {
		if c := &j.conns[i]; !c.Early && c.Ended < j.signal && c.End != loadgen.EndNotOpened {
			ends++
		}
	}
	c.add("open or opened since the count before the stop = ended or left", open, t.Connections.Sum()+ends, whole, note)

	var answered, inJournal, counted int64
	for i := range j.requests {
		r := &j.requests[i]
		if r.Early {
			continue
		}
		if r.Fate == loadgen.Answered || r.Fate == loadgen.AnsweredClose {
			answered++
		}
		if r.Status != 0 {
			inJournal++
		}
	}
	c.add("replies since that count = requests with one", j.atEnd.Ledger.Requests-j.atMark.Ledger.Requests, answered, whole, note)
	for class := 2; class < len(j.atEnd.Ledger.Statuses); class++ {
		counted += j.atEnd.Ledger.Statuses[class] - j.atMark.Ledger.Statuses[class]
	}
	if inJournal+counted > 0 {
		c.add("HTTP replies since that count, 5xx too = requests with a status", counted, inJournal, whole, note)
	}
	c.add("requests sent = fates of requests", t.Requests.Sent, t.Requests.Sum(), true, "")
	c.add("requests lost = safe and unsafe to retry", t.Requests.Lost(), t.Requests.Safe+t.Requests.Unsafe, true, "")

	outcomes := int64(0)
	for _, n := range j.total.Ledger.Outcomes {
		outcomes += n
	}
	c.add("attempted = sum of outcomes", j.total.Ledger.Attempted, outcomes, true, "")
	if q := t.Queued; q != nil {
		c.add("queued = served, ended or left", q.Queued, q.Served+q.Reset+q.FIN+q.TimedOut+q.Never, true, "")
	}
	j.checkCounters(&c)
	j.checkPackets(&c)
	j.checkLedger(&c)
	return c
}

// syns is how many connects sent a SYN.
func (j *joined) syns() int64 { return j.total.Ledger.Attempted - j.total.Ledger.NoSYN }

// checkCounters compares with the kernel's counters. Only in a sandbox does nobody else change them.
func (j *joined) checkCounters(c *checks) {
	const counter = "TcpActiveOpens"
	const name = counter + " = attempted less failed before a SYN"
	syns := j.syns()
	if !j.counted(counter) {
		*c = append(*c, record.Check{Name: name, Want: sockstate.Range{Min: syns, Max: syns}, NotRead: "the kernel's counter " + counter + " was not read"})
		return
	}
	note, got := "", j.grown(counter)
	if !j.ownCounters {
		note = "others' connections count in this namespace too"
	} else if n := got - syns; n > 0 && j.packets != nil && j.packets.Dropped == 0 && j.opening == syns {
		// For example, a proxy connects to its backends.
		note = fmt.Sprintf("and %s of the server's own, which went elsewhere", quantity.Count(n))
		got = syns
	}
	c.add(name, syns, got, j.ownCounters, note)
}

func (j *joined) checkPackets(c *checks) {
	if j.packets == nil {
		return
	}
	exact, note := true, ""
	switch {
	case j.packets.Dropped > 0:
		exact, note = false, quantity.Count(j.packets.Dropped)+" packets were not captured"
	case !j.ownCounters:
		exact, note = false, "others may connect to the target too"
	}
	c.add("packets: first SYNs = attempted less failed before a SYN", j.syns(), j.opening, exact, note)
	if j.journal.Overflow > 0 {
		return // some refusals are missing
	}
	got := int64(len(j.refusals))
	if icmp := j.refusedEver - got; icmp > 0 && icmp <= int64(j.unanswered) && exact {
		note = fmt.Sprintf("and %s by ICMP, which is not captured", quantity.Count(icmp))
		got = j.refusedEver
	}
	c.add("packets: RSTs to SYNs = connects refused", j.refusedEver, got, exact, note)
}

// checkLedger compares with the server's ledger. Connections in the queue were reset when the listener closed, and never accepted.
func (j *joined) checkLedger(c *checks) {
	got, ok := j.ledger["accepted"]
	if !ok || len(j.stop.Restart) > 0 {
		return
	}
	opened := j.total.Ledger.Opened + j.probed
	want := sockstate.Range{Min: opened, Max: opened}
	for i := range j.conns {
		if j.conns[i].End == loadgen.EndByRST {
			want.Min--
		}
	}
	*c = append(*c, record.Check{
		Name: "server's ledger: accepted = opened, and probed, less reset in the queue", Want: want, Got: got, OK: want.Contains(got), Exact: true,
	})
}
