package ladder

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Build makes the ladder of a watch: packets, states and steps. seen says how each side's states are known.
func Build(w *Watch, seen [sockstate.NumSides]string) record.Ladder {
	b := &builder{w: w, states: w.Began, seen: seen}
	b.begin()
	for i := range w.Events {
		b.event(i)
	}
	b.finish()
	for side := range seen {
		if seen[side] == record.SeenNot {
			b.forget(sockstate.Side(side))
		}
	}
	l := record.Ladder{Packets: b.packets, Steps: b.steps, LastsS: b.at(w.End), Trace: w.Trace, Link: w.Link}
	if !w.Epoch.IsZero() {
		l.Started = w.Epoch.Add(time.Duration(b.start)).UTC()
	}
	for side, end := range []*record.LadderEnd{&l.Client, &l.Server} {
		*end = record.LadderEnd{Seen: seen[side], States: b.dwells[side]}
	}
	for address, at := range map[*string]netip.AddrPort{&l.Client.Address: w.Client, &l.Server.Address: w.Server} {
		if at.IsValid() {
			*address = at.String()
		}
	}
	return l
}

type builder struct {
	w      *Watch
	seen   [sockstate.NumSides]string
	start  int64
	states [sockstate.NumSides]sockstate.State
	dwells [sockstate.NumSides][]record.LadderState

	packets []record.LadderPacket
	steps   []record.LadderStep
	// index is the record's packet of each of the watch's last transmission.
	index map[int]int
	ends  [sockstate.NumSides]end
	// found is how many of the kernel's changes have been matched, and lookedUp when states were last looked up.
	found    [sockstate.NumSides]int
	lookedUp int64
	// now is the number of the step of the event under way.
	now int
	// wasClosing is set for a side that has been in CLOSING.
	wasClosing [sockstate.NumSides]bool
	// called is the last call of each side that no packet has explained yet.
	called [sockstate.NumSides]Call
}

// end is what is known of what a side has sent.
type end struct {
	base   uint32 // its last SYN's sequence number
	opened bool
	next   uint32 // beyond the highest byte sent
	fin    uint32 // the number behind its FIN
	finned bool
	// confirmed is set when it has sent an ACK.
	confirmed bool
	// acked is set if its FIN has been acknowledged, in a packet that may be lost.
	acked bool
}

// at is a time of the watch in seconds.
func (b *builder) at(t int64) float64 { return float64(t-b.start) / 1e9 }

// name is a state as the record has it; no socket is CLOSED.
func name(s sockstate.State) string {
	if s == 0 {
		return sockstate.Closed.String()
	}
	return s.String()
}

func names(s [sockstate.NumSides]sockstate.State) record.BothStates {
	return record.BothStates{Client: name(s[sockstate.Client]), Server: name(s[sockstate.Server])}
}

func (b *builder) begin() {
	b.index = make(map[int]int)
	for i := range b.w.Events {
		if b.w.Events[i].Kind == Sent || b.w.Unseen && b.w.Events[i].Kind == Changed {
			b.start = b.w.Events[i].At
			break
		}
	}
	if first := b.w.Kernel[sockstate.Client]; len(first) > 0 {
		b.start = min(b.start, first[0].At) // connect() comes before the SYN
	}
	for side := range b.states {
		b.dwells[side] = []record.LadderState{{State: name(b.states[side])}}
	}
}

// kernels is the kernel's own time of a side's change to a state, which was looked up at a time. It was after the look-up before.
func (b *builder) kernels(side int, to sockstate.State, at int64) (int64, bool) {
	all := b.w.Kernel[side]
	for i := b.found[side]; i < len(all) && all[i].At <= at+slack; i++ {
		c := &all[i]
		is := c.New == to
		if to == sockstate.TimeWait {
			is = c.New == sockstate.Closed && (c.Old == sockstate.FinWait2 || c.Old == sockstate.Closing)
		}
		if is && c.At >= b.lookedUp-slack {
			b.found[side] = i + 1
			return c.At, true
		}
	}
	return 0, false
}

// slack is by how much both clocks of a trace may differ, in nanoseconds.
const slack = 5000

// move notes the states after an event.
func (b *builder) move(e *Event) {
	for side, state := range e.States {
		b.wasClosing[side] = b.wasClosing[side] || state == sockstate.Closing
		all := b.dwells[side]
		last := &all[len(all)-1]
		if last.State != name(state) {
			when, traced := b.kernels(side, state, e.At)
			if !traced {
				when = e.At
			}
			at := max(b.at(when), last.FromS)
			last.ToS, last.Ended = at, true
			b.dwells[side] = append(all, record.LadderState{State: name(state), FromS: at, Traced: traced, Step: b.now})
		}
	}
	b.states = e.States
	if e.Kind == Arrived || e.Kind == Dropped || e.Kind == Changed {
		b.lookedUp = e.At
	}
}

func (b *builder) finish() {
	for side := range b.dwells {
		last := &b.dwells[side][len(b.dwells[side])-1]
		last.ToS = max(b.at(b.w.End), last.FromS)
		if s := b.states[side]; s == sockstate.TimeWait || s == sockstate.FinWait2 {
			last.LeftS = b.w.Left[side].Seconds()
		}
	}
}

// forget leaves out a side of which nothing is known.
func (b *builder) forget(side sockstate.Side) {
	b.dwells[side] = nil
	for i := range b.steps {
		if s := &b.steps[i].States; side == sockstate.Server {
			s.Server = ""
		} else {
			s.Client = ""
		}
	}
}

func (b *builder) event(i int) {
	e := &b.w.Events[i]
	before := b.states
	b.now = len(b.steps)
	switch e.Kind {
	case Sent, Replayed:
		b.now++
		b.move(e)
		b.sent(e, before)
	case Arrived, Dropped:
		b.arrived(e, b.crossed(i))
	case Called:
		if e.Call == CallBindRefused {
			b.step(e, codeBindRefused, e.Side, 0)
			return
		}
		b.move(e)
		b.called[e.Side] = e.Call
	case Changed:
		code := ended(before[e.Side], e.States[e.Side])
		if c, ok := entered[e.States[e.Side]]; b.w.Unseen && ok && (code == "" || code == codeClosedInSilent || code == codeGaveUp) {
			code = c
		}
		if code != "" {
			b.now++
		}
		b.move(e)
		if code != "" {
			b.step(e, code, e.Side, 0)
		}
	}
}

// crossed reports whether the receiver of a packet that arrives has entered another state by what it sent while the packet was under way.
func (b *builder) crossed(arrived int) bool {
	packet := b.w.Events[arrived].Packet
	from := b.w.Packets[packet].from(b.w.Client)
	for i := arrived - 1; i > 0; i-- {
		e := &b.w.Events[i]
		if (e.Kind == Sent || e.Kind == Replayed) && e.Packet == packet {
			return false
		}
		if e.Kind == Sent && b.w.Packets[e.Packet].from(b.w.Client) != from && e.States[from.Other()] != b.w.Events[i-1].States[from.Other()] {
			return true
		}
	}
	return false
}

// ended is the step of a state that ended without a packet.
func ended(from, to sockstate.State) Code {
	switch {
	case to != 0 && to != sockstate.Closed:
		return ""
	case from == sockstate.TimeWait:
		return codeTimeWaitEnds
	case from == sockstate.FinWait2:
		return codeFinWait2Ends
	case from == sockstate.SynSent, from == sockstate.FinWait1, from == sockstate.LastAck, from == sockstate.Closing:
		return codeGaveUp
	case from == 0 || from == sockstate.Closed || from == sockstate.Listen:
		return ""
	}
	return codeClosedInSilent
}

// sent adds a packet, and the step that it begins.
func (b *builder) sent(e *Event, before [sockstate.NumSides]sockstate.State) {
	p := &b.w.Packets[e.Packet]
	side := p.from(b.w.Client)
	own, peer := &b.ends[side], &b.ends[side.Other()]
	again := false
	if p.Flags.Has(SYN) {
		if again = own.opened && own.base == p.Seq; !again {
			*own = end{base: p.Seq, next: p.Seq, opened: true}
		}
	}
	if p.next() != p.Seq && !p.Flags.Has(RST) && !p.Flags.Has(SYN) {
		again = int32(p.next()-own.next) <= 0
	}
	out := record.LadderPacket{
		AtS: b.at(e.At), From: side.String(), Flags: p.Flags.Names(), Seq: int64(p.Seq - own.base), Window: p.Window, Bytes: p.Bytes,
		Options: p.Options, Fate: record.Lost, Again: again, Before: names(b.states), After: names(b.states), Raw: p.Raw,
	}
	if p.Flags.Has(ACK) {
		ack := int64(p.Ack - peer.base)
		out.Ack = &ack
	}
	code := b.classify(p, side, again, before)
	if e.Kind == Replayed {
		out.Again, out.Replayed, code = true, true, codeReplayed
	}
	b.packets = append(b.packets, out)
	b.index[e.Packet] = len(b.packets) - 1
	b.step(e, code, side, len(b.packets))

	if int32(p.next()-own.next) > 0 {
		own.next = p.next()
	}
	own.confirmed = own.confirmed || p.Flags.Has(ACK)
	if p.Flags.Has(FIN) {
		own.finned, own.fin = true, p.next()
	}
	if p.Flags.Has(ACK) && peer.finned && p.Ack == peer.fin {
		peer.acked = true
	}
	if p.Flags&(FIN|RST) != 0 {
		b.called[side] = CallNone
	}
}

// classify finds what a packet is. before are the states before its sender sent it.
func (b *builder) classify(p *Packet, side sockstate.Side, again bool, before [sockstate.NumSides]sockstate.State) Code {
	own, peer := &b.ends[side], &b.ends[side.Other()]
	was, is, other := before[side], b.states[side], b.states[side.Other()]
	switch {
	case p.Flags.Has(RST):
		return b.classifyReset(was, side)
	case p.Flags.Has(SYN | ACK):
		if again {
			return codeSYNACKAgain
		}
		return codeSYNACK
	case p.Flags.Has(SYN):
		switch {
		case again:
			return codeSYNAgain
		case was == sockstate.TimeWait:
			return codeSYNReuses
		case other == sockstate.TimeWait:
			return codeSYNReopens
		}
		return codeSYN
	case p.Flags.Has(FIN):
		switch call := b.called[side]; {
		case again:
			return codeFINAgain
		case peer.finned && is == sockstate.LastAck && !peer.acked:
			return codeFINMerged
		case peer.finned && is == sockstate.LastAck:
			return codeFINSecond
		case peer.finned:
			return codeFINCrossing
		case call == CallShutdown:
			return codeFINHalf
		case call == CallLinger:
			return codeFINLinger
		}
		return codeFINFirst
	case !p.pure():
		switch {
		case again:
			return codeDataAgain
		case is == sockstate.CloseWait:
			return codeDataHalf
		}
		return codeData
	case peer.finned && p.Ack == peer.fin:
		switch {
		case is == sockstate.TimeWait && other == sockstate.Closed, is == sockstate.TimeWait && other == 0:
			return codeTimeWaitSays
		case is == sockstate.TimeWait && peer.acked:
			return codeLastACKAgain
		case is == sockstate.Closing, is == sockstate.TimeWait && other == sockstate.Closing && b.wasClosing[side]:
			return codeCrossingACK
		case is == sockstate.TimeWait:
			return codeLastACK
		case own.finned, peer.acked:
			return codeACK
		}
		return codeACKOfFIN
	case is == sockstate.TimeWait:
		return codeTimeWaitSays
	case side == sockstate.Client && !own.confirmed:
		return codeOpen
	}
	return codeACK
}

func (b *builder) classifyReset(was sockstate.State, side sockstate.Side) Code {
	if !b.ends[side].opened {
		return codeRefused
	}
	if was == 0 || was == sockstate.Closed || was == sockstate.Listen || was == sockstate.TimeWait {
		return codeRSTNoSocket
	}
	switch b.called[side] {
	case CallUnread:
		return codeRSTUnread
	case CallReset:
		if was == sockstate.CloseWait {
			return codeRSTCloseWait
		}
		return codeRSTLinger
	}
	return codeRSTOther
}

// arrived completes a packet's step, or adds one if its arrival is apart.
func (b *builder) arrived(e *Event, apart bool) {
	before := b.states
	at, ok := b.index[e.Packet]
	if !ok {
		return
	}
	p := &b.packets[at]
	from := b.w.Packets[e.Packet].from(b.w.Client)
	to := from.Other()
	n := len(b.steps) - 1
	for n >= 0 && b.steps[n].Packet != at+1 {
		n--
	}
	if n < 0 {
		return
	}
	if e.Kind == Dropped {
		s := &b.steps[n]
		if text := steps[Code(s.Code)].lost; text != "" {
			s.Text = sentences(text, from)
		} else {
			s.Text += " " + lostText
		}
		return
	}
	if b.now = n + 1; apart {
		b.now = len(b.steps) + 1
	}
	b.move(e)
	arrived := max(b.at(e.At), 0)
	p.After, p.Fate, p.ArrivedS = names(b.states), record.Delivered, &arrived
	s := &b.steps[n]
	if apart {
		b.step(e, codeArrives, from, at+1)
		s = &b.steps[len(b.steps)-1]
		s.Arrival = true
	}
	if to == sockstate.Client {
		s.States.Client = p.After.Client
	} else {
		s.States.Server = p.After.Server
	}
	switch {
	case s.Code == string(codeRSTNoSocket) && before[to] == sockstate.TimeWait:
		code := codeRSTIgnored
		if b.states[to] != sockstate.TimeWait {
			code = codeRSTKills
		}
		b.fill(s, code, from)
	case s.Code == string(codeCrossingACK) && b.states[to] == sockstate.FinWait2:
		b.fill(s, codeClosingACK, from)
	case s.Code == string(codeData) && before[to] == sockstate.SynRecv && b.states[to] == sockstate.Established:
		b.fill(s, codeOpenData, from)
	}
}

// step adds a step.
func (b *builder) step(e *Event, code Code, side sockstate.Side, packet int) {
	s := record.LadderStep{AtS: max(b.at(e.At), 0), Packet: packet, Side: side.String(), States: names(b.states)}
	b.fill(&s, code, side)
	b.steps = append(b.steps, s)
}

// fill sets what the table says of a step.
func (b *builder) fill(s *record.LadderStep, code Code, side sockstate.Side) {
	t := steps[code]
	if b.seen[side] == record.SeenInferred {
		t.text = cmp.Or(inferred[code], t.text)
	}
	s.Code, s.Function, s.Section, s.Text = string(code), t.function, t.section, sentences(t.text, side)
	if b.w.Server.Addr().Is6() {
		s.Function = strings.Replace(s.Function, "_v4_", "_v6_", 1)
	}
}

// sentences fills a text of the table in.
func sentences(text string, side sockstate.Side) string {
	return capital(strings.NewReplacer("{A}", "the "+side.String(), "{B}", "the "+side.Other().String()).Replace(text))
}

// capital makes the first letter of each sentence a capital.
func capital(s string) string {
	b := []byte(s)
	begins := true
	for i, c := range b {
		switch {
		case begins && c >= 'a' && c <= 'z':
			b[i] = c - 'a' + 'A'
			begins = false
		case c != ' ' && c != '"':
			begins = false
		}
		if c == '.' && i+1 < len(b) && b[i+1] == ' ' {
			begins = true
		}
	}
	return string(b)
}
