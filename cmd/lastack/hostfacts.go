package main

import (
	"encoding/json"
	"sync"

	"lastack/bench/host"
	"lastack/bench/sandbox"
)

// hostFacts are the host's own: in the sandbox, which cannot read all of them there, as the parent handed them down, else as
// read here, once. The error is host.Read's.
func hostFacts() (*host.Facts, error) { return readFacts() }

var readFacts = sync.OnceValues(func() (*host.Facts, error) {
	var f host.Facts
	if json.Unmarshal(sandbox.Extra(), &f) == nil {
		return &f, nil
	}
	return host.Read()
})

// factsForInside is what the parent hands down; without it, the record knows a little less.
func factsForInside() json.RawMessage {
	facts, err := hostFacts()
	if err != nil {
		return nil
	}
	b, err := json.Marshal(facts)
	if err != nil {
		return nil
	}
	return b
}
