package report

import (
	"fmt"
	"strings"

	"lastack/bench/metric"
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
	tab.row("queued", quantity.Count(q.Queued), "by the kernel's count, those of other groups too; "+quantity.Count(q.Asked)+" were asked for")
	tab.row("  served", quantity.Count(q.Served), "accepted and answered after all")
	tab.row("  reset", quantity.Count(q.Reset), "RST: their listener was closed")
	tab.row("  ended by FIN", quantity.Count(q.FIN), "accepted, but never answered")
	tab.row("  timed out", quantity.Count(q.TimedOut), "no reply in time")
	tab.row("  open still", quantity.Count(q.Never), "when the watch ended, unanswered")
	if q.Elsewhere > 0 {
		tab.row("elsewhere", quantity.Count(q.Elsewhere), "of those asked for, never in this queue: another listener of the port took them, or it was full")
	}
	tab.write(&d.page)
	if n := q.Queued - q.Served - q.Reset - q.FIN - q.TimedOut - q.Never; n != 0 {
		d.hang("  ! ", quantity.Count(n)+" queued connections have no fate, or one too many")
	}
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
			"new": "processes that came after the stop began", "old": "processes that were there when the stop began", "other": "another process",
			"unknown": "in an accept queue, or not to be read",
		}[where]
		if where == "new" && d.drain.Stop.Handover {
			words = "the server that took over"
		}
		tab.row("  landed: "+where, quantity.Count(r.Landed[where]), words)
	}
	failed := ""
	if r.Failed > 0 {
		failed = "it never came, or was lost again"
		if r.FirstS == nil {
			failed = "it never came"
		}
	}
	tab.row("  had none at the end", quantity.Count(r.Failed), failed)
	if r.FirstS != nil {
		tab.row("first back", since(*r.FirstS), "")
	}
	if r.LastS != nil {
		note := ""
		if r.Failed > 0 {
			note = "of those that came back"
		}
		tab.row("last back", since(*r.LastS), note)
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
	say("signal", s.SignalFailed)
	say("ended", d.ended())
	if s.ThenSent {
		signal := d.drain.Stop.Then
		if signal == "" {
			signal = metric.ThenWords(s)
		}
		say("grace", "over after "+askedSeconds(d.drain.Stop.GraceS)+" with the server still there: "+signal+" was sent")
	}
	var ledger []string
	for _, k := range keys(s.Ledger) {
		ledger = append(ledger, k+" "+quantity.Count(s.Ledger[k]))
	}
	say("ledger", join(": ", map[bool]string{true: "", false: "its own counts"}[len(ledger) == 0], strings.Join(ledger, ", ")))
	d.said("said", s.Said)
	d.said("hook said", s.HookSaid)
	for _, a := range d.try.Also {
		text := "\"" + shell(a.Command) + "\""
		if a.PID != 0 {
			text += fmt.Sprintf(", process %d", a.PID)
		}
		if len(a.Listens) > 0 {
			text += ", listened on " + strings.Join(a.Listens, ", ")
		}
		if a.Ended != "" {
			text += ", ENDED TOO (" + a.Ended + ")"
			if a.EndedS != nil {
				text += " " + since(*a.EndedS)
			}
		}
		say("beside", text)
		d.said("said", a.Said)
	}
}

// said writes the last lines of somebody's output.
func (d *drainText) said(lead, text string) {
	for _, l := range saidWords(text, columns-13) {
		d.line("  " + pad(lead, 9) + "| " + l)
		lead = ""
	}
}

// saidWords has the last lines of what a server wrote, each within width. What it repeats is there once.
func saidWords(said string, width int) []string {
	type line struct {
		text  string
		times int
	}
	var lines []line
	for l := range strings.Lines(said) {
		l = strings.TrimRight(clean(l), " ")
		switch n := len(lines); {
		case l == "":
		case n > 0 && lines[n-1].text == l:
			lines[n-1].times++
		default:
			lines = append(lines, line{l, 1})
		}
	}
	var out []string
	if n := len(lines) - saidLines; n > 0 {
		before := 0
		for _, l := range lines[:n] {
			before += l.times
		}
		out = append(out, fmt.Sprintf("(%d %s before)", before, quantity.Plural(before, "line", "lines")))
		lines = lines[n:]
	}
	for _, l := range lines {
		times := ""
		if l.times > 1 {
			times = fmt.Sprintf(" (%d times)", l.times)
		}
		out = append(out, cut(l.text, width-len(times))+times)
	}
	return out
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
	case s.ExitS != nil && len(s.StillListening) > 0:
		return since(*s.ExitS) + ", " + how + ", but " + metric.ProcessNumbers(s.StillListening) + " still held its listening socket when " +
			d.lastLook() + ": the server did not stop"
	case s.ExitS != nil && len(s.ListenedOn) > 0:
		return since(*s.ExitS) + ", " + how + ", but " + metric.ProcessNumbers(s.ListenedOn) + " listened on until the grace was over: the server did not stop"
	case s.ExitS != nil:
		return since(*s.ExitS) + ", " + how
	case s.Stayed && s.ThenSent && !d.cutShort():
		return "no: it outlived even " + metric.ThenWords(s)
	case s.Stayed:
		return "no: it was still running when " + d.lastLook()
	case s.ExitSignal != "" || s.ExitCode != nil:
		return how + ", when is not known"
	}
	if why, unknown := d.try.WhyUnknown("server.exit_s"); unknown {
		return "not known: " + why
	}
	return "not while it was watched"
}

// cutShort reports whether the run was interrupted in the try that is shown.
func (d *drainText) cutShort() bool { return d.run.Interrupted && d.n == len(d.drain.Tries) }

// lastLook is when the server was looked at for the last time.
func (d *drainText) lastLook() string {
	if d.cutShort() {
		return "the run was interrupted"
	}
	return "the watch ended"
}

// restart says what became of the server that was to take the old one's place.
func (d *drainText) restart() {
	r := d.try.Restart
	if r == nil {
		if why, unknown := d.try.WhyUnknown("restart"); unknown {
			d.section("RESTART", "not known: "+why)
		}
		return
	}
	d.section("RESTART", "the server that was to take the old one's place")
	tab := table{indent: "  ", first: 24, cell: 10, notes: true}
	started := ""
	if r.StartedS != nil && *r.StartedS < 0 {
		started = "before the stop, so that both shared the port"
	}
	value, note := d.moment("restart.started_s", r.StartedS, started, "it was not started")
	tab.row("started", value, note)
	value, note = d.moment("restart.listens_s", r.ListensS, "on the target", "not on the target when "+d.lastLook())
	tab.row("listens", value, note)
	if r.Failed != "" {
		tab.row("failed", "yes", r.Failed)
	}
	tab.write(&d.page)
}
