package report

import (
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// leftBehind counts the sockets that outlived the server, and says whether its port could be bound at once.
func (d *drainView) leftBehind() *section {
	l, p := &d.try.Leftover, &d.try.Port
	why, unknown := d.try.WhyUnknown("leftover")
	switch {
	case unknown:
	case d.try.Server.Stayed, len(d.try.Server.StillListening) > 0:
		why = "the server did not stop"
	default:
		why = "it was not looked at"
	}
	s := begin(document.First, "LEFT BEHIND", "not known: "+why)
	if !l.Known && *p == (record.DrainPort{}) {
		return s
	}
	t := s.table(document.Detail, "", "", "~")
	if l.Known {
		s.Lead = quantity.Count(int64(l.TimeWait)) + " TIME_WAIT, " + quantity.Count(int64(l.FinWait2)) + " FIN_WAIT_2"
		t.row("FIN_WAIT_2", count(l.FinWait2), txt("orphans: closed by the server, not yet by their clients"))
		words := "the server closed first; each lasts for 60 s or a few more"
		if l.LongestLeftS > 0 {
			words = "the server closed first; the last of them is gone after " + quantity.Seconds(l.LongestLeftS) + roundedUp(d.run, l.LongestLeftS)
		}
		t.row("TIME_WAIT", count(l.TimeWait), txt(words))
		for _, state := range stateKeys(l.States) {
			if n := l.States[state]; n > 0 && state != "FIN_WAIT_2" && state != "TIME_WAIT" {
				t.row(state, count(n), txt(leftWords(state)))
				s.Lead += ", " + quantity.Count(int64(n)) + " " + state
			}
		}
	} else {
		s.Lead = "sockets unknown"
		t.row("sockets", document.Absent("unknown: "+why))
	}
	bind := func(name, short, key, got, without string) {
		not := "does not get"
		switch got {
		case "":
			t.time(d, name, key, nil, "", "unknown: it was not tried")
			return
		case record.DrainBound:
			not = "gets"
		}
		t.row(name, txt(got), txt("a server that starts now "+not+" the port"+without))
		s.Lead += "; " + short + " " + got
	}
	bind("bind, plain", "bind", "port.plain", p.Plain, " without SO_REUSEADDR")
	bind("bind, SO_REUSEADDR", "with SO_REUSEADDR", "port.reuse", p.Reuse, "")
	if n := l.Earlier; l.Known && n > 0 {
		s.note(quantity.Count(int64(n)) + " more " + quantity.Plural(n, "TIME_WAIT is of a connection", "TIME_WAITs are of connections") + " that had ended before the stop")
	}
	return s
}

// leftWords explains a socket that the server left behind: no process has it open.
func leftWords(state string) string {
	return map[string]string{
		"FIN_WAIT_1":  "closed by the server; its FIN, or data before it, is not acknowledged yet",
		"CLOSING":     "closed by both at once; the server's FIN is not acknowledged yet",
		"LAST_ACK":    "closed by the client, then by the server, whose FIN is not acknowledged yet",
		"CLOSE_WAIT":  "closed by the client, not by the server",
		"ESTABLISHED": "closed by nobody",
		"SYN_RECV":    "handshakes that are not complete",
	}[state]
}

// latency is what a drain's latencies say. It ends the connections, so their lifecycle and close latency say nothing.
func (d *drainView) latency() map[string]record.Latency {
	some := make(map[string]record.Latency)
	for _, name := range []string{"lag", "connect", "exchange"} {
		if l := d.run.Latency[name]; l.Count > 0 {
			some[name] = l
		}
	}
	return some
}

// latencies are of the whole load, in all tries.
func (d *drainView) latencies() *section {
	some := d.latency()
	if len(some) == 0 {
		return nil
	}
	s := begin(document.Detail, "LATENCY", "of the whole load, before the stop too"+given(d.several(), ", in all tries"))
	s.latencies(document.Detail, d.run, "", &record.Result{Latency: some})
	return s
}
