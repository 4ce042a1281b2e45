package handshake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// Lose says which packet the network loses. The zero value loses none.
type Lose struct {
	What loss
	// Times is how many of them are lost: the packet, and then those that are sent in its place.
	Times int
}

// loss is a kind of packet.
type loss uint8

const (
	loseNone loss = iota
	loseSYN
	loseSYNACK
	loseACK
	loseFIN
	loseLastACK
	loseRST
)

var losses = [...]string{loseSYN: "syn", loseSYNACK: "syn-ack", loseACK: "ack", loseFIN: "fin", loseLastACK: "last-ack", loseRST: "rst"}

// LoseHelp lists what ParseLose accepts.
const LoseHelp = "syn, syn-ack, ack (of the opening), fin (the first side's), last-ack or rst, and :N for N times in a row"

// mostLost bounds Times: each time the kernel waits twice as long before it sends again.
const mostLost = 6

// ParseLose parses the format of Lose.String.
func ParseLose(s string) (Lose, error) {
	what, times, more := strings.Cut(s, ":")
	l := Lose{What: loss(max(slices.Index(losses[1:], what)+1, 0)), Times: 1}
	if l.What == loseNone {
		return Lose{}, sockstate.BadValue("", fmt.Sprintf("unknown packet to lose %q", s), "want %s", LoseHelp)
	}
	if more {
		n, err := strconv.ParseUint(times, 10, 8)
		if err != nil || n < 1 || n > mostLost {
			return Lose{}, sockstate.BadValue("", fmt.Sprintf("packet to lose %q", s), "want 1 to %d times, as each time takes twice as long", mostLost)
		}
		l.Times = int(n)
	}
	return l, nil
}

func (l Lose) String() string {
	switch {
	case l.What == loseNone:
		return ""
	case l.Times == 1:
		return losses[l.What]
	}
	return fmt.Sprintf("%s:%d", losses[l.What], l.Times)
}

// MarshalText implements encoding.TextMarshaler with String.
func (l Lose) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParseLose; an empty text loses nothing.
func (l *Lose) UnmarshalText(b []byte) (err error) {
	*l = Lose{}
	if len(b) > 0 {
		*l, err = ParseLose(string(b))
	}
	return err
}

// check refuses a packet that the policy never sends.
func (l Lose) check(p teardown.Policy, r teardown.Reaction) error {
	fin := p.Who != teardown.Nobody && !p.How.Resets()
	reacts := fin && p.Who != teardown.BothAtOnce
	never := func(like, onEOF string) error {
		if reacts {
			return sockstate.BadValue("lose", l, "it is never sent with --close %s and --on-eof %s: want another packet, or --on-eof %s", p, r, onEOF)
		}
		return sockstate.BadValue("lose", l, "it is never sent with --close %s: want another packet, or a policy like %s", p, like)
	}
	switch l.What {
	case loseFIN:
		if !fin {
			return never("client:fin", "close")
		}
	case loseLastACK:
		if !fin || reacts && r.Kind != teardown.ReactClose && r.Kind != teardown.ReactDelay {
			return never("client:fin", "close")
		}
	case loseRST:
		if p.Who == teardown.Nobody || fin && (!reacts || r.Kind != teardown.ReactRST) {
			return never("client:rst", "rst")
		}
	}
	return nil
}
