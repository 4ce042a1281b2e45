package drain

import (
	"fmt"
	"strings"

	"lastack/bench/process"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/verdict"
	"lastack/sockstate"
)

// sentences are for the user.
type sentences []string

func (s *sentences) add(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

// doubts are the caveats of a try's figures.
func (j *joined) doubts(t *record.DrainTry) []string {
	var w sentences
	if p := j.server.process; p != nil && p.trouble != "" {
		w.add("server: %s", p.trouble)
	}
	switch s := &t.Server; {
	case j.hook == nil:
	case s.HookS == nil:
		w.add("server.hook: the stop command had not ended when the watch did")
	case s.HookCode == nil || *s.HookCode != 0:
		w.add("server.hook: the stop command failed (%s)", exitWords(j.hook.exit))
	}
	for _, b := range j.beside {
		if b.Ended != "" {
			w.add("also: %q ended (%s) during the try: what clients saw may be due to that", strings.Join(b.Command, " "), b.Ended)
		}
	}
	if q := &t.Requests; !j.ownCounters && q.Unsafe > 0 && q.CutRST > 0 {
		w.add("requests: outside a sandbox, and with --also, the kernel's counters are not the server's alone, so that a reset for data that nobody read cannot be told from one by SO_LINGER: requests cut by RST count as unsafe to retry")
	}
	if c := &t.Connections; j.byHook() && t.Listener.Refused == 0 && c.FIN+c.RST+c.Cut == 0 && c.Opened > 0 {
		w.add("server.hook: clients saw no effect of the stop command: no connection was ended or refused")
	}
	w.addLoad(t)
	w.addLate(t)
	for _, u := range j.unread {
		w.add("accounting: not read: %s", u)
	}
	if n := t.Order.Dropped; n > 0 {
		w.add("order: %d packets were not captured, so that times and the judgement of lost requests may be wrong for as many connections", n)
	}
	if n := j.journal.Overflow; n > 0 {
		w.add("connections: the journal had no room for %d entries: their fates are missing", n)
	}
	return w
}

// addLoad warns of failures that the stop did not cause.
func (s *sentences) addLoad(t *record.DrainTry) {
	if all, ok := repliesOf(t.Requests.HTTPBefore), t.Requests.HTTPBefore["2xx"]; all > ok {
		s.add("http: %s of %s replies before the stop were not 2xx (%s): want an --exchange, or a -H 'Host: NAME', that the server has",
			quantity.Count(all-ok), quantity.Count(all), classWords(t.Requests.HTTPBefore))
	}
	if b := &t.Before; b.Lost+b.Connects > 0 {
		s.add("load: before the stop %s requests were already lost (%s without a reply in time) and %s answered, and %s connects had no answer or were refused; no other count includes them",
			quantity.Count(b.Lost), quantity.Count(b.TimedOut), quantity.Count(b.Answered), quantity.Count(b.Connects))
	}
	if l := &t.Listener; l.Failed > 0 && !l.FailedMostly() {
		s.add("load: %s of %s connects after the stop failed on this host, without a local port, a descriptor or memory: they say nothing about the server, and do not count as failed",
			quantity.Count(l.Failed), quantity.Count(l.Attempts))
	}
}

// addLate warns that this program was late. Why is not known: it may have been halted, or had no CPU.
func (s *sentences) addLate(t *record.DrainTry) {
	if h := t.HaltedS; h > 0 && h <= verdict.HaltedTooLongS {
		s.add("order: this program did not run for %s after the signal (halted, or without a CPU): what clients saw then came late", quantity.Seconds(h))
	}
	if u := t.Order.UncertaintyUs; u > 1000 {
		// Less is what starting a command, or a client's loop, takes anyway.
		s.add("order: what came within %s of the signal, or of the stop command, may have come before it", quantity.Seconds(u/1e6))
	}
}

// classWords lists the classes of replies other than 2xx, like "4xx 3, 5xx 502".
func classWords(by map[string]int64) string {
	var words []string
	for _, class := range sockstate.StatusClassNames() {
		if n := by[class]; n > 0 && class != "2xx" {
			words = append(words, class+" "+quantity.Count(n))
		}
	}
	return strings.Join(words, ", ")
}

// repliesOf is the number of replies of all classes.
func repliesOf(by map[string]int64) (n int64) {
	for _, of := range by {
		n += of
	}
	return n
}

// exitWords says how a process ended.
func exitWords(e process.Exit) string {
	switch {
	case !e.Known:
		return "how is unknown"
	case e.Signal != 0:
		return "by " + process.SignalName(e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}
