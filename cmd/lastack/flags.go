package main

import (
	"fmt"
	"slices"
	"strings"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value string
	of    []string
}

// newChoice returns a choice of the given words. The first is the default.
func newChoice(of ...string) *choice { return &choice{value: of[0], of: of} }

func (c *choice) String() string { return c.value }

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fmt.Errorf("%q is unknown: want %s", s, strings.Join(c.of, ", "))
	}
	c.value = s
	return nil
}

// Type implements pflag.Value. The help text shows the words.
func (c *choice) Type() string { return strings.Join(c.of, "|") }
