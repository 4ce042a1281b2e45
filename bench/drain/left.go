package drain

import (
	"net/netip"

	"lastack/bench/record"
	"lastack/sockstate"
)

// leftover counts the sockets that the server left. Those of connections that had ended before the stop count separately.
func (j *joined) leftover() record.DrainLeftover {
	var l record.DrainLeftover
	if j.server.left == nil {
		return l
	}
	l.Known, l.States = true, make(map[string]int)
	reported := make(map[netip.AddrPort]bool)
	for i := range j.conns {
		if c := &j.conns[i]; c.reported && c.Opened != 0 {
			reported[c.Local()] = true
		}
	}
	for client, s := range j.server.left {
		if !reported[client] {
			if s.State == sockstate.TimeWait {
				l.Earlier++
			}
			continue
		}
		l.States[s.State.String()]++
		switch s.State {
		case sockstate.TimeWait:
			l.TimeWait++
			l.LongestLeftS = max(l.LongestLeftS, s.Left.Seconds())
		case sockstate.FinWait2:
			l.FinWait2++
		default:
		}
	}
	return l
}
