package drain

import (
	"slices"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
)

// queued says what became of the connections in the accept queue. They may be of any group, as all connect while the server is halted. nil:
// there is no queued group.
func (j *joined) queued() *record.DrainQueued {
	group := slices.IndexFunc(j.groups, func(g group) bool { return g.name == groupQueued })
	if group < 0 {
		return nil
	}
	q := &record.DrainQueued{Asked: int64(j.groups[group].asked), Queued: int64(len(j.queue))}
	inQueue := int64(0)
	for i := range j.conns {
		c := &j.conns[i]
		if !c.queued {
			continue
		}
		if int(c.Group) == group {
			inQueue++
		}
		switch {
		case c.Requests > 0:
			q.Served++
		case c.fate.byServer() && c.End == loadgen.EndByRST:
			q.Reset++
		case c.fate.byServer():
			q.FIN++
		case c.Outcome == sockstate.OutcomeRequestTimeout:
			q.TimedOut++
		default:
			q.Never++
		}
	}
	q.Elsewhere = q.Asked - inQueue
	return q
}
