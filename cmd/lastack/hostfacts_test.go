package main

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/host"
	"lastack/sockstate"
)

// TestHostFacts checks what the child in the sandbox gets of what the parent read.
func TestHostFacts(t *testing.T) {
	outer, err := hostFacts()
	if errors.Is(err, sockstate.ErrNeedsLinux) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var handed host.Facts
	if err := json.Unmarshal(factsForInside(), &handed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(outer, &handed); diff != "" {
		t.Errorf("handed down (-outer +handed):\n%s", diff)
	}
}
