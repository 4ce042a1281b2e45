package server

import (
	"fmt"
	"strings"
	"time"

	"lastack/sockstate"
)

// shutdownKind is a way to stop serving.
type shutdownKind uint8

// The ways.
const (
	// graceful loses nothing that a server can help losing: see Server.Shutdown.
	graceful shutdownKind = iota
	// lameDuck goes on serving for a while, and says that it will not for long; then it is Graceful.
	lameDuck
	// abrupt is a crash with a ledger: everything is closed without a reply, by close().
	abrupt
	// resetAll resets every connection.
	resetAll
	// listenerLast is a frequent mistake: it drains as Graceful does, but the listening sockets stay open to the end, though
	// nobody accepts from them any more.
	listenerLast
)

var shutdownNames = [...]string{"graceful", "lame-duck", "abrupt", "rst", "listener-last"}

func (k shutdownKind) String() string { return shutdownNames[k] }

// Shutdown is how a server stops. The zero value is graceful.
type Shutdown struct {
	Kind shutdownKind
	// LameDuck is how long LameDuck goes on serving.
	LameDuck time.Duration
}

// maxLameDuck bounds lame-duck=D.
const maxLameDuck = time.Hour

// ShutdownHelp lists what ParseShutdown accepts.
const ShutdownHelp = "graceful, lame-duck=D, abrupt, rst or listener-last"

// ParseShutdown reads what Shutdown.String prints.
func ParseShutdown(s string) (Shutdown, error) {
	name, arg, hasArg := strings.Cut(s, "=")
	for k, n := range shutdownNames {
		kind := shutdownKind(k)
		if n != name || hasArg != (kind == lameDuck) {
			continue
		}
		if kind != lameDuck {
			return Shutdown{Kind: kind}, nil
		}
		d, err := time.ParseDuration(arg)
		if err != nil || d <= 0 || d > maxLameDuck {
			return Shutdown{}, sockstate.BadValue("", fmt.Sprintf("shutdown %q", s), "lame-duck takes a duration above 0 and up to %v", maxLameDuck)
		}
		return Shutdown{Kind: kind, LameDuck: d}, nil
	}
	return Shutdown{}, sockstate.BadValue("", fmt.Sprintf("unknown shutdown %q", s), "want %s", ShutdownHelp)
}

func (s Shutdown) String() string {
	if s.Kind == lameDuck {
		return "lame-duck=" + s.LameDuck.String()
	}
	return s.Kind.String()
}

// MarshalText implements encoding.TextMarshaler with String.
func (s Shutdown) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParseShutdown.
func (s *Shutdown) UnmarshalText(b []byte) (err error) {
	*s, err = ParseShutdown(string(b))
	return err
}
