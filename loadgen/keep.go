package loadgen

import (
	"fmt"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// Keep says what a client does with its connection when its requests are answered. A client that
// keeps it does so until the server ends it, or the load is concluded.
type Keep uint8

// What clients do.
const (
	KeepNot     Keep = iota // closes, or waits for the close, as the policy has it
	KeepIdle                // keeps it, and says nothing more
	KeepAsking              // asks on, Think apart
	KeepPartial             // has sent half a request, and leaves it at that
)

var keepNames = [...]string{"", "idle", "asking", "partial"}

func (k Keep) String() string { return keepNames[k] }

// MarshalText implements encoding.TextMarshaler with String.
func (k Keep) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Keep) UnmarshalText(b []byte) error {
	for i, name := range keepNames {
		if name == string(b) {
			*k = Keep(i)
			return nil
		}
	}
	return fmt.Errorf("unknown way to keep a connection %q", b)
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
		return sockstate.BadValue("keep", g.Keep, "not with a --rate or a --plateau: so many clients have a connection each")
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
