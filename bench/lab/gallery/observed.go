package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
)

// cell is what was observed in a column.
type cell struct {
	Tally tally
	// Detail, if not empty, replaces the tally's text.
	Detail string
}

func (c *cell) String() string {
	if c.Detail != "" {
		return c.Detail
	}
	return c.Tally.String()
}

// observation is the result of an entry's records.
type observation struct {
	Cells [columns]cell
	Tries int
	// Arrivals are requests of new connections after the signal, and those of them that were lost.
	Arrivals, ArrivalsLost int64
	// Doubts are reasons not to trust a record.
	Doubts []string
}

// errNoDrain is observe's error for a record of another kind.
var errNoDrain = errors.New("the record is of no drain")

// observe reads two records of an entry: one of a load without queued connections, and one of queued
// connections. Either may be nil.
func observe(load, queued *record.Run) (o observation, err error) {
	for _, r := range []*record.Run{load, queued} {
		switch {
		case r == nil:
			continue
		case r.Drain == nil:
			return o, errNoDrain
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

func (o *observation) queued(tries []record.DrainTry) {
	c := &o.Cells[colQueued]
	for i := range tries {
		if q := tries[i].Queued; q != nil {
			c.Tally = c.Tally.add(queuedFates(q))
		}
	}
}

func (o *observation) load(tries []record.DrainTry) {
	o.Tries = len(tries)
	var late, sent int64
	var refusals, windows, exits []float64
	add := func(c column, t tally) { o.Cells[c].Tally = o.Cells[c].Tally.add(t) }
	for i := range tries {
		t := &tries[i]
		for j := range t.Groups {
			g := &t.Groups[j]
			if g.Name != "arrivals" {
				late += g.Requests.Safe
				sent += g.Requests.Sent
			}
			switch g.Name {
			case "idle":
				add(colIdle, idleFates(&g.Connections))
			case "in-flight":
				add(colInFlight, requestFates(&g.Requests))
			case "arrivals":
				o.Arrivals += g.Requests.Sent
				o.ArrivalsLost += g.Requests.Lost()
			}
		}
		add(colNew, newFate(&t.Listener))
		add(colExit, exitFate(&t.Server))
		add(colPort, portFate(&t.Port))
		refusals = appendKnown(refusals, t.Listener.FirstRefusalS)
		exits = appendKnown(exits, t.Server.ExitS)
		if t.Listener.AcceptsAgainS != nil {
			windows = append(windows, t.Listener.RefusedWindowS)
		}
	}
	switch late {
	case 0:
		add(colRaced, tally{{none, int64(len(tries))}})
	default:
		add(colRaced, tally{{raced, late}})
		o.Cells[colRaced].Detail = fmt.Sprintf("%s of %s requests", quantity.Count(late), quantity.Count(sent))
	}
	o.Cells[colNew].detail(refused, "refused from %s on", refusals)
	o.Cells[colNew].detail(refusedFor, "refused for %s", windows)
	if t := o.Cells[colExit].Tally; len(t) == 1 && len(exits) == len(tries) {
		o.Cells[colExit].detail(t[0].Fate, string(t[0].Fate)+" after %s", exits)
	}
}

// detail adds the median of the times if every try had this fate.
func (c *cell) detail(f fate, format string, seconds []float64) {
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

func newFate(l *record.DrainListener) tally {
	switch {
	case l.Attempts == 0:
		return nil
	case l.TimedOut > 0:
		return tally{{timedOut, 1}}
	case l.Refused == 0:
		return tally{{accepted, 1}}
	case l.AcceptsAgainS != nil:
		return tally{{refusedFor, 1}}
	}
	return tally{{refused, 1}}
}

func exitFate(s *record.DrainServer) tally {
	switch {
	case s.ThenSent:
		return tally{{killedLate, 1}}
	case s.Stayed:
		return tally{{stays, 1}}
	case s.ExitSignal != "":
		return tally{{bySignal, 1}}
	case s.ExitCode == nil:
		return tally{{other, 1}}
	case *s.ExitCode == 0:
		return tally{{exitOK, 1}}
	}
	return tally{{exitCode(*s.ExitCode), 1}}
}

// exitCode is the fate of a process that ended by itself.
func exitCode(code int) fate { return fate("exit " + strconv.Itoa(code)) }

func portFate(p *record.DrainPort) tally {
	const ok = "ok"
	switch {
	case p.Plain == "" && p.Reuse == "":
		return nil
	case p.Plain == ok:
		return tally{{portFree, 1}}
	case p.Reuse == ok:
		return tally{{portReuse, 1}}
	}
	return tally{{portTaken, 1}}
}
