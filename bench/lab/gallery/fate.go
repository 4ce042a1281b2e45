package main

import (
	"fmt"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// fate is the fate of a connection or request, as in the table.
type fate string

// The fates of unused connections, queued or idle.
const (
	served    fate = "served" // accepted, and its request answered
	fin       fate = "FIN"
	rst       fate = "RST"
	staysOpen fate = "stays open" // until the watch ended
)

// The fates of requests. Cut means FIN or RST: which it is depends on whether the server's socket
// had unread data (tcp_close).
const (
	answered      fate = "answered"
	answeredClose fate = "answered, close" // with "Connection: close"
	answered5xx   fate = "5xx"
	cut           fate = "cut"
	timedOut      fate = "timed out"
	unanswered    fate = "unanswered" // neither answered nor cut when the watch ended
)

// The fates counted once per try.
const (
	refused    fate = "refused" // from some time on
	refusedFor fate = "refused for a while"
	accepted   fate = "accepted"

	raced fate = "raced"
	none  fate = "none"

	exitOK     fate = "exit 0"
	bySignal   fate = "by the signal"
	stays      fate = "goes on"
	killedLate fate = "killed after the grace"

	portFree  fate = "free"
	portReuse fate = "SO_REUSEADDR" // with it only
	portTaken fate = "taken"
)

// other stands for fates that no entry expects.
const other fate = "other"

// count is the number that had a fate.
type count struct {
	Fate fate
	N    int64
}

// tally counts fates, all above 0. In the zero value nothing was observed.
type tally []count

func tallyOf(counts ...count) tally {
	return slices.DeleteFunc(counts, func(c count) bool { return c.N == 0 })
}

// add sums two tallies, in the order of the first.
func (t tally) add(u tally) tally {
	sum := slices.Clone(t)
	for _, c := range u {
		if i := slices.IndexFunc(sum, func(s count) bool { return s.Fate == c.Fate }); i >= 0 {
			sum[i].N += c.N
		} else {
			sum = append(sum, c)
		}
	}
	return sum
}

// within reports whether all fates of t are among these.
func (t tally) within(fates []fate) bool {
	return !slices.ContainsFunc(t, func(c count) bool { return !slices.Contains(fates, c.Fate) })
}

// String names a single fate without its count.
func (t tally) String() string {
	switch len(t) {
	case 0:
		return "–"
	case 1:
		return string(t[0].Fate)
	}
	parts := make([]string, len(t))
	for i, c := range t {
		parts[i] = fmt.Sprintf("%s %s", quantity.Count(c.N), c.Fate)
	}
	return strings.Join(parts, ", ")
}

// expectedCell is a set of fates as a cell.
func expectedCell(fates []fate) string {
	if len(fates) == 0 {
		return "–"
	}
	parts := make([]string, len(fates))
	for i, f := range fates {
		parts[i] = string(f)
	}
	return strings.Join(parts, " or ")
}

func queuedFates(q *record.DrainQueued) tally {
	return tallyOf(count{served, q.Served}, count{rst, q.Reset}, count{fin, q.FIN}, count{staysOpen, q.Never})
}

func idleFates(c *record.DrainConnections) tally {
	return tallyOf(count{fin, c.FIN}, count{rst, c.RST}, count{staysOpen, c.Never}, count{cut, c.Cut}, count{other, c.Done + c.Other})
}

// requestFates leaves out requests that arrived after the server had closed the connection.
func requestFates(r *record.DrainRequests) tally {
	return tallyOf(
		count{answered, r.Completed}, count{answeredClose, r.CompletedClose}, count{answered5xx, r.Answered5xx},
		count{cut, r.CutFIN + r.CutRST - r.Safe}, count{timedOut, r.TimedOut}, count{unanswered, r.Open}, count{other, r.Other},
	)
}
