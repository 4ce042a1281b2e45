package verdict

import (
	"slices"
	"strings"

	"lastack/bench/record"
)

// HaltedTooLongS is the longest time in seconds that this program may not run in a valid drain.
const HaltedTooLongS = 1

// drain says whether a drain is a statement about the server.
func (j *judgement) drain() {
	d := j.r.Drain
	if j.r.Interrupted {
		j.v.LimitedBy = record.LimitInterrupted
	}
	for i := range d.Tries {
		j.try(i + 1)
	}
	if len(d.Tries) == 0 {
		j.v.Valid = false
		j.because("never_stopped", nil)
	}
	if !j.v.Valid {
		return
	}
	for i := range d.Tries {
		if s := &d.Tries[i].Server; s.EndedByReload {
			j.ofTry(i+1, "ended_by_reload", args{"by_its_signal": s.ExitSignal == "SIGHUP" || s.ExitSignal == "SIGUSR2"})
			break
		}
	}
	j.because("accounts_agree", nil)
}

// ofTry is because, of one try.
func (j *judgement) ofTry(n int, code string, a args) {
	j.v.Findings = append(j.v.Findings, record.Finding{Code: code, Args: a.plain(), Try: n})
}

// try looks for what makes try n, from 1, no statement about the server.
func (j *judgement) try(n int) {
	t := &j.r.Drain.Tries[n-1]
	refuse := func(code string, a args) {
		j.v.Valid = false
		j.ofTry(n, code, a)
	}
	for _, c := range t.Accounting {
		if !c.OK && c.NotRead == "" {
			refuse("accounts_disagree", args{"name": c.Name, "min": c.Want.Min, "max": c.Want.Max, "got": c.Got})
		}
	}
	if h := t.HaltedS; h > HaltedTooLongS {
		refuse("program_halted", args{"halted_s": h})
	}
	byCommand := j.r.Drain.Stop.Way == record.DrainByHook
	switch s := &t.Server; {
	case s.SignalFailed != "":
		refuse("signal_failed", args{"why": s.SignalFailed})
	case byCommand && s.HookS == nil && !j.r.Interrupted:
		refuse("stop_command_not_ended", nil)
	case s.HookS != nil && (s.HookCode == nil || *s.HookCode != 0):
		refuse("stop_command_failed", nil)
	case len(s.StillListening) > 0:
		refuse("listens_still", args{"by_command": byCommand})
	case len(s.ListenedOn) > 0:
		refuse("listened_on", args{"by_command": byCommand})
	}
	for _, a := range t.Also {
		if a.Ended != "" {
			refuse("also_ended", args{"command": strings.Join(a.Command, " "), "ended": a.Ended})
		}
	}
	if b := t.Before; b.Lost > b.Answered {
		refuse("lost_before", args{"lost": b.Lost, "answered": b.Answered})
	}
	all := int64(0)
	for _, of := range t.Requests.HTTPBefore {
		all += of
	}
	if bad := t.Requests.HTTPBefore["5xx"]; 2*bad > all {
		refuse("errors_before", args{"answered_5xx": bad, "replies": all})
	}
	if t.Restart != nil && t.Restart.ListensS == nil && !j.r.Interrupted {
		refuse("restart_failed", args{"why": t.Restart.Failed})
	}
	for i := range t.Groups {
		if g := &t.Groups[i]; g.OpenAtStop == 0 && g.Name != "arrivals" && g.Name != "queued" {
			warned := slices.ContainsFunc(t.Warnings, func(w string) bool { return strings.HasPrefix(w, "groups: ") && strings.Contains(w, g.Name) })
			refuse("nobody_open", args{"group": g.Name, "warned": warned})
		}
	}
	if l := &t.Listener; l.FailedMostly() {
		refuse("connects_failed_here", args{"failed": l.Failed, "connects": l.Attempts})
	}
	if t.Connections.Opened == 0 && t.Listener.Refused == 0 && t.Listener.Unanswered() == 0 {
		refuse("nobody_there", nil)
	}
}

func drainCodes() []Code {
	const (
		look  = "see the try's page: its SERVER and TIMELINE"
		shell = "signal the process that listens, and no shell around it"
		ended = "[the server's process{?by_command}|the process that was signalled] ended, but others of the server "
		stop  = ": it was not stopped (is the command a shell around the server?)"
	)
	return []Code{
		found("accounts_agree", "the drain is a statement about the server", "nothing",
			"every connection and every request has exactly one fate, and the counts agree"),
		found("accounts_disagree", "two counts that must agree do not, so that no number can be trusted", "report it as a bug of lastack, with the record",
			"the counts do not agree: {name}: {range} expected, {got} counted"),
		found("never_stopped", "the run ended before the server was stopped", "let it run to its end", "the server was never stopped"),
		found("ended_by_reload", "the signal was a reload's, and the server ended", "check that the server knows the signal",
			"the server ended [by{?by_its_signal}|after] the reload's signal"),
		found("program_halted", "this program did not run while clients were watched", "run it again, and let it run",
			"this program did not run for {halted_s} meanwhile (halted, or without a CPU): what clients saw then is not what the server did"),
		found("signal_failed", "the signal could not be sent", "run it as the server's user, or as root", "{why}"),
		found("stop_command_not_ended", "the stop command ran on", "a command that ends when the server is stopped",
			"the stop command had not ended when the watch ended: whether it stopped anything is not known"),
		found("stop_command_failed", "the stop command failed", "try the command by hand",
			"the stop command failed, so that what clients saw may have nothing to do with a stop"),
		found("listens_still", "the signalled process ended, but other processes of the server still listen", shell, ended+"still listen"+stop),
		found("listened_on", "the signalled process ended, but other processes of the server listened until the grace was over", shell,
			ended+"listened until the grace was over"+stop),
		found("also_ended", "a program of --also ended beside the server", "keep it running, or leave it out",
			"{command:quoted} (--also), which ran beside the server, ended too ({ended}): what clients saw may come of that"),
		found("lost_before", "most requests were lost even before the stop", "fix the server first",
			"{lost} requests were lost before the stop and {answered} answered: the server did not work, so its stop says nothing"),
		found("errors_before", "most replies before the stop were 5xx", "fix the server first",
			"{answered_5xx} of {replies} replies before the stop were 5xx: the server did not work, so its stop says nothing"),
		found("restart_failed", "the restarted server did not listen", look, "the restart: {why}"),
		found("nobody_open", "no client of a group had a connection when the stop began", "a shorter --after than the server's idle timeout, or a server that takes so many",
			"no client of {group} had a connection when the stop began, so that nothing is said of them[ (see the warnings){?warned}|: those that it had were ended before]"),
		found("connects_failed_here", "most connects after the stop failed on the load's own host", "fewer clients, or more local ports, descriptors or memory",
			"{failed} of {connects} connects after the stop failed on this host, without a free local port, descriptor or memory: what the server did to new connections is not known"),
		found("nobody_there", "no client was connected at the stop, and none came after it", look, "no connection was open at the signal, and none came after it"),
	}
}
