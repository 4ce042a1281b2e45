package drain

import (
	"lastack/bench/record"
	"lastack/sockstate"
)

// addStatuses counts the replies of a group by status class.
func (j *joined) addStatuses(to [2]*record.DrainRequests, group int) {
	var after sockstate.Statuses
	for i := range j.requests {
		if r := &j.requests[i]; int(r.Group) == group && r.Status != 0 && r.Ended >= j.signal {
			after[r.Status/100]++
		}
	}
	all, marked := j.atEnd.Groups[group].Ledger.Statuses, j.atMark.Groups[group].Ledger.Statuses
	after[sockstate.InvalidStatus] = all[sockstate.InvalidStatus] - marked[sockstate.InvalidStatus] // not in the journal, which has whole replies only
	put := func(m *map[string]int64, c sockstate.StatusClass, n int64) {
		if n <= 0 {
			return
		}
		if *m == nil {
			*m = make(map[string]int64)
		}
		(*m)[c.String()] += n
	}
	for i := range all {
		c := sockstate.StatusClass(i)
		if c == 1 {
			continue // interim: another reply follows
		}
		for _, q := range to {
			put(&q.HTTP, c, after[i])
			put(&q.HTTPBefore, c, all[i]-after[i])
		}
	}
}
