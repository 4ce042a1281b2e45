package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// momentsShown bounds the list of moments: enough for a rolling restart.
const momentsShown = 30

// timeline says what happened when, and how sure that is.
func (d *drainText) timeline() {
	zero := "the signal"
	if d.drain.Stop.Way == record.DrainByHook {
		zero = "the start of the hook"
	}
	d.section("TIMELINE", "times are from "+zero+" on; "+orderWords(d.try.Order))
	if n := d.try.Order.Dropped; n > 0 {
		d.hang("  ! ", "the capture missed "+quantity.Count(n)+quantity.Plural(n, " packet", " packets")+": a time below may be of a later one")
	}
	moments := d.try.Moments
	for i, m := range moments {
		if i == momentsShown {
			d.hang("  ", fmt.Sprintf("and %d more, in the record", len(moments)-i))
			break
		}
		d.hang("  "+padLeft(since(m.TS), 10)+"  ", m.What)
	}
	d.slices()
	if d.try.WatchedS > 0 {
		s := "clients were watched for " + quantity.Seconds(d.try.WatchedS)
		if sl := d.try.Slices; len(sl) > 0 && sl[len(sl)-1].TS > d.try.WatchedS+awaited {
			s += "; what comes later is of requests and connects that were under way then"
		}
		d.hang("  ", s)
	}
}

// awaited is how much longer than the watch the timeline is, in seconds, where that is explained.
const awaited = 0.5

// orderWords says how well times are known.
func orderWords(o record.DrainOrder) string {
	within := "±" + quantity.Micros(o.UncertaintyUs)
	switch o.Source {
	case "packets":
		return "begins and ends of connections " + within + ", by the kernel's timestamps of SYN, FIN and RST packets; replies, and ends of processes, " +
			"as this program saw them"
	case "clients":
		return join(": ", "all is as the load's loops saw it, "+within+" (their measured lag), as there are no packet timestamps", o.Reason)
	}
	return join(": ", "their uncertainty was not recorded", o.Reason)
}

// slices draws each tenth of a second.
func (d *drainText) slices() {
	sl := d.try.Slices
	if len(sl) == 0 {
		return
	}
	each := 0.1
	if len(sl) > 1 {
		each = sl[1].TS - sl[0].TS
	}
	d.hang("  ", fmt.Sprintf("from %s to %s, %s; each row is scaled to its own peak, a dot is 0", around(sl[0].TS), around(sl[len(sl)-1].TS+each), columnWords(len(sl), each)))
	if sl[0].TS < 0 {
		d.line("  " + pad("", 18) + "  " + signalMark(sl) + "  ^ the stop begins")
	}
	for _, row := range []struct {
		name string
		of   func(*record.DrainSlice) int64
	}{
		{"new connections", func(s *record.DrainSlice) int64 { return s.Accepted }},
		{"refused", func(s *record.DrainSlice) int64 { return s.Refused }},
		{"requests answered", func(s *record.DrainSlice) int64 { return s.Completed }},
		{"answered 5xx", func(s *record.DrainSlice) int64 { return s.Answered5xx }},
		{"requests lost", func(s *record.DrainSlice) int64 { return s.Lost }},
		{"ended by FIN", func(s *record.DrainSlice) int64 { return s.FIN }},
		{"ended by RST", func(s *record.DrainSlice) int64 { return s.RST }},
	} {
		values := make([]float64, len(sl))
		var peak, sum int64
		for i := range sl {
			n := row.of(&sl[i])
			values[i], peak, sum = float64(n), max(peak, n), sum+n
		}
		if row.name == "answered 5xx" && peak == 0 {
			continue
		}
		aside := "none"
		if peak > 0 {
			aside = "peak " + quantity.Count(peak) + ", " + quantity.Count(sum) + " in all"
		}
		d.line("  " + pad(row.name, 18) + "  " + spark(values) + "  " + aside)
	}
}

// columnWords says what a column of a sparkline of n slices is, which last each s.
func columnWords(n int, each float64) string {
	switch k := stretch(n); k {
	case 0:
		return fmt.Sprintf("a column is about %.2f s, of which the fullest %.1f s is drawn", float64(n)*each/sparkWidth, each)
	case 1:
		return fmt.Sprintf("a column is %.1f s", each)
	default:
		return fmt.Sprintf("%d columns are %.1f s", k, each)
	}
}

// signalMark is a row with a mark over the slice in which the stop begins, as wide as a sparkline.
func signalMark(sl []record.DrainSlice) string {
	at := -1
	for i := range sl {
		if sl[i].TS <= 0 {
			at = i
		}
	}
	marks := make([]bool, len(sl))
	if at >= 0 {
		marks[at] = true
	}
	columns := resample(marks, func(a, b bool) bool { return a || b })
	row := []rune(strings.Repeat(" ", len(columns)))
	if i := slices.Index(columns, true); i >= 0 {
		row[i] = '^'
	}
	return string(row)
}

// around is a point of a drain's time with three digits.
func around(s float64) string {
	switch {
	case s < 0:
		return "-" + quantity.Seconds(-s)
	case s > 0:
		return "+" + quantity.Seconds(s)
	}
	return "0 s"
}

// since is one to the millisecond, however late: what happened after what is the question.
func since(s float64) string {
	text := quantity.Seconds(math.Abs(s))
	if math.Abs(s) >= 0.9995 && math.Abs(s) < 1e6 {
		text = strconv.FormatFloat(math.Abs(s), 'f', 3, 64) + " s"
	}
	switch {
	case s < 0:
		return "-" + text
	case s > 0:
		return "+" + text
	}
	return text
}

// moment is a point in time with what to say of it: note, or none where it did not come, or why it is unknown.
func (d *drainText) moment(path string, s *float64, note, none string) (value, text string) {
	if s != nil {
		return since(*s), note
	}
	if why, unknown := d.try.WhyUnknown(path); unknown {
		return "unknown", why
	}
	return "-", none
}

// listener is what happened to new connections.
func (d *drainText) listener() {
	l := &d.try.Listener
	d.section("LISTENER", "connects after the stop began")
	tab := table{indent: "  ", first: 24, cell: 10, notes: true}
	row := func(name, path string, s *float64, note, none string) {
		value, text := d.moment(path, s, note, none)
		tab.row(name, value, text)
	}
	lastAccept := "no handshake was completed between the stop and the first refusal"
	switch {
	case l.FirstRefusalS != nil:
	case l.Attempts == 0:
		lastAccept = "nobody connected"
	case l.UnservedFromS != nil:
		lastAccept = "handshakes by the kernel; from " + since(*l.UnservedFromS) + " on no process was seen accepting"
	case l.Undecided > 0 && l.Unserved+l.Undecided == l.Opened:
		lastAccept = "handshakes by the kernel; whether a process accepted is not known, as no reply had come yet"
	case l.Attempts == l.Unanswered()+l.Failed:
		lastAccept = "no connect was answered"
	default:
		lastAccept = "it never ceased to accept, as far as was seen"
	}
	row("last accept", "listener.last_accept_s", l.LastAcceptS, "the last handshake before the refusals", lastAccept)
	row("first refusal", "listener.first_refusal_s", l.FirstRefusalS, "the first connect that no server took", "no connect was refused")
	if l.FirstRefusalS != nil || l.AcceptsAgainS != nil {
		row("accepts again", "listener.accepts_again_s", l.AcceptsAgainS, "the first handshake after the refusals", "nothing accepted to the end of the watch")
		window := "from the first refusal until something accepted again"
		if l.AcceptsAgainS == nil {
			window = "at least: from the first refusal to the end of the watch, when nothing had accepted again"
		}
		tab.row("refused window", quantity.Seconds(l.RefusedWindowS), window)
	}
	if why, unknown := d.try.WhyUnknown("listener.refused"); unknown && l.Attempts == 0 {
		tab.row("connects", "unknown", why)
	} else {
		tab.row("connects", quantity.Count(l.Attempts), "")
		tab.row("  refused", quantity.Count(l.Refused), "")
		if l.TimedOut > 0 {
			tab.row("  timed out", quantity.Count(l.TimedOut), "the SYNs were dropped, or nobody was there to answer")
		}
		if l.Pending > 0 {
			tab.row("  no answer yet", quantity.Count(l.Pending), "when the load ended")
		}
		if l.Unreachable > 0 {
			tab.row("  unreachable", quantity.Count(l.Unreachable), "an ICMP error came, or there was no way to the address")
		}
		if l.Failed > 0 {
			tab.row("  failed here", quantity.Count(l.Failed), "no port, descriptor or memory here: not counted as failed")
		}
		if l.Unserved > 0 {
			tab.row("  not served", quantity.Count(l.Unserved), "taken by the kernel; their requests were neither answered nor cut")
		}
		if l.Undecided > 0 {
			tab.row("  not known", quantity.Count(l.Undecided), "taken by the kernel; no reply had come yet when the load ended")
		}
		if l.SlowestConnectS > 0 {
			note := "of those that succeeded"
			if n := l.Unanswered(); n > 0 {
				note += ", " + quantity.Count(n) + quantity.Plural(n, " other", " others") + " had no answer"
			}
			if l.SlowestConnectS > 0.9 {
				note += "; a dropped SYN comes again after about 1 s"
			}
			tab.row("  slowest", quantity.Seconds(l.SlowestConnectS), note)
		}
	}
	tab.write(&d.page)
	d.hang("  ", d.whenRefusalsShow())
}

// whenRefusalsShow says how finely refusals are told.
func (d *drainText) whenRefusalsShow() string {
	var rate float64
	for _, g := range d.run.Plan.Groups {
		rate += g.RateFrom
	}
	const seen = "a refusal is seen only when somebody connects: "
	if rate <= 0 {
		return seen + "without arrivals, when clients that lost their connection connect again"
	}
	return seen + "with arrivals at " + askedRate(rate) + "/s every " + quantity.Seconds(1/rate)
}
