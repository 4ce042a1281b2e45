package report

import (
	"cmp"

	"lastack/bench/quantity"
	"lastack/report/document"
)

// nextShown is the most that is said of what to look at next.
const nextShown = 2

// next says what to look at, or to try, after a drain, the worst for clients first, as metric.WorstTry has it. It is nil if there is
// nothing.
func (d *drainView) next() *section {
	var all, commands []string
	advise := func(holds bool, sentence, command string) {
		if holds {
			all, commands = append(all, sentence), append(commands, command)
		}
	}
	say := func(holds bool, sentence string) { advise(holds, sentence, "") }
	try, stop := d.try, &d.drain.Stop
	r, l, restart, server := &try.Requests, &try.Listener, try.Restart, &try.Server
	cut := r.CutFIN+r.CutRST > 0
	say(cut && r.Unsafe > 0, "the server closed on requests that it may have begun: have it answer them first")
	say(r.TimedOut > 0, "requests had no reply in time: see what the server waited for, or try a longer --request-timeout")
	say(r.Other > 0, "replies were not what --exchange expects: see what the target answers")
	if n := r.Answered5xx; n > 0 {
		subject := quantity.Count(n) + quantity.Plural(n, " request was", " requests were") + " answered 5xx: "
		say(len(stop.Also) == 0, subject+"have the server answer what it accepts, with Connection: close, until it ends")
		say(len(stop.Also) > 0, subject+"take the server out of what runs in front of it before the stop")
	}
	say(cut && r.Unsafe == 0, "the lost requests are safe to send again: a client or proxy with retries hides them")
	say(try.Queued != nil && try.Queued.Reset > 0, "the closed listener reset its queue: accept all of it first, or try tcp_migrate_req")
	say(restart != nil && restart.Failed != "", "the restart failed: see what it wrote (-v)")
	advise(l.Refused > 0 && len(stop.Restart) == 0, "connects are refused until something listens again: try --restart, or --handover", restarted(&d.run.Plan, stop))
	advise(l.Refused > 0 && len(stop.Restart) > 0 && (restart == nil || restart.Failed == "") && !stop.Handover,
		"--handover starts the new server before the signal, to avoid the refusals", handedOver(&d.run.Plan, stop))
	say(l.TimedOut > 0, "connects had no answer in time: their SYNs were dropped, by a full accept queue or a filter (-v has the kernel's counters)")
	say(l.Unreachable > 0, "connects met no route: keep the server's address until its clients have left")
	say(l.Unserved > 0, "connections were accepted by the kernel, but by no process: have the server close its listener when it stops accepting")
	say(server.EndedByReload, "the server ended instead of reloading: see which signal it reloads on")
	say(len(server.StillListening)+len(server.ListenedOn) > 0, "a process of the server kept the listening socket: signal its parent, or all of them")
	say(server.ThenSent, "the server did not end in time: try a longer --grace, and see what it wrote (-v)")
	say(try.Connections.Left() > 0 && !server.Stayed, "connections outlived the watch: a longer --watch sees their end")
	say(r.Open+l.Pending > 0 && !d.cutShort(), "requests or connects were undecided when the load ended: a longer --watch sees their end")
	if len(all) == 0 {
		return nil
	}
	s := begin(document.First, "NEXT", all[0])
	for _, sentence := range all[1:min(len(all), nextShown)] {
		s.fact(document.First, "", sentence)
	}
	s.Command = cmp.Or(commands[:min(len(all), nextShown)]...)
	return s
}
