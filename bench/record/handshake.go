package record

import (
	"fmt"
	"time"
)

// Handshake is the result of the kind handshake: one connection, or those of drills, packet by packet and state by state.
type Handshake struct {
	Ladders []Ladder `json:"ladders"`
}

// Ladder is what both ends of one connection did, or of several that follow each other between the same addresses and ports. Times are in
// seconds from its beginning.
type Ladder struct {
	// Drill is its name, if it is one; Case tells those of one drill apart; Teaches is what is to be learnt from it, in sentences.
	Drill   string `json:"drill,omitempty"`
	Case    string `json:"case,omitempty"`
	Teaches string `json:"teaches,omitempty"`

	Close    string `json:"close"`
	OnEOF    string `json:"on_eof"`
	Exchange string `json:"exchange"`
	Lose     string `json:"lose,omitempty"`
	// Trace is on if the kernel told the times of state changes, or off and why.
	Trace   string            `json:"trace,omitempty"`
	Sysctls map[string]string `json:"sysctls,omitempty"`

	Client LadderEnd `json:"client"`
	Server LadderEnd `json:"server"`

	// Started is when it began, by the wall clock: 0 of all its times.
	Started time.Time `json:"started,omitzero"`
	// Link is the client's link at which its packets were seen, with a target; in a sandbox they were seen by the relay.
	Link    string         `json:"link,omitempty"`
	Packets []LadderPacket `json:"packets"`
	Steps   []LadderStep   `json:"steps"`
	// LastsS is how long it was watched, from the first packet.
	LastsS float64 `json:"lasts_s"`
}

// The ways to know the states of an end.
const (
	// SeenByDiag are the kernel's, looked up by sock_diag before and after each packet.
	SeenByDiag = "sock_diag"
	// SeenInferred follow from the packets, by RFC 9293.
	SeenInferred = "inferred"
	// SeenSampled are the kernel's, looked up by sock_diag as often as could be: without packets, and without states that were shorter.
	SeenSampled = "sampled"
	// SeenNot are not known at all: there are none.
	SeenNot = "unseen"
)

// LadderEnd is an end of the connection.
type LadderEnd struct {
	Address string `json:"address"`
	// Seen is how its states are known.
	Seen   string        `json:"seen"`
	States []LadderState `json:"states"`
}

// LadderState is a state, and when its end was in it.
type LadderState struct {
	State string  `json:"state"`
	FromS float64 `json:"from_s"`
	// ToS is when the state ended, or until when it was watched.
	ToS   float64 `json:"to_s"`
	Ended bool    `json:"ended"`
	// Traced is set if FromS is the kernel's own time, of the tracepoint inet_sock_set_state. Otherwise it is when the state was looked up.
	Traced bool `json:"traced,omitempty"`
	// Step is the number of the step that began it, from 1; 0 if it was there at the beginning.
	Step int `json:"step,omitempty"`
	// LeftS is what the kernel said would be left of TIME_WAIT, or of a FIN_WAIT_2 without a process, when it was last watched. Its
	// timer is late by up to 2 s, see sockstate.TimeWaitLasts.
	LeftS float64 `json:"left_s,omitempty"`
}

// DwellS is how long the state lasted, as far as it was watched.
func (s *LadderState) DwellS() float64 { return s.ToS - s.FromS }

// The fates of packets.
const (
	Delivered = "delivered"
	Lost      = "lost"
)

// LadderPacket is a packet.
type LadderPacket struct {
	// AtS is when it was sent, ArrivedS when the other end had processed it.
	AtS      float64  `json:"at_s"`
	ArrivedS *float64 `json:"arrived_s,omitempty"`
	// From is client or server.
	From  string   `json:"from"`
	Flags []string `json:"flags"`
	// Seq and Ack count from the first SYN of each side. Ack is nil without the flag.
	Seq int64  `json:"seq"`
	Ack *int64 `json:"ack,omitempty"`
	// Window is in bytes, as the header has it before it is scaled.
	Window int `json:"window"`
	Bytes  int `json:"bytes"`
	// Options are those of the SYN.
	Options []string `json:"options,omitempty"`
	Fate    string   `json:"fate"`
	// Again is set if it was sent before; Replayed, if the relay did that and not an end.
	Again    bool `json:"again,omitempty"`
	Replayed bool `json:"replayed,omitempty"`
	// Before and After are the states of client and server when it had been sent, and when the other end had processed it.
	Before BothStates `json:"before"`
	After  BothStates `json:"after"`
	// Raw is the IP packet.
	Raw []byte `json:"raw,omitempty"`
}

// LadderStep is a packet, a system call, or the end of a timer, and what it means.
type LadderStep struct {
	AtS float64 `json:"at_s"`
	// Packet is the number of its packet, from 1; 0 if it has none.
	Packet int `json:"packet,omitempty"`
	// Side is the side that it happened at, of a packet the sender.
	Side string `json:"side"`
	// Code names the step for programs. Text says what happened and why. Function is where the kernel does it, and Section that of RFC
	// 9293.
	Code     string `json:"code"`
	Text     string `json:"text"`
	Function string `json:"function,omitempty"`
	Section  string `json:"section,omitempty"`
	// Arrival is set if the step is only the arrival of its packet, because the other side did something between.
	Arrival bool `json:"arrival,omitempty"`
	// States are those of client and server after it: of the sender when it had sent, of the other when it had received.
	States BothStates `json:"states"`
}

// BothStates are the states of both ends.
type BothStates struct {
	Client string `json:"client"`
	Server string `json:"server"`
}

// checkHandshake returns the first key of a damaged handshake, and what is wrong with it.
func (r *Run) checkHandshake() (key string, err error) {
	h := r.Handshake
	switch {
	case r.Kind == KindHandshake && h == nil:
		return "handshake", fmt.Errorf("a handshake has this key")
	case h == nil:
		return "", nil
	}
	for i := range h.Ladders {
		l := &h.Ladders[i]
		for j := range l.Packets {
			if f := l.Packets[j].From; f != "client" && f != "server" {
				return fmt.Sprintf("handshake.ladders[%d].packets[%d].from", i, j), fmt.Errorf("%q is no side", f)
			}
		}
		for j := range l.Steps {
			if n := l.Steps[j].Packet; n < 0 || n > len(l.Packets) {
				return fmt.Sprintf("handshake.ladders[%d].steps[%d].packet", i, j), fmt.Errorf("there is no packet %d", n)
			}
		}
	}
	return "", nil
}
