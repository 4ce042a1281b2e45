package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
	"lastack/report/text"
	"lastack/sockstate"
)

// handshakeDocument is the report of handshakes: a section for each ladder, and tables of its packets, states and steps.
func handshakeDocument(run *record.Run) *document.Document {
	h := run.Handshake
	if h == nil {
		h = &record.Handshake{}
	}
	sections := []*section{handshakeContext(run, h)}
	if len(run.Verdict.Reasons) > 0 {
		lead := strings.Join(run.Verdict.Reasons, "; ")
		sections = append(sections, &section{document.Section{ID: "verdict", Title: "NO CONNECTION", Lead: lead, Level: document.First}})
	}
	sections = append(sections, warnings())
	for i := range h.Ladders {
		sections = append(sections, ladderSection(&h.Ladders[i], i, len(h.Ladders)))
	}
	asked := handshakeAsked(h)
	if run.Interrupted {
		asked += "; stopped by a signal (interrupted)"
	}
	d := build(title(run), asked, run.Warnings, sections...)
	d.Long = true
	if len(h.Ladders) > 0 {
		d.Table = ladderID(&h.Ladders[0], 0, len(h.Ladders)) + ".packets"
	}
	return d
}

// handshakeAsked says what was watched.
func handshakeAsked(h *record.Handshake) string {
	switch len(h.Ladders) {
	case 0:
		return "no connection"
	case 1:
		l := &h.Ladders[0]
		if l.Drill != "" {
			return "drill " + ladderTitle(l) + ": " + askedLadder(l)
		}
		return askedLadder(l)
	}
	drills := make(map[string]bool)
	for i := range h.Ladders {
		drills[h.Ladders[i].Drill] = true
	}
	if len(drills) == 1 {
		return "drill " + h.Ladders[0].Drill + ", " + number(len(h.Ladders), "connection", "connections")
	}
	return number(len(drills), "drill", "drills") + ", " + number(len(h.Ladders), "connection", "connections")
}

func askedLadder(l *record.Ladder) string {
	s := "close " + l.Close
	if l.OnEOF != "close" {
		s += ", on EOF " + l.OnEOF
	}
	s += ", exchange " + l.Exchange
	if l.Lose != "" {
		s += ", lost: " + l.Lose
	}
	for _, key := range slices.Sorted(maps.Keys(l.Sysctls)) {
		s += ", " + strings.TrimPrefix(key, "net.ipv4.") + "=" + l.Sysctls[key]
	}
	return s
}

func handshakeContext(run *record.Run, h *record.Handshake) *section {
	s := &section{document.Section{ID: "asked", Level: document.First}}
	s.fact(document.Detail, "between", handshakeBetween(run, h))
	for i := range run.Hosts {
		s.fact(document.Detail, "host", host(&run.Hosts[i]))
	}
	if !run.Started.IsZero() {
		s.fact(document.Detail, "started", moment(run.Started))
	}
	if cmd := run.Plan.Command; len(cmd) > 0 {
		s.add(document.Fact{Name: "command", Text: shell(cmd), Command: true})
	}
	return s
}

// handshakeBetween says where the ends were, and how their states are known.
func handshakeBetween(run *record.Run, h *record.Handshake) string {
	between := "both ends in namespaces of a sandbox, with a relay between them that forwards each packet"
	if run.Sandbox.Mode == "off" {
		between = "this host and the target"
	}
	for i := range h.Ladders {
		switch h.Ladders[i].Server.Seen {
		case record.SeenInferred:
			return between + "; the server's states are inferred from the packets"
		case record.SeenNot:
			how := "; the client's states by sock_diag"
			if h.Ladders[i].Client.Seen == record.SeenSampled {
				how += ", sampled"
			}
			return between + how
		}
	}
	between += "; states by sock_diag, before and after each packet"
	if len(h.Ladders) == 0 {
		return between
	}
	if how, why, _ := strings.Cut(h.Ladders[0].Trace, ": "); how == "on" {
		between += ", the times of their changes by the kernel's tracepoint; those that it does not show (SYN_RECV, and TIME_WAIT after FIN_WAIT_2) by lookup"
	} else if why != "" {
		between += ", with the times of these (no trace: " + why + ")"
	}
	return between
}

// ladderID is the section's.
func ladderID(l *record.Ladder, i, n int) string {
	switch {
	case n == 1:
		return "ladder"
	case l.Drill == "":
		return fmt.Sprintf("ladder_%d", i+1)
	}
	id := strings.ReplaceAll(l.Drill, "-", "_")
	if l.Case != "" {
		id += fmt.Sprintf("_%d", i+1)
	}
	return id
}

// ladderTitle names a ladder.
func ladderTitle(l *record.Ladder) string { return join(", ", l.Drill, l.Case) }

func ladderSection(l *record.Ladder, i, n int) *section {
	s := &section{document.Section{ID: ladderID(l, i, n), Title: "CONNECTION", Lead: ladderSummary(l), Level: document.First}}
	if t := ladderTitle(l); t != "" {
		s.Title, s.Lead = strings.ToUpper(t), l.Teaches
		if n == 1 {
			s.say(document.First, ladderSummary(l)) // the page's head has what was asked
		} else {
			s.say(document.First, askedLadder(l)+"; "+ladderSummary(l))
		}
	}
	s.add(drawLadder(l, s.ID))
	switch {
	case l.Client.Seen == record.SeenSampled && len(l.Steps) > 0:
		s.say(document.First, "without packets: the client's states are looked up all the time, and those shorter than a lookup are missing")
	case l.Server.Seen == record.SeenInferred:
		s.say(document.First, "the server's states, and what its program did, are inferred from its packets, by RFC 9293: only its own kernel knows them; the functions are Linux's")
	}
	s.packetTable(l)
	s.stateTable(l)
	s.stepTable(l)
	return s
}

// ladderSummary says what a ladder shows, in a few words.
func ladderSummary(l *record.Ladder) string {
	lost := 0
	for i := range l.Packets {
		if l.Packets[i].Fate == record.Lost {
			lost++
		}
	}
	s := number(len(l.Packets), "packet", "packets")
	if l.Client.Seen == record.SeenSampled {
		s = "packets not seen"
	}
	if n := len(l.Packets); n > 0 {
		s += " in " + text.Value(moments(l.Packets[n-1].AtS))
	}
	if lost > 0 {
		s += ", " + quantity.Count(int64(lost)) + " lost"
	}
	var at []string
	for side, e := range []*record.LadderEnd{&l.Client, &l.Server} {
		if slices.ContainsFunc(e.States, func(s record.LadderState) bool { return s.State == "TIME_WAIT" }) {
			at = append(at, "the "+sockstate.Side(side).String())
		}
	}
	if len(at) == 0 {
		return s + "; no TIME_WAIT"
	}
	return s + "; TIME_WAIT at " + strings.Join(at, " and ")
}

// drawLadder makes a ladder's drawing.
func drawLadder(l *record.Ladder, id string) *document.Ladder {
	ends := []*record.LadderEnd{&l.Client, &l.Server}
	d := &document.Ladder{Level: document.First, ID: id, Desc: ladderDesc(l)}
	begins := make(map[[2]int]*document.State)
	for side, e := range ends {
		d.Ends[side] = document.LadderEnd{Name: strings.ToUpper(sockstate.Side(side).String()), Address: e.Address}
		for i := range e.States {
			s := &e.States[i]
			state := &document.State{Name: s.State, Dwell: s.DwellS(), Lasts: !s.Ended, Left: s.LeftS}
			if s.Step == 0 {
				d.Ends[side].First = document.State{Name: s.State, Dwell: -1}
				continue
			}
			begins[[2]int{side, s.Step}] = state
		}
		d.Ends[side].Last = ladderLast(sockstate.Side(side), e, l)
	}
	for i := range l.Steps {
		st := &l.Steps[i]
		r := document.Rung{At: st.AtS, Text: st.Text, Source: source(st), States: [2]*document.State{begins[[2]int{0, i + 1}], begins[[2]int{1, i + 1}]}}
		if st.Side == sockstate.Server.String() {
			r.End = 1
		}
		if st.Packet > 0 && st.Packet <= len(l.Packets) {
			r.Arrow = arrow(l, i)
		}
		d.Rungs = append(d.Rungs, r)
	}
	return d
}

// source says where to read about a step.
func source(s *record.LadderStep) string {
	var parts []string
	if s.Function != "" {
		parts = append(parts, s.Function)
	}
	if s.Section != "" {
		parts = append(parts, rfcSection(s))
	}
	return strings.Join(parts, "; ")
}

func rfcSection(s *record.LadderStep) string {
	if s.Section == "" {
		return ""
	}
	return "RFC 9293, " + s.Section
}

// moments is a time in seconds, without what its nanoseconds gained in the record.
func moments(s float64) document.Value { return document.Micros(math.Round(s*1e9) / 1e3) }

func arrow(l *record.Ladder, step int) *document.Arrow {
	st := &l.Steps[step]
	p := &l.Packets[st.Packet-1]
	a := &document.Arrow{Right: p.From == sockstate.Client.String(), Flags: flagWords(p), Numbers: packetNumbers(p), Options: strings.Join(p.Options, ", "), Lost: p.Fate == record.Lost}
	if st.Arrival {
		a.Arrives = true
		a.Options = ""
	} else {
		for j := step + 1; j < len(l.Steps); j++ {
			if l.Steps[j].Packet == st.Packet && l.Steps[j].Arrival {
				a.Leaves = true
			}
		}
	}
	if a.Lost || strings.Contains(a.Flags, "RST") {
		a.Tone = document.Bad
	}
	return a
}

func flagWords(p *record.LadderPacket) string {
	words := strings.Join(p.Flags, "|")
	switch {
	case p.Replayed:
		words = "old " + words
	case p.Again:
		words += " again"
	}
	return words
}

// packetNumbers are the numbers of a packet: seq 2 ack 2 win 502.
func packetNumbers(p *record.LadderPacket) string {
	s := fmt.Sprintf("seq %d", p.Seq)
	if p.Ack != nil {
		s += fmt.Sprintf(" ack %d", *p.Ack)
	}
	if p.Bytes > 0 {
		s += fmt.Sprintf(" len %d", p.Bytes)
	}
	return s + fmt.Sprintf(" win %d", p.Window)
}

// ladderLast says what is left of an end, or how long its TIME_WAIT was.
func ladderLast(side sockstate.Side, e *record.LadderEnd, l *record.Ladder) string {
	for i := range e.States {
		s := &e.States[i]
		switch {
		case i == len(e.States)-1 && s.State == "TIME_WAIT" && s.LeftS > 0:
			return fmt.Sprintf("The %v is in TIME_WAIT for another %s or a little more, as its timer is coarse; --follow waits for its end.", side, text.Value(document.Micros(s.LeftS*1e6)))
		case i == len(e.States)-1 && s.State == "FIN_WAIT_2" && s.LeftS > 0:
			return fmt.Sprintf("The %v is in FIN_WAIT_2 for another %s (tcp_fin_timeout); --follow waits for its end.", side, text.Value(document.Micros(s.LeftS*1e6)))
		case i == len(e.States)-1 && s.State == "CLOSE_WAIT":
			if l.OnEOF != "never" {
				return fmt.Sprintf("The %v was in CLOSE_WAIT when the watch ended.", side)
			}
			return fmt.Sprintf("The %v stays in CLOSE_WAIT: its program never closes.", side)
		case i == len(e.States)-1 && s.State == "ESTABLISHED":
			if l.Close != "never" && l.OnEOF != "never" {
				return fmt.Sprintf("The %v was ESTABLISHED when the watch ended.", side)
			}
			return fmt.Sprintf("The %v stays ESTABLISHED.", side)
		case i < len(e.States)-1 && s.State == "TIME_WAIT" && e.States[i+1].State == "CLOSED" && s.DwellS() > 1:
			begun := lastBegun(l, side, s)
			if begun == s.FromS {
				return fmt.Sprintf("The %v's TIME_WAIT lasted %.2f s.", side, s.DwellS())
			}
			return fmt.Sprintf("The %v's TIME_WAIT lasted %.2f s: it began anew at %s ms, and %.2f s later it ended.", side, s.DwellS(), text.Clock(begun), s.ToS-begun)
		}
	}
	return ""
}

// lastBegun is when TIME_WAIT began anew for the last time: with each FIN that came again.
func lastBegun(l *record.Ladder, side sockstate.Side, s *record.LadderState) float64 {
	at := s.FromS
	for i := range l.Steps {
		st := &l.Steps[i]
		if (st.Code == "last_ack_again" || st.Code == "time_wait_answers") && st.Side == side.String() && st.AtS < s.ToS {
			at = max(at, st.AtS)
		}
	}
	return at
}

// ladderDesc says in words what the drawing shows.
func ladderDesc(l *record.Ladder) string {
	var parts []string
	for i := range l.Packets {
		p := &l.Packets[i]
		s := p.From + " sends " + flagWords(p)
		if p.Fate == record.Lost {
			s += ", which is lost"
		}
		parts = append(parts, s)
	}
	return quantity.Escape(strings.Join(parts, "; "))
}

func (s *section) packetTable(l *record.Ladder) {
	t := s.table(document.Detail, "|packet", "sent", "arrived", "from", "flags", "seq", "ack", "win", "bytes", "fate", "~options")
	t.ID = "packets"
	for i := range l.Packets {
		p := &l.Packets[i]
		var arrived, ack document.Value
		if p.ArrivedS != nil {
			arrived = moments(*p.ArrivedS)
		}
		if p.Ack != nil {
			ack = count(*p.Ack)
		}
		t.row(fmt.Sprint(i+1), moments(p.AtS), arrived, txt(p.From), txt(flagWords(p)), count(p.Seq), ack, count(p.Window), count(p.Bytes), txt(p.Fate), txt(strings.Join(p.Options, ", ")))
	}
}

func (s *section) stateTable(l *record.Ladder) {
	t := s.table(document.Detail, "|side", "state", "from", "to", "dwell", "left", "clock")
	t.ID = "states"
	for side, e := range []*record.LadderEnd{&l.Client, &l.Server} {
		for i := range e.States {
			st := &e.States[i]
			var to, dwell, left document.Value
			if st.Ended {
				to, dwell = moments(st.ToS), moments(st.DwellS())
			}
			if st.LeftS > 0 {
				left = moments(st.LeftS)
			}
			t.row(sockstate.Side(side).String(), txt(st.State), moments(st.FromS), to, dwell, left, txt(clockOf(st, e)))
		}
	}
}

// clockOf says which clock told when a state began.
func clockOf(st *record.LadderState, e *record.LadderEnd) string {
	switch {
	case st.Step == 0:
		return ""
	case st.Traced:
		return "tracepoint"
	case e.Seen == record.SeenInferred:
		return "packet"
	}
	return "lookup"
}

// stepTable has the words of the drawing, for files.
func (s *section) stepTable(l *record.Ladder) {
	t := s.table(document.Data, "|step", "at", "packet", "side", "code", "client", "server", "~text", "function", "rfc")
	t.ID = "steps"
	for i := range l.Steps {
		st := &l.Steps[i]
		var packet document.Value
		if st.Packet > 0 {
			packet = count(st.Packet)
		}
		t.row(fmt.Sprint(i+1), moments(st.AtS), packet, txt(st.Side), txt(st.Code), txt(st.States.Client), txt(st.States.Server), txt(st.Text), txt(st.Function), txt(rfcSection(st)))
	}
}
