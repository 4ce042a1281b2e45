package main

import (
	"time"

	"github.com/spf13/pflag"

	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// traffic holds the flags that a load and its server have in common.
type traffic struct {
	close    policyFlag
	onEOF    reactionFlag
	exchange exchangeFlag
	requests countFlag
	hold     time.Duration
}

// newTraffic returns the defaults: an echo, then the client closes by FIN.
func newTraffic() traffic {
	return traffic{exchange: exchangeFlag{exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}}}
}

func (t *traffic) register(f *pflag.FlagSet) {
	f.Var(&t.close, "close", "who closes first and how, like server:rst or never; see lastack help policies")
	f.Var(&t.onEOF, "on-eof", "what the peer does when it reads EOF: "+teardown.ReactionHelp)
	f.Var(&t.exchange, "exchange", "what to exchange before the close: none, echo:REQ,RESP (bytes) or http:/path")
	f.Var(&t.requests, "requests", "exchanges per connection")
	f.DurationVar(&t.hold, "hold", 0, "how long the side that closes first waits before it closes")
}

// checkReaction refuses --on-eof if no side reacts to EOF.
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
