package main

import (
	"time"

	"github.com/spf13/pflag"

	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// traffic is what a load and its server have in common.
type traffic struct {
	closing
	hold *time.Duration
}

// register adds the flags.
func (t traffic) register(f *pflag.FlagSet) {
	t.closing.register(f)
	f.DurationVar(t.hold, "hold", 0, "how long the side that closes first waits before it closes")
}

// closing is what is exchanged, and then closed.
type closing struct {
	close    *teardown.Policy
	onEOF    *teardown.Reaction
	exchange *exchange.Spec
	requests *int
}

// register adds the flags. Their defaults are an echo, then the client closes by FIN.
func (t closing) register(f *pflag.FlagSet) {
	*t.exchange = exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}
	f.Var(textFlag{t.close, "WHO:HOW"}, "close", "who closes first and how, like server:rst or never; see lastack help policies")
	f.Var(textFlag{t.onEOF, "REACTION"}, "on-eof", "what the peer does when it reads EOF: "+teardown.ReactionHelp)
	f.Var(textFlag{t.exchange, "KIND"}, "exchange", "what to exchange before the close: none, echo:REQ,RESP (bytes) or http:/path")
	f.Var(count(t.requests), "requests", "exchanges on each connection (1 unless given)")
}
