package teardown

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lastack/sockstate"
)

// Who closes first.
type Who uint8

// The closers.
const (
	ClientFirst Who = iota
	ServerFirst
	BothAtOnce
	Nobody
)

var whoNames = [...]string{"client", "server", "both", "never"}

func (w Who) String() string { return whoNames[w] }

// How the active closer closes.
type How uint8

// The ways to close.
const (
	FIN How = iota
	Half
	RST
	Linger
	Unread
)

// hows are the names, the calls behind each, and what its peer and its closer see of it.
var hows = [...]struct {
	name, calls              string
	resets, unread, readsEnd bool
}{
	FIN:    {name: "fin", calls: "close()"},
	Half:   {name: "half", calls: "shutdown(SHUT_WR), read to EOF, close()", readsEnd: true},
	RST:    {name: "rst", calls: "SO_LINGER {1,0}, close(): RST", resets: true},
	Linger: {name: "linger", calls: "SO_LINGER {1,D}, close(): waits up to D for the FIN's acknowledgment"},
	Unread: {name: "unread", calls: "close() with data unread: RST", resets: true, unread: true},
}

func (h How) String() string { return hows[h].name }

// Calls are the system calls of h.
func (h How) Calls() string { return hows[h].calls }

// Resets reports whether h ends the connection by an RST in place of a FIN.
func (h How) Resets() bool { return hows[h].resets }

// LeavesUnread reports whether the closer leaves data unread, so that it does not read its last exchange.
func (h How) LeavesUnread() bool { return hows[h].unread }

// ReadsEnd reports whether the closer reads how its peer ends the connection.
func (h How) ReadsEnd() bool { return hows[h].readsEnd }

// Policy is who closes first, and how. The zero value is client:fin.
type Policy struct {
	Who Who
	How How
	// Linger is l_linger for Linger, in whole seconds.
	Linger time.Duration
}

// Never is the policy of a leak: nobody closes.
var Never = Policy{Who: Nobody}

// Policies lists each kind of policy once, linger with 1 s.
func Policies() []Policy {
	var all []Policy
	for _, who := range []Who{ClientFirst, ServerFirst} {
		for how := range hows {
			p := Policy{Who: who, How: How(how)}
			if p.How == Linger {
				p.Linger = time.Second
			}
			all = append(all, p)
		}
	}
	return append(all, Policy{Who: BothAtOnce}, Never)
}

// maxLinger bounds linger=D.
const maxLinger = 5 * time.Minute

// policyHelp lists what ParsePolicy accepts.
func policyHelp() string {
	var names []string
	for how, h := range hows {
		if How(how) == Linger {
			h.name += "=D"
		}
		names = append(names, h.name)
	}
	return "client|server:" + strings.Join(names, "|") + ", both:fin, or never"
}

// ParsePolicy parses WHO:HOW, the format of String.
func ParsePolicy(s string) (Policy, error) {
	if s == "never" {
		return Never, nil
	}
	whoName, howName, _ := strings.Cut(s, ":")
	howName, arg, hasArg := strings.Cut(howName, "=")
	who := slices.Index(whoNames[:], whoName)
	how := 0
	for how < len(hows) && hows[how].name != howName {
		how++
	}
	p := Policy{Who: Who(who), How: How(how)}
	switch {
	case who < 0, how == len(hows), p.Who == Nobody, p.Who == BothAtOnce && p.How != FIN, hasArg && p.How != Linger:
		return Policy{}, sockstate.BadValue("", fmt.Sprintf("unknown close policy %q", s), "want %s", policyHelp())
	case p.How == Linger:
		d, err := time.ParseDuration(arg)
		if err != nil || d < time.Second || d > maxLinger || d%time.Second != 0 {
			return Policy{}, sockstate.BadValue("", fmt.Sprintf("close policy %q", s), "linger takes whole seconds from 1s to %v (SO_LINGER has no finer unit)", maxLinger)
		}
		p.Linger = d
	}
	return p, nil
}

func (p Policy) String() string {
	switch {
	case p.Who == Nobody:
		return "never"
	case p.How == Linger:
		return fmt.Sprintf("%s:linger=%s", p.Who, shortDuration(p.Linger))
	}
	return p.Who.String() + ":" + p.How.String()
}

// MarshalText implements encoding.TextMarshaler with String.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParsePolicy.
func (p *Policy) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePolicy(string(b))
	return err
}

// NeedsExchange reports whether p leaves data unread, which needs an exchange.
func (p Policy) NeedsExchange() bool { return p.How.LeavesUnread() && p.Who != Nobody }

// Active reports whether side closes first under p. Under both:fin both do.
func (p Policy) Active(side sockstate.Side) bool {
	switch p.Who {
	case ClientFirst:
		return side == sockstate.Client
	case ServerFirst:
		return side == sockstate.Server
	case BothAtOnce:
		return true
	}
	return false
}

// reactionKind is what a passive closer does when it reads EOF.
type reactionKind uint8

// The reactions.
const (
	ReactClose reactionKind = iota
	ReactDelay
	ReactNever
	ReactRST
)

// reactionKinds are the names as in ReactionHelp, and the explanations.
var reactionKinds = [...]struct{ name, does string }{
	ReactClose: {"close", "close() at once"},
	ReactDelay: {"delay=D", "close() after D in CLOSE_WAIT"},
	ReactNever: {"never", "no close: the socket stays in CLOSE_WAIT, a leak"},
	ReactRST:   {"rst", "SO_LINGER {1,0}, close(): RST"},
}

func (k reactionKind) String() string { return reactionKinds[k].name }

// Does explains the reaction.
func (k reactionKind) Does() string { return reactionKinds[k].does }

// Reaction is the passive side's --on-eof. The zero value closes at once.
type Reaction struct {
	Kind  reactionKind
	Delay time.Duration
}

// ReactionHelp lists what ParseReaction accepts.
const ReactionHelp = "close, delay=D, never or rst"

// maxDelay bounds delay=D.
const maxDelay = time.Hour

// ParseReaction parses the format of Reaction.String.
func ParseReaction(s string) (Reaction, error) {
	name, arg, hasArg := strings.Cut(s, "=")
	kind := slices.IndexFunc(reactionKinds[:], func(k struct{ name, does string }) bool { n, _, _ := strings.Cut(k.name, "="); return n == name })
	r := Reaction{Kind: reactionKind(kind)}
	switch {
	case kind < 0, hasArg != (r.Kind == ReactDelay):
		return Reaction{}, sockstate.BadValue("", fmt.Sprintf("unknown reaction to EOF %q", s), "want %s", ReactionHelp)
	case hasArg:
		d, err := time.ParseDuration(arg)
		if err != nil || d <= 0 || d > maxDelay {
			return Reaction{}, sockstate.BadValue("", fmt.Sprintf("reaction to EOF %q", s), "delay takes a duration above 0 and up to %v", maxDelay)
		}
		r.Delay = d
	}
	return r, nil
}

func (r Reaction) String() string {
	if r.Kind == ReactDelay {
		return "delay=" + shortDuration(r.Delay)
	}
	return r.Kind.String()
}

// MarshalText implements encoding.TextMarshaler with String.
func (r Reaction) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParseReaction.
func (r *Reaction) UnmarshalText(b []byte) (err error) {
	*r, err = ParseReaction(string(b))
	return err
}

// shortDuration prints 2m0s as 2m.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
