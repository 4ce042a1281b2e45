package verdict

import (
	"fmt"
	"slices"
	"strings"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
)

// HaltedTooLongS is how long this program may not run, in seconds, before what it saw is not valid.
const HaltedTooLongS = 1

// seeWarnings points at the warnings that say why a group has no connection, if there are any.
func seeWarnings(t *record.DrainTry, group string) string {
	if slices.ContainsFunc(t.Warnings, func(w string) bool { return strings.HasPrefix(w, "groups: ") && strings.Contains(w, group) }) {
		return " (see the warnings)"
	}
	return ": those that it had were ended before"
}

// sumOf is the number of replies of all classes.
func sumOf(by map[string]int64) (n int64) {
	for _, of := range by {
		n += of
	}
	return n
}

// signalled names the process that was to stop.
func signalled(byHook bool) string {
	if byHook {
		return "the server's process"
	}
	return "the process that was signalled"
}

// judgeDrain says whether a drain is a statement about the server.
func judgeDrain(r *record.Run) record.Verdict {
	v := record.Verdict{Valid: true}
	if r.Interrupted {
		v.LimitedBy = record.LimitInterrupted
	}
	refuse := func(n int, format string, args ...any) {
		v.Valid = false
		v.Reasons = append(v.Reasons, fmt.Sprintf("try %d: ", n+1)+fmt.Sprintf(format, args...))
	}
	for n := range r.Drain.Tries {
		t := &r.Drain.Tries[n]
		for _, c := range t.Accounting {
			if !c.OK && c.NotRead == "" {
				refuse(n, "the accounts do not agree: %s: %s expected, %d counted", c.Name, quantity.Range(c.Want.Min, c.Want.Max), c.Got)
			}
		}
		if h := t.HaltedS; h > HaltedTooLongS {
			refuse(n, "this program did not run for %s meanwhile (halted, or without a CPU): what clients saw then is not what the server did", quantity.Seconds(h))
		}
		switch s := &t.Server; {
		case s.SignalFailed != "":
			refuse(n, "%s", s.SignalFailed)
		case r.Drain.Stop.Way == record.DrainByHook && s.HookS == nil && !r.Interrupted:
			refuse(n, "the stop command had not ended when the watch did: whether it stopped anything is not known")
		case s.HookS != nil && (s.HookCode == nil || *s.HookCode != 0):
			refuse(n, "the stop command failed, so that what clients saw may have nothing to do with a stop")
		case len(s.StillListening) > 0:
			refuse(n, "%s ended, but others of the server listen still: it was not stopped (is the command a shell around the server?)", signalled(r.Drain.Stop.Way == record.DrainByHook))
		case len(s.ListenedOn) > 0:
			refuse(n, "%s ended, but others of the server listened on until the grace was over: it was not stopped (is the command a shell around the server?)", signalled(r.Drain.Stop.Way == record.DrainByHook))
		}
		for _, a := range t.Also {
			if a.Ended != "" {
				refuse(n, "%q (--also), which ran beside the server, ended too (%s): what clients saw may come of that", strings.Join(a.Command, " "), a.Ended)
			}
		}
		if b := t.Before; b.Lost > b.Answered {
			refuse(n, "%s requests were lost before the stop and %s answered: a server that does not work says nothing of its stop", quantity.Count(b.Lost), quantity.Count(b.Answered))
		}
		if bad, all := t.Requests.HTTPBefore["5xx"], sumOf(t.Requests.HTTPBefore); 2*bad > all {
			refuse(n, "%s of %s replies before the stop were 5xx: a server that does not work says nothing of its stop", quantity.Count(bad), quantity.Count(all))
		}
		if t.Restart != nil && t.Restart.ListensS == nil && !r.Interrupted {
			refuse(n, "the restart: %s", t.Restart.Failed)
		}
		for i := range t.Groups {
			if g := &t.Groups[i]; g.OpenAtStop == 0 && g.Name != "arrivals" && g.Name != "queued" {
				refuse(n, "no client of %s had a connection when the stop began, so that nothing is said of them%s", g.Name, seeWarnings(t, g.Name))
			}
		}
		if l := &t.Listener; l.FailedMostly() {
			refuse(n, "%s of %s connects after the stop failed on this host, for want of a local port, a descriptor or memory: what the server did to new connections is not known", quantity.Count(l.Failed), quantity.Count(l.Attempts))
		}
		if t.Connections.Opened == 0 && t.Listener.Refused == 0 && t.Listener.Unanswered() == 0 {
			refuse(n, "no connection was open at the signal, and none came after it")
		}
	}
	if len(r.Drain.Tries) == 0 {
		v.Valid = false
		v.Reasons = append(v.Reasons, "the server was never stopped")
	}
	if v.Valid {
		for n := range r.Drain.Tries {
			if words := metric.ReloadWords(&r.Drain.Tries[n].Server); words != "" {
				v.Reasons = append(v.Reasons, fmt.Sprintf("try %d: %s", n+1, words))
				break
			}
		}
		v.Reasons = append(v.Reasons, "every connection and every request has one fate, and the accounts agree")
	}
	return v
}
