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

// describe says what this host knows of the server, and why it does not know the rest.
func (t *try) describe() {
	r, c := &t.rec, t.spec
	s := &r.Server
	if p := t.target.proc; p != nil {
		t.describeProcess(p)
	} else {
		unknown(r, "server.exit_s", "the server was stopped by a command: only its own host knows")
	}
	if h := t.hook; h != nil {
		s.ByCommand = true
		if t.target.proc == nil {
			s.Said = h.Said()
		} else {
			s.HookSaid = h.Said()
		}
		s.HookS = t.ev.since(t.ev.hookEnded)
		if e := h.Exit(); t.ev.hookEnded != 0 && e.Known && e.Signal == 0 {
			s.HookCode = new(e.Code)
		}
		if s.HookS == nil {
			r.Warnings = append(r.Warnings, "server.hook: the stop command had not ended when the watch did")
		} else if s.HookCode == nil || *s.HookCode != 0 {
			r.Warnings = append(r.Warnings, fmt.Sprintf("server.hook: the stop command failed (%s)", exitWords(h.Exit())))
		}
	}
	switch {
	case t.target.behind:
		const behind = "the server is behind what listens on the target"
		unknown(r, "leftover", behind)
		unknown(r, "port", behind)
	case !t.target.local():
		const elsewhere = "the server's sockets are not of this host"
		unknown(r, "leftover", elsewhere)
		unknown(r, "port", elsewhere)
	case t.looked && !c.Stop.Handover:
	case t.target.proc == nil:
		const taken = "somebody listened on the port all the time"
		unknown(r, "leftover", taken)
		unknown(r, "port", taken)
	case t.ev.exited == 0:
		const stayed = "the server did not end"
		unknown(r, "leftover", stayed)
		unknown(r, "port", stayed)
	case c.Stop.Handover:
		unknown(r, "port", "another server has it by then")
	}
	t.describeLeft()
	t.describeRestart()
	t.describeAlso()
	if !t.ev.own && r.Requests.Unsafe > 0 && r.Requests.CutRST > 0 {
		r.Warnings = append(r.Warnings, "requests: outside a sandbox, and with --also, the kernel's counters are not the server's alone, so that a reset for data that nobody read cannot be told from one by SO_LINGER: requests cut by RST count as unsafe to retry")
	}
	if c := &r.Connections; t.hook != nil && r.Listener.Refused == 0 && c.FIN+c.RST+c.Cut == 0 && c.Opened > 0 {
		r.Warnings = append(r.Warnings, "server.hook: nothing that clients could see came of the stop command: no connection was ended, and none refused")
	}
	if all, ok := sumOf(r.Requests.HTTPBefore), r.Requests.HTTPBefore["2xx"]; all > ok {
		r.Warnings = append(r.Warnings, fmt.Sprintf("http: %s of %s replies before the stop were not 2xx (%s): want an --exchange, or a -H 'Host: NAME', that the server has",
			quantity.Count(all-ok), quantity.Count(all), classWords(r.Requests.HTTPBefore)))
	}
	if b := r.Before; b.Lost+b.Connects > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("load: before the stop already %s requests were lost (%s without a reply in time), %s answered, and %s connects had no answer or were refused; they are in no other count",
			quantity.Count(b.Lost), quantity.Count(b.TimedOut), quantity.Count(b.Answered), quantity.Count(b.Connects)))
	}
	if l := &r.Listener; l.Failed > 0 && !l.FailedMostly() {
		r.Warnings = append(r.Warnings, fmt.Sprintf("load: %s of %s connects after the stop failed on this host, for want of a local port, a descriptor or memory: they say nothing of the server, and are not among what failed",
			quantity.Count(l.Failed), quantity.Count(l.Attempts)))
	}
	r.Warnings = append(r.Warnings, lateWarnings(r)...)
	for _, u := range t.ev.unread {
		r.Warnings = append(r.Warnings, "accounting: not read: "+u)
	}
	if r.Order.Dropped > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("order: %d packets were not captured, so that times and the judgement of lost requests may be wrong for as many connections", r.Order.Dropped))
	}
	if t.ev.journal.Overflow > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("connections: %d entries found no room in the journal: fates are missing", t.ev.journal.Overflow))
	}
	t.ledger()
}

// lateWarnings say that this program saw, or did, something late. Why it did not run is not known: it may have been halted, or
// others had the CPU.
func lateWarnings(r *record.DrainTry) (warnings []string) {
	if h := r.HaltedS; h > 0 && h <= verdict.HaltedTooLongS {
		warnings = append(warnings, fmt.Sprintf("order: this program did not run for %s after the signal (halted, or without a CPU): what clients saw then came late", quantity.Seconds(h)))
	}
	if u := r.Order.UncertaintyUs; u > 1000 {
		// Starting a command, or a client's loop, may take that long by itself.
		warnings = append(warnings, fmt.Sprintf("order: events are told apart from the signal, or from the start of the command, to %s only: what came so shortly after it may have come before", quantity.Seconds(u/1e6)))
	}
	return warnings
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

func (t *try) describeRestart() {
	if len(t.spec.Stop.Restart) == 0 {
		return
	}
	r := &record.DrainRestart{StartedS: t.ev.since(t.ev.restarted), ListensS: t.ev.since(t.ev.restartReady)}
	switch {
	case t.ev.restartReady != 0:
	case t.failed != nil:
		r.Failed = t.failed.Error()
	case t.restart == nil:
		r.Failed = "it was not started, as the old server did not end"
	case t.restartAt != "":
		r.Failed = fmt.Sprintf("it listens on %s, and not on the target %v", t.restartAt, t.target.addr)
	default:
		r.Failed = fmt.Sprintf("it did not listen on %v while clients were watched", t.target.addr)
	}
	t.rec.Restart = r
}

// describeInterrupted takes back what an interrupt leaves open.
func (t *try) describeInterrupted() {
	const why = "the run was interrupted"
	r := &t.rec
	if r.Server.Stayed {
		unknown(r, "server.exit_s", why)
	}
	if len(r.Server.StillListening) > 0 {
		unknown(r, "server.still_listening", why)
	}
	if r.Restart != nil && r.Restart.ListensS == nil {
		unknown(r, "restart.listens_s", why)
	}
}

func (t *try) describeProcess(p *process.Process) {
	s := &t.rec.Server
	s.PID, s.Said = p.PID(), t.target.said()
	if t.target.main != nil {
		p = t.target.main
	}
	if why := p.Trouble(); why != "" {
		t.warn("server: %s", why)
	}
	by, reason := p.Contained()
	switch by {
	case process.PIDNamespace:
		s.Contained = "pid_namespace"
	case process.Group:
		s.Contained, s.ContainedReason = "process_group", reason
	case process.Auto:
	}
	p = t.target.proc
	s.ExitS = t.ev.since(t.ev.exited)
	s.ThenSent = t.ev.thenSent != 0
	s.StillListening, s.ListenedOn, s.EndedByReload = t.listening, t.atGrace, t.reloadEnded
	if t.ev.exited == 0 {
		s.Stayed = true
		return
	}
	e := p.Exit()
	switch {
	case !e.Known:
		unknown(&t.rec, "server.exit_code", "the process was not started by this run, and this kernel tells only its parent")
	case e.Signal != 0:
		s.ExitSignal = process.SignalName(e.Signal)
	default:
		s.ExitCode = new(e.Code)
	}
}

// own is the server, if it was started here.
func (t *target) own() *process.Process {
	if t.proc != nil && t.proc.Own() {
		return t.proc
	}
	return t.main
}

// sumOf is the number of replies of all classes.
func sumOf(by map[string]int64) (n int64) {
	for _, of := range by {
		n += of
	}
	return n
}
