package report

import "lastack/report/document"

// nextShown is the most that is said of what to look at next.
const nextShown = 2

// next says what to look at, or to try, after a drain, the worst for clients first. It is nil if there is nothing.
func (d *drainView) next() *section {
	var all []string
	say := func(holds bool, sentence string) {
		if holds {
			all = append(all, sentence)
		}
	}
	r, l, stop := &d.try.Requests, &d.try.Listener, &d.drain.Stop
	lost := r.Lost() > 0
	say(lost && r.Unsafe > 0, "the server closed on requests that it may have begun: have it answer them first")
	say(lost && r.Unsafe == 0 && r.Safe > 0, "the lost requests are safe to send again: a client or proxy with retries hides them")
	say(d.try.Queued != nil && d.try.Queued.Reset > 0, "the closed listener reset its queue: accept all of it first, or try tcp_migrate_req")
	say(l.Refused > 0 && stop.Restart == nil, "connects are refused until something listens again: try --restart, or --handover")
	say(l.Refused > 0 && stop.Restart != nil && !stop.Handover, "--handover starts the new server before the signal, to avoid the refusals")
	say(d.try.Server.ThenSent, "the server did not end in time: try a longer --grace, and see what it wrote (-v)")
	say(d.try.Connections.Left() > 0 && !d.try.Server.Stayed, "connections outlived the watch: a longer --watch sees their end")
	if len(all) == 0 {
		return nil
	}
	s := begin(document.First, "NEXT", all[0])
	for _, sentence := range all[1:min(len(all), nextShown)] {
		s.fact(document.First, "", sentence)
	}
	return s
}
