package metric

import (
	"slices"
	"strconv"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// ScoreLine sums up a try in one line, the worst first: "380 failed: 12 of 20,000 requests lost, 3 unsafe to retry; 1,204
// idle connections saw RST; 1.84 s of refusals (368 connects)". The requests are those in progress at the signal or sent
// after it. DrainTry.Failed defines what counts as failed.
func ScoreLine(t *record.DrainTry) string {
	var parts []string
	if s := reloadWords(&t.Server); s != "" {
		parts = append(parts, s)
	}
	parts = append(parts, scoreFailed(t)+scoreRequests(t))
	for _, s := range []string{scoreIdle(t), scoreQueued(t), scoreRefusals(t), scoreServer(t), scoreRestart(t)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "; ")
}

func scoreFailed(t *record.DrainTry) string {
	return some(t.Failed(), "failed", "failed", ": ")
}

func scoreRequests(t *record.DrainTry) string {
	r := &t.Requests
	if r.Sent == 0 {
		if _, unknown := t.WhyUnknown("requests"); unknown {
			return "requests unknown"
		}
		return "no request was sent"
	}
	of := " of " + quantity.Count(r.Sent) + quantity.Plural(r.Sent, " request", " requests")
	lost := r.Lost()
	s := "none" + of + " lost"
	if lost > 0 {
		s = quantity.Count(lost) + of + " lost"
		if r.TimedOut > 0 {
			s += " (" + quantity.Count(r.TimedOut) + " without a reply in time)"
		}
		s += ", " + scoreRetry(r, lost)
	}
	if r.Answered5xx > 0 {
		s += ", " + quantity.Count(r.Answered5xx) + " answered 5xx"
	}
	for _, class := range []string{"4xx", "3xx"} {
		if n := r.HTTP[class]; n > 0 {
			s += ", " + quantity.Count(n) + " answered " + class
		}
	}
	if r.Open > 0 {
		s += ", " + quantity.Count(r.Open) + " without a reply when the load ended"
	}
	return s
}

func scoreRetry(r *record.DrainRequests, lost int64) string {
	switch {
	case r.Unsafe == lost && lost > 1:
		return "all unsafe to retry"
	case r.Unsafe > 0 || r.Safe == 0:
		return quantity.Count(r.Unsafe) + " unsafe to retry"
	case r.Safe == lost && lost > 1:
		return "all safe to retry"
	default:
		return quantity.Count(r.Safe) + " safe to retry"
	}
}

// scoreIdle describes the connections of idle clients, or, without such clients, resets of other connections. A client may
// have had several connections.
func scoreIdle(t *record.DrainTry) string {
	g := t.Group("idle")
	if g == nil {
		return some(t.Connections.RST, "connection", "connections", " reset")
	}
	c := &g.Connections
	var s string
	for _, f := range []struct {
		n    int64
		fate string
	}{{c.RST, "saw RST"}, {c.FIN, "saw FIN"}, {c.Left(), "still open"}} {
		if f.n <= 0 {
			continue
		}
		if s == "" {
			s = quantity.Count(f.n) + quantity.Plural(f.n, " idle connection ", " idle connections ") + f.fate
		} else {
			s += ", " + quantity.Count(f.n) + " " + f.fate
		}
	}
	return s
}

func scoreQueued(t *record.DrainTry) string {
	q := t.Queued
	switch {
	case q == nil:
		if _, unknown := t.WhyUnknown("queued"); unknown {
			return "queued connections unknown"
		}
		return ""
	case q.Queued == 0:
		return "no connection was queued" + scoreElsewhere(q)
	}
	var fates []string
	for _, f := range []struct {
		n    int64
		fate string
	}{{q.Reset, "reset"}, {q.FIN, "ended unserved"}, {q.TimedOut, "timed out"}, {q.Never, "still unserved"}} {
		if f.n > 0 {
			fates = append(fates, quantity.Count(f.n)+" "+f.fate)
		}
	}
	of := quantity.Count(q.Queued) + " queued" + quantity.Plural(q.Queued, " connection", " connections")
	if len(fates) == 0 {
		return of + " served" + scoreElsewhere(q)
	}
	return "of " + of + " " + strings.Join(fates, ", ") + scoreElsewhere(q)
}

func scoreElsewhere(q *record.DrainQueued) string {
	if q.Elsewhere <= 0 {
		return ""
	}
	return ", " + quantity.Count(q.Elsewhere) + " of " + quantity.Count(q.Asked) + " asked for never in the queue"
}

func scoreRefusals(t *record.DrainTry) string {
	l := &t.Listener
	_, unknown := t.WhyUnknown("listener.refused_window_s")
	var s string
	switch {
	case l.RefusedWindowS > 0 && l.AcceptsAgainS == nil && l.FirstRefusalS != nil:
		s = "refusals from " + after(*l.FirstRefusalS) + " on, to the end of the watch" + scoreRefused(l)
	case l.RefusedWindowS > 0:
		s = quantity.Seconds(l.RefusedWindowS) + " of refusals" + scoreRefused(l)
	case l.Refused > 0:
		s = someConnects(l.Refused, " refused")
	case unknown:
		s = "refusals unknown"
	case l.Attempts == 0:
		s = "nothing connected after the signal"
	case l.NoneAnswered():
		s = "no connect was answered"
	default:
		s = "no refusals"
	}
	if l.UnservedFromS != nil {
		s += ", but from " + after(*l.UnservedFromS) + " on handshakes by the kernel only: no process was seen accepting"
	}
	for _, more := range []string{
		someConnects(l.TimedOut, " timed out"), someConnects(l.Pending, " still without an answer"),
		someConnects(l.Unreachable, " to an unreachable host"), someConnects(l.Failed, " failed on this host"),
	} {
		if more != "" {
			s += ", " + more
		}
	}
	return s
}

func scoreRefused(l *record.DrainListener) string {
	if l.Refused == 0 {
		return ""
	}
	return " (" + someConnects(l.Refused, ")")
}

// after is a time from the signal.
func after(s float64) string {
	if s < 0 {
		return "-" + quantity.Seconds(-s)
	}
	return quantity.Seconds(s)
}

func scoreServer(t *record.DrainTry) string {
	s := &t.Server
	// If the watch was cut short, it means nothing that the server still runs.
	_, cutShort := t.WhyUnknown("server.exit_s")
	_, unknown := t.WhyUnknown("server.still_listening")
	switch {
	case len(s.StillListening) > 0 && !unknown:
		return "the server did not stop: " + ProcessNumbers(s.StillListening) + quantity.Plural(len(s.StillListening), " still listens", " still listen")
	case len(s.ListenedOn) > 0:
		return "the server did not stop: " + ProcessNumbers(s.ListenedOn) + " listened on until the grace was over"
	case s.ThenSent && s.Stayed && !cutShort:
		return "the server outlived even " + ThenWords(s)
	case s.ThenSent && s.ExitSignal == "SIGKILL":
		return "the server did not end by itself and was killed"
	case s.ThenSent:
		if s.ByCommand {
			return "the server needed a signal after the stop command"
		}
		return "the server needed a second signal"
	case s.Stayed && !cutShort:
		return keptRunning
	}
	return ""
}

// reloadWords says that a server ended instead of reloading, or returns "".
func reloadWords(s *record.DrainServer) string {
	switch {
	case !s.EndedByReload:
		return ""
	case s.ExitSignal == "SIGHUP" || s.ExitSignal == "SIGUSR2":
		return "the server ended by the reload's signal"
	}
	return "the server ended after the reload's signal"
}

// ThenWords names the signal after the grace.
func ThenWords(s *record.DrainServer) string {
	if s.ByCommand {
		return "the signal after the stop command"
	}
	return "the second signal"
}

const keptRunning = "the server kept running"

func scoreRestart(t *record.DrainTry) string {
	if t.Restart == nil || t.Restart.ListensS != nil {
		return ""
	}
	if _, unknown := t.WhyUnknown("restart.listens_s"); unknown {
		return ""
	}
	return "the restart never listened"
}

// processesNamed is the most processes that ProcessNumbers lists.
const processesNamed = 4

// ProcessNumbers lists processes: "process 17", "processes 17, 18". Of many it lists the first few, and says how many more there are.
func ProcessNumbers(pids []int) string {
	shown := make([]string, 0, processesNamed)
	for _, pid := range pids[:min(len(pids), processesNamed)] {
		shown = append(shown, strconv.Itoa(pid))
	}
	s := quantity.Plural(len(pids), "process ", "processes ") + strings.Join(shown, ", ")
	if more := len(pids) - len(shown); more > 0 {
		s += " and " + quantity.Count(int64(more)) + " more"
	}
	return s
}

// WorstTry is the index of the worst try for clients: by requests lost, then requests unsafe to retry, requests answered 5xx,
// all failures, queued and idle connections reset, refusals, and what was still pending when the load ended. It is -1 without
// tries.
func WorstTry(tries []record.DrainTry) int {
	worst := -1
	for i := range tries {
		if worst < 0 || slices.Compare(suffered(&tries[i]), suffered(&tries[worst])) > 0 {
			worst = i
		}
	}
	return worst
}

func suffered(t *record.DrainTry) []float64 {
	var queued int64
	if q := t.Queued; q != nil {
		queued = q.Reset + q.FIN + q.TimedOut
	}
	r := &t.Requests
	return []float64{
		float64(r.Lost()), float64(r.Unsafe), float64(r.Answered5xx), float64(t.Failed()),
		float64(queued), float64(t.Connections.RST), t.Listener.RefusedWindowS, float64(t.Listener.Refused),
		float64(r.Open + t.Listener.Pending),
	}
}
