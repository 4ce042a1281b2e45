package handshake

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"lastack/bench/sandbox"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// Drill is a connection, or a few, from which something is to be learnt.
type Drill struct {
	Name string
	// Teaches is what, in two sentences.
	Teaches string
	// Waits is the timeout that it waits for; the zero value waits for none.
	Waits Timeout
	cases []drillCase
}

// Timeout is a timer of the kernel that a drill waits for.
type Timeout struct {
	// What names it, and Lasts is how long it takes here, in place of Usually if that is not 0.
	What           string
	Lasts, Usually time.Duration
}

func (t Timeout) String() string {
	switch {
	case t == Timeout{}:
		return ""
	case t.Usually > 0:
		return fmt.Sprintf("%s, here %.0f s in place of %.0f s", t.What, t.Lasts.Seconds(), t.Usually.Seconds())
	}
	return fmt.Sprintf("%s, %.0f s", t.What, t.Lasts.Seconds())
}

// drillCase is one connection of a drill. Its name tells it from the others, and what it teaches beyond them, if that is anything, stands in
// place of what the drill does.
type drillCase struct {
	name    string
	spec    Spec
	teaches string
}

// AllDrills is the name of all of them together.
const AllDrills = "all"

// moment is how long the passive side of a drill takes to close: longer than its kernel delays the ACK, so that ACK and FIN are two packets.
const moment = 60 * time.Millisecond

// synTimeout is how long the kernel waits before it sends a SYN again (TCP_TIMEOUT_INIT), and the few after it.
const synTimeout = time.Second

// Drills lists the drills.
func Drills() []Drill {
	echo := exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}
	later := teardown.Reaction{Kind: teardown.ReactDelay, Delay: moment}
	server := teardown.Policy{Who: teardown.ServerFirst}
	lose := func(what loss, times int) Lose { return Lose{What: what, Times: times} }
	sysctl := func(key, value string) []sandbox.Sysctl {
		return []sandbox.Sysctl{{Key: "net.ipv4." + key, Value: value}}
	}
	firstSYN := Timeout{What: "the first retransmission of a SYN", Lasts: synTimeout}
	finTimeout := Timeout{What: "tcp_fin_timeout", Lasts: time.Second, Usually: sockstate.TimeWaitLength}
	one := func(s Spec) []drillCase { return []drillCase{{spec: s}} }
	return []Drill{
		{
			Name: "orderly",
			Teaches: "Four packets close what three have opened, because each direction closes by itself: the kernel confirms a FIN at once, and the program closes when it is ready. " +
				"The side that closes first waits in TIME_WAIT; the other one is free at once.",
			cases: one(Spec{Exchange: echo, OnEOF: later}),
		},
		{
			Name: "half-close",
			Teaches: "A FIN says \"I send no more\", and not \"I am gone\": after shutdown(SHUT_WR) the client still reads what the server sends in CLOSE_WAIT. " +
				"TIME_WAIT follows as after close(), at the side that was first.",
			cases: one(Spec{Close: teardown.Policy{How: teardown.Half}, Exchange: echo, LateReply: 5}),
		},
		{
			Name: "server-first",
			Teaches: "Whoever closes first has TIME_WAIT, whichever side that is: here it is the server. " +
				"Its port is the listener's, so that many TIME_WAITs cost it memory and no port; at a client each costs one.",
			cases: one(Spec{Close: server, Exchange: echo, OnEOF: later}),
		},
		{
			Name: "simultaneous",
			Teaches: "If both sides close before the other's FIN has come, the FINs cross, and both go through CLOSING. " +
				"Both were first, so both have TIME_WAIT.",
			cases: one(Spec{Close: teardown.Policy{Who: teardown.BothAtOnce}, Exchange: echo}),
		},
		{
			Name: "lost-last-ack",
			Teaches: "Nobody confirms an ACK, so the side that sends the last one cannot know whether it has come. " +
				"If it was lost, the FIN comes again, TIME_WAIT answers once more and starts anew: that is what it is for.",
			cases: []drillCase{
				{"once", Spec{Exchange: echo, Lose: lose(loseLastACK, 1)}, ""},
				{"twice", Spec{Exchange: echo, Lose: lose(loseLastACK, 2)}, "Here the answer is lost too, so the FIN comes a third time, after twice as long a wait. " +
					"Each FIN starts the minute of TIME_WAIT anew."},
				{"three times", Spec{Exchange: echo, Lose: lose(loseLastACK, 3)}, "Each wait is twice as long as the one before, and LAST_ACK lasts all the while: the process may be gone, its socket is not. " +
					"The kernel gives up after tcp_orphan_retries, 8 times by default, and TIME_WAIT never learns of it."},
			},
		},
		{
			Name: "lost-fin",
			Teaches: "A lost FIN is sent again by the kernel, long after close() has returned and even if the process has ended. " +
				"Until it is confirmed the socket stays in FIN_WAIT_1, as an orphan that costs memory.",
			cases: one(Spec{Exchange: echo, Lose: lose(loseFIN, 1)}),
		},
		{
			Name:  "lost-syn",
			Waits: firstSYN,
			Teaches: "A lost SYN costs a whole second, because there is no round trip yet from which a shorter timeout could be known. " +
				"A connect that takes 1.0 s has lost one SYN, and one of 2.0 s two (3.0 s before Linux 6.5).",
			cases: one(Spec{Exchange: echo, Lose: lose(loseSYN, 1)}),
		},
		{
			Name:  "lost-syn-ack",
			Waits: firstSYN,
			Teaches: "A lost SYN|ACK looks to the client like a lost SYN: it waits the same second. " +
				"The server has a timer of its own for it, and keeps the connection in SYN_RECV meanwhile.",
			cases: one(Spec{Exchange: echo, Lose: lose(loseSYNACK, 1)}),
		},
		{
			Name: "linger-rst",
			Teaches: "SO_LINGER {1,0} makes close() abort: an RST in place of the FIN, no TIME_WAIT anywhere, and the port is free at once. " +
				"The price is that the peer reads ECONNRESET and may lose data that was under way, so it is no way to end a good connection.",
			cases: one(Spec{Close: teardown.Policy{How: teardown.RST}, Exchange: echo}),
		},
		{
			Name: "unread",
			Teaches: "If data was received that the program has not read, close() sends an RST and no FIN: the peer must not believe that it was read. " +
				"Read to the end of the stream before you close.",
			cases: one(Spec{Close: teardown.Policy{How: teardown.Unread}, Exchange: echo}),
		},
		{
			Name:  "fin-wait-2-timeout",
			Waits: finTimeout,
			Teaches: "Once its process has closed, a socket waits in FIN_WAIT_2 for tcp_fin_timeout only, and is then forgotten without a packet. " +
				"A peer that closes later meets an RST; tcp_fin_timeout has no effect on TIME_WAIT.",
			cases: one(Spec{
				Exchange: echo, OnEOF: teardown.Reaction{Kind: teardown.ReactDelay, Delay: 1400 * time.Millisecond}, Sysctls: sysctl("tcp_fin_timeout", "1"),
			}),
		},
		{
			Name:  "close-wait-leak",
			Waits: finTimeout,
			Teaches: "CLOSE_WAIT has no timer: a program that reads EOF and does not close keeps its socket, and its descriptor, until it ends. " +
				"The peer is long gone by then, so many CLOSE_WAITs are always a fault of the program that has them.",
			cases: one(Spec{Exchange: echo, OnEOF: teardown.Reaction{Kind: teardown.ReactNever}, Sysctls: sysctl("tcp_fin_timeout", "1"), Follow: true}),
		},
		{
			Name: "time-wait-reopened-by-syn",
			Teaches: "A server's TIME_WAIT does not keep the same client out: a SYN whose number, or timestamp, is beyond the old connection's opens a new one in its place. " +
				"No old segment can be taken for one of the new connection, which is the other thing that TIME_WAIT is for.",
			cases: one(Spec{Close: server, Exchange: echo, Again: true}),
		},
		{
			Name: "time-wait-assassination",
			Teaches: "An old packet that comes late makes TIME_WAIT answer; the peer is closed and answers by RST, which ends TIME_WAIT early (RFC 1337). " +
				"An old packet that comes later still could then meet a new connection between the same ports.",
			cases: []drillCase{
				{"rfc1337 off", Spec{Exchange: echo, Replay: true, Sysctls: sysctl("tcp_rfc1337", "0")}, ""},
				{"rfc1337 on", Spec{Exchange: echo, Replay: true, Sysctls: sysctl("tcp_rfc1337", "1")}, "The same with tcp_rfc1337=1: TIME_WAIT answers the old packet, the peer answers by RST, and TIME_WAIT lasts. " +
					"The price is that no RST ends it, wanted or not."},
			},
		},
		{
			Name: "port-reuse",
			Teaches: "A port in TIME_WAIT cannot be bound again: EADDRINUSE, unless both sockets have SO_REUSEADDR. " +
				"Then connect takes the port over at once, with a number beyond the old connection's last.",
			cases: one(Spec{Exchange: echo, Again: true}),
		},
	}
}

// DrillNames lists what Drilled takes.
func DrillNames() []string {
	var names []string
	for _, d := range Drills() {
		names = append(names, d.Name)
	}
	return append(names, AllDrills)
}

// Drilled are the connections of a drill, or of all.
func Drilled(name string) (specs []Spec) {
	for _, d := range Drills() {
		if name != d.Name && name != AllDrills {
			continue
		}
		for _, c := range d.cases {
			s := c.spec
			s.Drill, s.Case, s.Teaches = d.Name, c.name, cmp.Or(c.teaches, d.Teaches)
			s.Sysctls = slices.Clone(s.Sysctls)
			specs = append(specs, s)
		}
	}
	return specs
}
