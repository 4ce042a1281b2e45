package server

import (
	"fmt"
	"strings"
	"time"

	"lastack/sockstate"
)

// ShutdownKind is a way to stop serving.
type ShutdownKind uint8

// The ways.
const (
	// Graceful loses nothing that a server can help losing: see Server.Shutdown.
	Graceful ShutdownKind = iota
	// LameDuck goes on serving for a while, and says that it will not for long; then it is Graceful.
	LameDuck
	// Abrupt is a crash with a ledger: everything is closed without a reply, by close().
	Abrupt
	// RST resets every connection.
	RST
	// ListenerLast is a frequent mistake: it drains as Graceful does, but the listening sockets stay open to the end, though
	// nobody accepts from them any more.
	ListenerLast
)

var shutdownNames = [...]string{"graceful", "lame-duck", "abrupt", "rst", "listener-last"}

func (k ShutdownKind) String() string { return shutdownNames[k] }

// Shutdown is how a server stops. The zero value is graceful.
type Shutdown struct {
	Kind ShutdownKind
	// LameDuck is how long LameDuck goes on serving.
	LameDuck time.Duration
}

// MaxLameDuck bounds lame-duck=D.
const MaxLameDuck = time.Hour

// ShutdownHelp lists what ParseShutdown accepts.
const ShutdownHelp = "graceful, lame-duck=D, abrupt, rst or listener-last"

// ParseShutdown reads what Shutdown.String prints.
func ParseShutdown(s string) (Shutdown, error) {
	name, arg, hasArg := strings.Cut(s, "=")
	for k, n := range shutdownNames {
		kind := ShutdownKind(k)
		if n != name || hasArg != (kind == LameDuck) {
			continue
		}
		if kind != LameDuck {
			return Shutdown{Kind: kind}, nil
		}
		d, err := time.ParseDuration(arg)
		if err != nil || d <= 0 || d > MaxLameDuck {
			return Shutdown{}, sockstate.BadValue("", fmt.Sprintf("shutdown %q", s), "lame-duck takes a duration above 0 and up to %v", MaxLameDuck)
		}
		return Shutdown{Kind: kind, LameDuck: d}, nil
	}
	return Shutdown{}, sockstate.BadValue("", fmt.Sprintf("unknown shutdown %q", s), "want %s", ShutdownHelp)
}

func (s Shutdown) String() string {
	if s.Kind == LameDuck {
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
