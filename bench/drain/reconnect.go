package drain

import (
	"slices"

	"lastack/bench/record"
	"lastack/loadgen"
)

// reconnects says which server the clients reached that had lost their connection.
func (j *joined) reconnects() record.DrainReconnect {
	// last is the last connection of each client that reconnected, in the order of the journal.
	last := make(map[loadgen.ClientID]*connection)
	var landed []int64
	for i := range j.conns {
		c := &j.conns[i]
		if !c.Again || c.Began < j.signal {
			continue
		}
		if was := last[c.Client]; was == nil || was.Opened == 0 || c.Opened != 0 {
			last[c.Client] = c
		}
		if c.Opened != 0 {
			landed = append(landed, c.Opened)
		}
	}
	r := record.DrainReconnect{Clients: int64(len(last))}
	for _, c := range last {
		if c.Opened == 0 || c.Ended < j.concluded && c.End != loadgen.EndByClient {
			r.Failed++
			continue
		}
		if r.Landed == nil {
			r.Landed = make(map[string]int64)
		}
		r.Landed[string(c.owner)]++
	}
	if len(landed) > 0 {
		r.FirstS, r.LastS = j.since(slices.Min(landed)), j.since(slices.Max(landed))
	}
	return r
}
