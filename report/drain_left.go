package report

import (
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// leftBehind counts the sockets that outlived the server, and says whether its port could be taken at once.
func (d *drainText) leftBehind() {
	l, p := &d.try.Leftover, &d.try.Port
	why, unknown := d.try.WhyUnknown("leftover")
	switch {
	case unknown:
	case d.try.Server.Stayed, len(d.try.Server.StillListening) > 0:
		why = "the server did not stop"
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
		note := "the server closed first, so that its port remembers the connection for 60 s or a few more"
		if l.LongestLeftS > 0 {
			note = "the server closed first; the last of them is gone after " + quantity.Seconds(l.LongestLeftS) + roundedUp(d.run, l.LongestLeftS)
		}
		tab.row("TIME_WAIT", quantity.Count(int64(l.TimeWait)), note)
		for _, state := range stateKeys(l.States) {
			if n := l.States[state]; n > 0 && state != "FIN_WAIT_2" && state != "TIME_WAIT" {
				tab.row(state, quantity.Count(int64(n)), leftWords(state))
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
	if n := l.Earlier; l.Known && n > 0 {
		d.hang("  ", quantity.Count(int64(n))+" more "+quantity.Plural(n, "TIME_WAIT is of a connection", "TIME_WAITs are of connections")+" that had ended before the stop")
	}
}

// leftWords says what a socket at the server's end means that no process has any more.
func leftWords(state string) string {
	switch state {
	case "FIN_WAIT_1":
		return "closed by the server, its FIN or data before it not acknowledged yet"
	case "CLOSING":
		return "closed by both at once, the server's FIN not acknowledged yet"
	case "LAST_ACK":
		return "closed by the client first, then by the server, whose FIN is not acknowledged yet"
	case "CLOSE_WAIT":
		return "closed by the client, not by the server"
	case "ESTABLISHED":
		return "closed by nobody"
	case "SYN_RECV":
		return "handshakes that are not completed"
	}
	return ""
}

// latencies are of the whole load, in all tries. How long a drain's connections live and close says nothing: it is
// the drain that ends them.
func (d *drainText) latencies() {
	some := make(map[string]record.Latency)
	for name, l := range d.run.Latency {
		if l.Count > 0 && slices.Contains([]string{"lag", "connect", "exchange"}, name) {
			some[name] = l
		}
	}
	if len(some) == 0 {
		return
	}
	aside := "of the whole load, before the stop too"
	if d.several() {
		aside += ", in all tries"
	}
	d.section("LATENCY", aside)
	d.latencyTable("  ", record.Result{Latency: some})
	d.beside("latency", "latency_absent")
}
