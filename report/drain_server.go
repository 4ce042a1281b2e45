package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// server says what became of the process.
func (d *drainView) server() *section {
	sv := &d.try.Server
	s := begin(document.First, "SERVER", d.ended())
	say := func(name, text string) { s.fact(document.Detail, name, text) }
	quote := func(who, text string) {
		if lines := saidWords(text); len(lines) > 0 {
			s.add(document.Quote{Who: who, Lines: lines})
		}
	}
	say("process", processWords(sv))
	if d.drain.Stop.Way == record.DrainByHook {
		var ended, code string
		if sv.HookS != nil {
			ended = "ended " + quantity.Since(*sv.HookS)
		}
		if sv.HookCode != nil {
			code = fmt.Sprintf("exit code %d", *sv.HookCode)
		}
		say("hook", join(", ", ended, code))
	}
	say("signal", sv.SignalFailed)
	if sv.ThenSent {
		signal := cmp.Or(d.drain.Stop.Then, metric.ThenWords(sv))
		say("grace", "over after "+askedSeconds(d.drain.Stop.GraceS)+" with the server still there: "+signal+" was sent")
	}
	if len(sv.Ledger) > 0 {
		say("accounting", "its own counts: "+counts(sv.Ledger))
	}
	quote("said", sv.Said)
	quote("hook said", sv.HookSaid)
	for i := range d.try.Also {
		a := &d.try.Also[i]
		text := quoted(a.Command) + given(a.PID != 0, fmt.Sprintf(", process %d", a.PID)) + given(len(a.Listens) > 0, ", listened on "+strings.Join(a.Listens, ", "))
		if a.Ended != "" {
			text += ", ENDED TOO (" + a.Ended + ")"
			if a.EndedS != nil {
				text += " " + quantity.Since(*a.EndedS)
			}
		}
		say("beside", text)
		quote("said", a.Said)
	}
	return s
}

// saidLines is the most lines of a server's output that are shown.
const saidLines = 8

// saidWords has the last lines of a server's output, a repeated line once.
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
	before := 0
	for i, l := range lines {
		if i < len(lines)-saidLines {
			before += l.times
			continue
		}
		out = append(out, l.text+given(l.times > 1, fmt.Sprintf(" (%d times)", l.times)))
	}
	if before > 0 {
		out = slices.Insert(out, 0, fmt.Sprintf("(%d %s before)", before, quantity.Plural(before, "line", "lines")))
	}
	return out
}

func processWords(s *record.DrainServer) string {
	within := cmp.Or(map[string]string{
		"pid_namespace": "in a PID namespace of its own: none of its children can outlive this drain",
		"process_group": "in a process group of its own, which a child that leaves it outlives",
	}[s.Contained], s.Contained)
	return join(", ", given(s.PID > 0, fmt.Sprint(s.PID)), join(": ", within, s.ContainedReason))
}

// ended says when the process ended, and how.
func (d *drainView) ended() string {
	s := &d.try.Server
	how := ", how is not known"
	switch {
	case s.ExitSignal != "":
		how = ", by " + s.ExitSignal
	case s.ExitCode != nil:
		how = fmt.Sprintf(", exit code %d", *s.ExitCode)
	default:
		if why, unknown := d.try.WhyUnknown("server.exit_code"); unknown {
			how += ": " + why
		}
	}
	switch {
	case s.ExitS != nil:
		but := ""
		if len(s.StillListening) > 0 {
			but = ", but " + metric.ProcessNumbers(s.StillListening) + " still held its listening socket when " + d.lastLook() + ": the server did not stop"
		} else if len(s.ListenedOn) > 0 {
			but = ", but " + metric.ProcessNumbers(s.ListenedOn) + " listened on until the grace was over: the server did not stop"
		}
		return "ended " + quantity.Since(*s.ExitS) + how + but
	case s.Stayed && s.ThenSent && !d.cutShort():
		return "did not end: it outlived even " + metric.ThenWords(s)
	case s.Stayed:
		return "did not end: it was still running when " + d.lastLook()
	case s.ExitSignal != "" || s.ExitCode != nil:
		return "ended" + how + ", when is not known"
	}
	if why, unknown := d.try.WhyUnknown("server.exit_s"); unknown {
		return "its end is not known: " + why
	}
	return "did not end while it was watched"
}

// cutShort reports whether the run was interrupted in the try that is shown.
func (d *drainView) cutShort() bool { return d.run.Interrupted && d.n == len(d.drain.Tries) }

// lastLook says when the watch over the server ended.
func (d *drainView) lastLook() string {
	if d.cutShort() {
		return "the run was interrupted"
	}
	return "the watch ended"
}
