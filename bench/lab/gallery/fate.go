package gallery

import (
	"fmt"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// Fate is what became of a connection or of a request, as the table says it.
type Fate string

// The fates of connections that nobody used, queued or idle.
const (
	Served Fate = "served" // accepted, and its request answered
	FIN    Fate = "FIN"
	RST    Fate = "RST"
	Open   Fate = "stays open" // until the watch ended
)

// The fates of requests. FIN and RST are not told apart among the cut: which of them it is depends
// on whether the server's socket held unread data (tcp_close).
const (
	Answered      Fate = "answered"
	AnsweredClose Fate = "answered, close" // with "Connection: close"
	Answered5xx   Fate = "5xx"
	Cut           Fate = "cut"
	TimedOut      Fate = "timed out"
	Unanswered    Fate = "unanswered" // neither answered nor cut when the watch ended
)

// The fates of what is counted by the try.
const (
	Refused    Fate = "refused" // from some moment on
	RefusedFor Fate = "refused for a while"
	Accepted   Fate = "accepted"

	Raced Fate = "raced"
	None  Fate = "none"

	ExitOK     Fate = "exit 0"
	BySignal   Fate = "by the signal"
	Stays      Fate = "goes on"
	KilledLate Fate = "killed after the grace"

	PortFree  Fate = "free"
	PortReuse Fate = "SO_REUSEADDR" // with it only
	PortTaken Fate = "taken"
)

// other are fates that no entry expects.
const other Fate = "other"

// Count is the number that had a fate.
type Count struct {
	Fate Fate
	N    int64
}

// Tally counts fates, none of them 0 times. The zero value is of nothing observed.
type Tally []Count

func tally(counts ...Count) Tally {
	return slices.DeleteFunc(counts, func(c Count) bool { return c.N == 0 })
}

// add sums two tallies, in the order of the first.
func (t Tally) add(u Tally) Tally {
	sum := slices.Clone(t)
	for _, c := range u {
		if i := slices.IndexFunc(sum, func(s Count) bool { return s.Fate == c.Fate }); i >= 0 {
			sum[i].N += c.N
		} else {
			sum = append(sum, c)
		}
	}
	return sum
}

// within reports whether nothing had another fate than these.
func (t Tally) within(fates []Fate) bool {
	return !slices.ContainsFunc(t, func(c Count) bool { return !slices.Contains(fates, c.Fate) })
}

// String names a single fate without its count.
func (t Tally) String() string {
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

// expected is a set of fates as a cell.
func expected(fates []Fate) string {
	if len(fates) == 0 {
		return "–"
	}
	parts := make([]string, len(fates))
	for i, f := range fates {
		parts[i] = string(f)
	}
	return strings.Join(parts, " or ")
}

func queuedFates(q *record.DrainQueued) Tally {
	return tally(Count{Served, q.Served}, Count{RST, q.Reset}, Count{FIN, q.FIN}, Count{Open, q.Never})
}

func idleFates(c *record.DrainConnections) Tally {
	return tally(Count{FIN, c.FIN}, Count{RST, c.RST}, Count{Open, c.Never}, Count{Cut, c.Cut}, Count{other, c.Done + c.Other})
}

// requestFates leaves out those that came when the server had closed the connection already: they raced the close.
func requestFates(r *record.DrainRequests) Tally {
	return tally(
		Count{Answered, r.Completed}, Count{AnsweredClose, r.CompletedClose}, Count{Answered5xx, r.Answered5xx},
		Count{Cut, r.CutFIN + r.CutRST - r.Safe}, Count{TimedOut, r.TimedOut}, Count{Unanswered, r.Open}, Count{other, r.Other},
	)
}
