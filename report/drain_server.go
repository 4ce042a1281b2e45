package report

import (
	"fmt"
	"strings"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// server says what became of the process.
func (d *drainView) server() *document.Section {
	sv := &d.try.Server
	s := &document.Section{ID: "server", Title: "SERVER", Level: document.First, Lead: d.ended()}
	var f document.Facts
	say := func(what, text string) {
		if text != "" {
			f.Facts = append(f.Facts, document.Fact{Name: what, Text: text})
		}
	}
	quote := func(who, text string) {
		if lines := saidWords(text); len(lines) > 0 {
			s.Blocks = append(s.Blocks, f, document.Quote{Who: who, Lines: lines})
			f = document.Facts{}
		}
	}
	say("process", processWords(sv))
	if d.drain.Stop.Way == record.DrainByHook && (sv.HookS != nil || sv.HookCode != nil) {
		var parts []string
		if sv.HookS != nil {
			parts = append(parts, "ended "+quantity.Since(*sv.HookS))
		}
		if sv.HookCode != nil {
			parts = append(parts, fmt.Sprintf("exit code %d", *sv.HookCode))
		}
		say("hook", strings.Join(parts, ", "))
	}
	say("signal", sv.SignalFailed)
	if sv.ThenSent {
		signal := d.drain.Stop.Then
		if signal == "" {
			signal = metric.ThenWords(sv)
		}
		say("grace", "over after "+askedSeconds(d.drain.Stop.GraceS)+" with the server still there: "+signal+" was sent")
	}
	if len(sv.Ledger) > 0 {
		say("accounting", "its own counts: "+counts(sv.Ledger))
	}
	quote("said", sv.Said)
	quote("hook said", sv.HookSaid)
	for i := range d.try.Also {
		a := &d.try.Also[i]
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
				text += " " + quantity.Since(*a.EndedS)
			}
		}
		say("beside", text)
		quote("said", a.Said)
	}
	s.Blocks = append(s.Blocks, f)
	return s
}

// saidLines is how much of a server's last words is shown.
const saidLines = 8

// saidWords has the last lines of what a server wrote. What it repeats is there once.
func saidWords(said string) []string {
	type line struct {
		text  string
		times int
	}
	var lines []line
	for l := range strings.Lines(said) {
		l = strings.TrimRight(l, " \t\r\n")
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
		out = append(out, l.text+times)
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
func (d *drainView) ended() string {
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
		return "ended " + quantity.Since(*s.ExitS) + ", " + how + ", but " + metric.ProcessNumbers(s.StillListening) + " still held its listening socket when " +
			d.lastLook() + ": the server did not stop"
	case s.ExitS != nil && len(s.ListenedOn) > 0:
		return "ended " + quantity.Since(*s.ExitS) + ", " + how + ", but " + metric.ProcessNumbers(s.ListenedOn) + " listened on until the grace was over: the server did not stop"
	case s.ExitS != nil:
		return "ended " + quantity.Since(*s.ExitS) + ", " + how
	case s.Stayed && s.ThenSent && !d.cutShort():
		return "did not end: it outlived even " + metric.ThenWords(s)
	case s.Stayed:
		return "did not end: it was still running when " + d.lastLook()
	case s.ExitSignal != "" || s.ExitCode != nil:
		return "ended, " + how + ", when is not known"
	}
	if why, unknown := d.try.WhyUnknown("server.exit_s"); unknown {
		return "its end is not known: " + why
	}
	return "did not end while it was watched"
}

// cutShort reports whether the run was interrupted in the try that is shown.
func (d *drainView) cutShort() bool { return d.run.Interrupted && d.n == len(d.drain.Tries) }

// lastLook is when the server was looked at for the last time.
func (d *drainView) lastLook() string {
	if d.cutShort() {
		return "the run was interrupted"
	}
	return "the watch ended"
}
