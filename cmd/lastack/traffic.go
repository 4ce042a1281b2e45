package main

import (
	"time"

	"github.com/spf13/pflag"

	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// traffic holds the words that a load and the server that it faces have in common.
type traffic struct {
	close    policyFlag
	onEOF    reactionFlag
	exchange exchangeFlag
	requests countFlag
	hold     time.Duration
}

// newTraffic is what both do unless told otherwise: the client closes in order after an echo.
func newTraffic() traffic {
	return traffic{exchange: exchangeFlag{exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}}}
}

func (t *traffic) register(f *pflag.FlagSet) {
	f.Var(&t.close, "close", "who closes first and how, like server:rst or never; see lastack help policies")
	f.Var(&t.onEOF, "on-eof", "what the other side does when it reads EOF: "+teardown.ReactionHelp)
	f.Var(&t.exchange, "exchange", "what is said before the close: none, echo:REQ,RESP (bytes) or http:/path")
	f.Var(&t.requests, "requests", "exchanges on each connection")
	f.DurationVar(&t.hold, "hold", 0, "how long the side that closes first waits before it does")
}

// checkReaction refuses --on-eof where nobody reacts.
func (t *traffic) checkReaction(given bool) error {
	if who := t.close.Who; given && (who == teardown.BothAtOnce || who == teardown.Nobody) {
		return usagef("--on-eof %s: with --close %s no side reads EOF and reacts: want --close client:* or server:*", t.onEOF, t.close)
	}
	return nil
}

// policyFlag adapts teardown.Policy to pflag.Value.
type policyFlag struct{ teardown.Policy }

// Set implements pflag.Value.
func (p *policyFlag) Set(s string) (err error) { p.Policy, err = teardown.ParsePolicy(s); return err }

// Type implements pflag.Value.
func (p *policyFlag) Type() string { return "WHO:HOW" }

type reactionFlag struct{ teardown.Reaction }

// Set implements pflag.Value.
func (r *reactionFlag) Set(s string) (err error) {
	r.Reaction, err = teardown.ParseReaction(s)
	return err
}

// Type implements pflag.Value.
func (r *reactionFlag) Type() string { return "REACTION" }

type exchangeFlag struct{ exchange.Spec }

// Set implements pflag.Value.
func (e *exchangeFlag) Set(s string) (err error) { e.Spec, err = exchange.Parse(s); return err }

// Type implements pflag.Value.
func (e *exchangeFlag) Type() string { return "KIND" }
