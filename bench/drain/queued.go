package drain

import (
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
)

// queued says what became of the connections in the accept queue: of whatever group, for all connect while the server
// is halted. nil: there is no such group.
func (j *joined) queued() *record.DrainQueued {
	for i := range j.groups {
		if j.groups[i].name == groupQueued {
			return j.queuedOf(i)
		}
	}
	return nil
}

func (j *joined) queuedOf(group int) *record.DrainQueued {
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
