package loadgen

import (
	"fmt"
	"slices"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// Keep says what a client does with its connection after the reply. A kept connection lasts until the server ends it, or the load
// is concluded.
type Keep uint8

// What clients do.
const (
	KeepNot     Keep = iota // closes it, or waits for the close, by the close policy
	KeepIdle                // keeps it and sends nothing more
	KeepAsking              // sends requests, Think apart
	KeepPartial             // sends half a request and nothing more
)

var keepNames = [...]string{"", "idle", "asking", "partial"}

func (k Keep) String() string { return keepNames[k] }

// MarshalText implements encoding.TextMarshaler with String.
func (k Keep) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Keep) UnmarshalText(b []byte) error {
	i := slices.Index(keepNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown way to keep a connection %q", b)
	}
	*k = Keep(i)
	return nil
}

func (g *Group) validateKeep() error {
	switch {
	case g.Keep > KeepPartial:
		return sockstate.BadValue("keep", uint8(g.Keep), "want idle, asking or partial")
	case g.Reconnect < 0 || g.Reconnect > time.Hour:
		return sockstate.BadValue("reconnect", g.Reconnect, "want 0s (never) to 1h")
	case g.Keep == KeepNot && g.Reconnect > 0:
		return sockstate.BadValue("reconnect", g.Reconnect, "only for clients that keep their connection")
	case g.Keep == KeepNot:
		return nil
	case g.OpenLoop() || g.Plateau > 0:
		return sockstate.BadValue("keep", g.Keep, "not with a --rate or a --plateau: each client has one connection")
	case g.Close.Who != teardown.ClientFirst || g.Close.How != teardown.FIN:
		return sockstate.BadValue("close", g.Close, "clients that keep their connection close it by client:fin at the end")
	case g.Hold > 0:
		return sockstate.BadValue("hold", g.Hold, "clients that keep their connection hold it to the end")
	case g.Keep == KeepAsking && g.Exchange.Kind == exchange.None:
		return sockstate.BadValue("exchange", g.Exchange, "want echo or http for clients that ask")
	case g.Keep == KeepPartial && (g.Exchange.Kind == exchange.None || g.Exchange.Kind == exchange.Echo && g.Exchange.Request < 2):
		return sockstate.BadValue("exchange", g.Exchange, "want http, or an echo with a request of 2 bytes or more, of which to send half")
	}
	return nil
}
