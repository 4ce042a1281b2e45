package report

import (
	"fmt"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// queued is what became of the connections in the accept queue.
func (d *drainText) queued() {
	q := d.try.Queued
	if q == nil {
		if why, unknown := d.try.WhyUnknown("queued"); unknown {
			d.section("QUEUED", "not known: "+why)
		}
		return
	}
	d.section("QUEUED", "connections in the accept queue when the stop began: open for the client, not yet accepted by the server")
	tab := table{indent: "  ", first: 24, cell: 10, notes: true}
	note := "by the kernel's count"
	if q.Asked != q.Queued {
		note += ", " + quantity.Count(q.Asked) + " were asked for"
	}
	tab.row("queued", quantity.Count(q.Queued), note)
	tab.row("  served", quantity.Count(q.Served), "accepted and answered after all")
	tab.row("  reset", quantity.Count(q.Reset), "RST: their listener was closed")
	if q.FIN > 0 {
		tab.row("  ended by FIN", quantity.Count(q.FIN), "accepted, but never answered")
	}
	if q.Never > 0 {
		tab.row("  still open", quantity.Count(q.Never), "when the watch ended")
	}
	tab.write(&d.page)
}

// reconnect says where clients went that had lost their connection.
func (d *drainText) reconnect() {
	r := &d.try.Reconnect
	why, unknown := d.try.WhyUnknown("reconnect")
	if r.Clients == 0 && len(r.Landed) == 0 {
		if unknown {
			d.section("RECONNECT", "not known: "+why)
		}
		return
	}
	d.section("RECONNECT", "clients that had lost their connection, and who has them now")
	tab := table{indent: "  ", first: 24, cell: 10, notes: true}
	tab.row("tried to connect again", quantity.Count(r.Clients), "")
	for _, where := range ordered(r.Landed, []string{"new", "old", "other", "unknown"}) {
		words := map[string]string{
			"new": "the server that was started again", "old": "the server that stops", "other": "another process", "unknown": "whose socket it is could not be read",
		}[where]
		tab.row("  landed: "+where, quantity.Count(r.Landed[where]), words)
	}
	tab.row("  had none at the end", quantity.Count(r.Failed), "")
	if r.FirstS != nil {
		tab.row("first back", since(*r.FirstS), "")
	}
	if r.LastS != nil {
		tab.row("last back", since(*r.LastS), "")
	}
	tab.write(&d.page)
}

// saidLines is how much of a server's last words is shown.
const saidLines = 8

// server says what became of the process.
func (d *drainText) server() {
	s := &d.try.Server
	d.section("SERVER", "")
	say := func(what, text string) {
		if text != "" {
			d.hang("  "+pad(what, 9), text)
		}
	}
	say("process", processWords(s))
	if d.drain.Stop.Way == record.DrainByHook && (s.HookS != nil || s.HookCode != nil) {
		var parts []string
		if s.HookS != nil {
			parts = append(parts, "ended "+since(*s.HookS))
		}
		if s.HookCode != nil {
			parts = append(parts, fmt.Sprintf("exit code %d", *s.HookCode))
		}
		say("hook", strings.Join(parts, ", "))
	}
	say("ended", d.ended())
	if s.ThenSent {
		signal := d.drain.Stop.Then
		if signal == "" {
			signal = "a second signal"
		}
		say("grace", "over after "+askedSeconds(d.drain.Stop.GraceS)+" with the server still there: "+signal+" was sent")
	}
	var ledger []string
	for _, k := range keys(s.Ledger) {
		ledger = append(ledger, k+" "+quantity.Count(s.Ledger[k]))
	}
	say("ledger", join(": ", map[bool]string{true: "", false: "its own counts"}[len(ledger) == 0], strings.Join(ledger, ", ")))
	lines := strings.Split(strings.TrimSpace(s.Said), "\n")
	if n := len(lines); n > saidLines {
		lines = append([]string{fmt.Sprintf("(%d lines before)", n-saidLines)}, lines[n-saidLines:]...)
	}
	lead := "said"
	for _, l := range lines {
		if strings.TrimSpace(l) != "" {
			d.line("  " + pad(lead, 9) + "| " + l)
			lead = ""
		}
	}
}

func processWords(s *record.DrainServer) string {
	var pid string
	if s.PID > 0 {
		pid = fmt.Sprint(s.PID)
	}
	switch s.Contained {
	case "pid_namespace":
		return join(", ", pid, "in a PID namespace of its own: none of its children can outlive this drain")
	case "process_group":
		return join(", ", pid, join(": ", "in a process group of its own, which a child that leaves it outlives", s.ContainedReason))
	case "":
		return join(", ", pid, s.ContainedReason)
	}
	return join(", ", pid, s.Contained, s.ContainedReason)
}

// ended says when the process ended, and how.
func (d *drainText) ended() string {
	s := &d.try.Server
	how := "how is not known"
	switch {
	case s.ExitSignal != "":
		how = "by " + s.ExitSignal
	case s.ExitCode != nil:
		how = fmt.Sprintf("exit code %d", *s.ExitCode)
	default:
		if why, unknown := d.try.WhyUnknown("server.exit_code"); unknown {
			how += ": " + why
		}
	}
	switch {
	case s.ExitS != nil:
		return since(*s.ExitS) + ", " + how
	case s.Stayed && s.ThenSent:
		return "no: it outlived even the second signal"
	case s.Stayed:
		return "no: it stayed, as a server does that reloads"
	case s.ExitSignal != "" || s.ExitCode != nil:
		return how + ", when is not known"
	}
	if why, unknown := d.try.WhyUnknown("server.exit_s"); unknown {
		return "not known: " + why
	}
	return "not while it was watched"
}

// leftBehind counts the sockets that outlived the server, and says whether its port could be taken at once.
func (d *drainText) leftBehind() {
	l, p := &d.try.Leftover, &d.try.Port
	why, unknown := d.try.WhyUnknown("leftover")
	switch {
	case unknown:
	case d.try.Server.Stayed:
		why = "the server stayed"
	default:
		why = "it was not looked at"
	}
	if !l.Known && *p == (record.DrainPort{}) {
		d.section("LEFT BEHIND", "not known: "+why)
		return
	}
	d.section("LEFT BEHIND", "on the server's port when it was gone")
	tab := table{indent: "  ", first: 24, cell: 10, notes: true}
	if l.Known {
		tab.row("FIN_WAIT_2", quantity.Count(int64(l.FinWait2)), "orphans: closed by the server, their clients have not closed yet")
		note := "the server closed first, so that its port remembers the connection for 60 s"
		if l.LongestLeftS > 0 {
			note = "the server closed first; the last of them is gone " + quantity.Seconds(l.LongestLeftS) + " later"
		}
		tab.row("TIME_WAIT", quantity.Count(int64(l.TimeWait)), note)
		for _, state := range stateKeys(l.States) {
			if n := l.States[state]; n > 0 && state != "FIN_WAIT_2" && state != "TIME_WAIT" {
				tab.row(state, quantity.Count(int64(n)), "")
			}
		}
	} else {
		tab.row("sockets", "unknown", why)
	}
	bind := func(name, path, got, without string) {
		switch got {
		case "":
			why, unknown := d.try.WhyUnknown(path)
			if !unknown {
				why = "it was not tried"
			}
			tab.row(name, "unknown", why)
		case record.DrainBound:
			tab.row(name, "ok", "a server that starts now gets the port"+without)
		default:
			tab.row(name, got, "a server that starts now does not get the port"+without)
		}
	}
	bind("bind, plain", "port.plain", p.Plain, " without SO_REUSEADDR")
	bind("bind, SO_REUSEADDR", "port.reuse", p.Reuse, "")
	tab.write(&d.page)
}

// latencies are of the whole load, in all tries.
func (d *drainText) latencies() {
	r := d.run.Result
	if len(r.Latency) == 0 && len(r.LatencyAbsent) == 0 {
		return
	}
	aside := "of the whole load, before the stop too"
	if d.several() {
		aside += ", in all tries"
	}
	d.section("LATENCY", aside)
	d.latencyTable("  ", r)
	d.beside("latency", "latency_absent")
}
