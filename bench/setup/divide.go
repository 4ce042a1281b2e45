package setup

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/shard"
	"lastack/loadgen"
	"lastack/sockstate"
)

// Divide makes the spec that of a shard: its part of the rates, connections, counts and sources. It is called once, before Read and Resolve.
// The error is a *sockstate.ValueError if a shard would have nothing to do.
func (s *Spec) Divide(of shard.Shard) error {
	if of.N == 0 {
		return nil
	}
	digest, err := s.digest()
	if err != nil {
		return err
	}
	s.Shard = &record.Shard{I: of.I, N: of.N, PlanSHA256: digest}
	p := &s.Plan
	if p.Count > 0 && p.Count < int64(of.N) {
		return sockstate.BadValue("count", p.Count, "want at least %d, one for each shard", of.N)
	}
	p.Count = of.Part(p.Count)
	p.Groups = slices.Clone(p.Groups)
	for i := range p.Groups {
		g := &p.Groups[i]
		if !g.OpenLoop() {
			g.Connections = cmp.Or(g.Connections, DefaultConnections)
		}
		if g.Connections > 0 && g.Connections < of.N {
			return sockstate.BadValue("connections", g.Connections, "want at least %d, one for each shard", of.N)
		}
		n := float64(of.N)
		g.Connections = int(of.Part(int64(g.Connections)))
		g.RateFrom, g.RateTo, g.CloseRate = g.RateFrom/n, g.RateTo/n, g.CloseRate/n
		if !g.Poisson { // whose arrivals by chance add up to those of the whole
			g.Phase = of.Phase()
		}
		g.Sources = shard.Deal(of, g.Sources)
	}
	return nil
}

// digest identifies the whole load, which is the same for all shards, also where their hosts differ.
func (s *Spec) digest() (string, error) {
	type box struct {
		*sandbox.Spec
		Sources any `json:"sources,omitempty"` // in place of the embedded one
	}
	whole := struct {
		Plan   loadgen.Plan
		Names  []string
		Server *Server
		Box    *box
	}{Plan: s.Plan, Names: s.Names, Server: s.Server}
	if s.Sandbox != nil {
		whole.Box = &box{Spec: s.Sandbox}
	}
	whole.Plan.Workers = 0
	whole.Plan.Groups = slices.Clone(s.Plan.Groups)
	for i := range whole.Plan.Groups {
		g := &whole.Plan.Groups[i]
		g.Seed, g.Sources = 0, nil
		if len(s.Names) > 0 {
			g.Targets = nil // a name may have another address elsewhere
		}
	}
	b, err := json.Marshal(whole)
	if err != nil {
		return "", fmt.Errorf("encode the plan: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
