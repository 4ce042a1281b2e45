package gallery

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
)

// Cell is what was observed in a column.
type Cell struct {
	Tally Tally
	// Detail replaces the tally's text where there are times or numbers to tell.
	Detail string
}

func (c *Cell) String() string {
	if c.Detail != "" {
		return c.Detail
	}
	return c.Tally.String()
}

// Observed is what the records of an entry say.
type Observed struct {
	Cells [columns]Cell
	Tries int
	// Arrivals are requests of new connections after the signal, and those of them that were lost.
	Arrivals, ArrivalsLost int64
	// Doubts are why a record is not to be trusted.
	Doubts []string
}

// ErrNoDrain is Observe's for a record of another kind.
var ErrNoDrain = errors.New("the record is of no drain")

// Observe reads two records of an entry: one of a load without queued connections, and one of queued
// connections. Either may be nil.
func Observe(load, queued *record.Run) (o Observed, err error) {
	for _, r := range []*record.Run{load, queued} {
		switch {
		case r == nil:
			continue
		case r.Drain == nil:
			return o, ErrNoDrain
		case !r.Verdict.Valid:
			o.Doubts = append(o.Doubts, r.Verdict.Reasons...)
		}
		for i := range r.Drain.Tries {
			for _, c := range r.Drain.Tries[i].Accounting {
				if !c.OK {
					o.Doubts = append(o.Doubts, fmt.Sprintf("try %d: %s does not hold", i+1, c.Name))
				}
			}
		}
	}
	if queued != nil {
		o.queued(queued.Drain.Tries)
	}
	if load != nil {
		o.load(load.Drain.Tries)
	}
	slices.Sort(o.Doubts)
	o.Doubts = slices.Compact(o.Doubts)
	return o, nil
}

func (o *Observed) queued(tries []record.DrainTry) {
	c := &o.Cells[Queued]
	for i := range tries {
		if q := tries[i].Queued; q != nil {
			c.Tally = c.Tally.add(queuedFates(q))
		}
	}
}

func (o *Observed) load(tries []record.DrainTry) {
	o.Tries = len(tries)
	var raced, sent int64
	var refusals, windows, exits []float64
	add := func(c Column, t Tally) { o.Cells[c].Tally = o.Cells[c].Tally.add(t) }
	for i := range tries {
		t := &tries[i]
		for j := range t.Groups {
			g := &t.Groups[j]
			if g.Name != "arrivals" {
				raced += g.Requests.Safe
				sent += g.Requests.Sent
			}
			switch g.Name {
			case "idle":
				add(Idle, idleFates(&g.Connections))
			case "in-flight":
				add(InFlight, requestFates(&g.Requests))
			case "arrivals":
				o.Arrivals += g.Requests.Sent
				o.ArrivalsLost += g.Requests.Lost()
			}
		}
		add(New, newFate(&t.Listener))
		add(Exit, exitFate(&t.Server))
		add(Port, portFate(&t.Port))
		refusals = appendKnown(refusals, t.Listener.FirstRefusalS)
		exits = appendKnown(exits, t.Server.ExitS)
		if t.Listener.AcceptsAgainS != nil {
			windows = append(windows, t.Listener.RefusedWindowS)
		}
	}
	switch raced {
	case 0:
		add(Racing, Tally{{None, int64(len(tries))}})
	default:
		add(Racing, Tally{{Raced, raced}})
		o.Cells[Racing].Detail = fmt.Sprintf("%s of %s requests", quantity.Count(raced), quantity.Count(sent))
	}
	o.Cells[New].detail(Refused, "refused from %s on", refusals)
	o.Cells[New].detail(RefusedFor, "refused for %s", windows)
	if t := o.Cells[Exit].Tally; len(t) == 1 && len(exits) == len(tries) {
		o.Cells[Exit].detail(t[0].Fate, string(t[0].Fate)+" after %s", exits)
	}
}

// detail tells the median of the times where every try had this fate.
func (c *Cell) detail(f Fate, format string, seconds []float64) {
	if len(c.Tally) == 1 && c.Tally[0].Fate == f && len(seconds) > 0 {
		c.Detail = fmt.Sprintf(format, quantity.Seconds(metric.Median(seconds)))
	}
}

func appendKnown(all []float64, v *float64) []float64 {
	if v == nil {
		return all
	}
	return append(all, *v)
}

func newFate(l *record.DrainListener) Tally {
	switch {
	case l.Attempts == 0:
		return nil
	case l.TimedOut > 0:
		return Tally{{TimedOut, 1}}
	case l.Refused == 0:
		return Tally{{Accepted, 1}}
	case l.AcceptsAgainS != nil:
		return Tally{{RefusedFor, 1}}
	}
	return Tally{{Refused, 1}}
}

func exitFate(s *record.DrainServer) Tally {
	switch {
	case s.ThenSent:
		return Tally{{KilledLate, 1}}
	case s.Stayed:
		return Tally{{Stays, 1}}
	case s.ExitSignal != "":
		return Tally{{BySignal, 1}}
	case s.ExitCode == nil:
		return Tally{{other, 1}}
	case *s.ExitCode == 0:
		return Tally{{ExitOK, 1}}
	}
	return Tally{{ExitCode(*s.ExitCode), 1}}
}

// ExitCode is the fate of a process that ended by itself.
func ExitCode(code int) Fate { return Fate("exit " + strconv.Itoa(code)) }

func portFate(p *record.DrainPort) Tally {
	const ok = "ok"
	switch {
	case p.Plain == "" && p.Reuse == "":
		return nil
	case p.Plain == ok:
		return Tally{{PortFree, 1}}
	case p.Reuse == ok:
		return Tally{{PortReuse, 1}}
	}
	return Tally{{PortTaken, 1}}
}
