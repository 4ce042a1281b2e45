package main

import (
	"encoding"
	"fmt"
	"slices"
	"strings"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/setup"
	"lastack/loadgen"
)

// The flags' values are fields of what the command runs, like a setup.Spec.

// textFlag is a flag of a value that reads and prints itself as text.
type textFlag struct {
	textValue
	kind string
}

type textValue interface {
	encoding.TextUnmarshaler
	fmt.Stringer
}

// Set implements pflag.Value.
func (f textFlag) Set(s string) error { return f.UnmarshalText([]byte(s)) }

// Type implements pflag.Value.
func (f textFlag) Type() string { return f.kind }

// choice is a flag that takes one of a few words.
type choice struct {
	set   func(string)
	value func() string
	of    []string
}

// newChoice returns a choice of the given words for p. The first is the default.
func newChoice[T, W ~string](p *T, of ...W) *choice {
	words := make([]string, len(of))
	for i, w := range of {
		words[i] = string(w)
	}
	*p = T(words[0])
	return &choice{func(s string) { *p = T(s) }, func() string { return string(*p) }, words}
}

func (c *choice) String() string { return c.value() }

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fmt.Errorf("%q is unknown: want %s", s, strings.Join(c.of, ", "))
	}
	c.set(s)
	return nil
}

// Type implements pflag.Value. The help text shows the words, unless a line has no room for them.
func (c *choice) Type() string {
	if words := strings.Join(c.of, "|"); len(words) < usageWidth {
		return words
	}
	return "NAME"
}

// countFlag is a count.
type countFlag[T int | int64] struct{ n *T }

func count[T int | int64](n *T) countFlag[T] { return countFlag[T]{n} }

// Set implements pflag.Value.
func (c countFlag[T]) Set(s string) error {
	n, err := quantity.ParseCount(s)
	if err == nil {
		*c.n = T(n)
	}
	return err
}

func (c countFlag[T]) String() string { return quantity.FormatCount(int64(*c.n)) }

// Type implements pflag.Value.
func (c countFlag[T]) Type() string { return "N" }

// rateFlag is a rate in connections/s. If to is not nil, it may change linearly from one value to the other over the load. Zero means
// closed loop.
type rateFlag struct{ from, to *float64 }

// Set implements pflag.Value.
func (r rateFlag) Set(s string) error {
	from, to, err := setup.ParseRate(s)
	switch {
	case err != nil:
		return err
	case r.to != nil:
		*r.to = to
	case from != to:
		return fmt.Errorf("%q changes: want one rate", s)
	}
	*r.from = from
	return nil
}

func (r rateFlag) String() string {
	if r.to == nil {
		return setup.FormatRate(*r.from, *r.from)
	}
	return setup.FormatRate(*r.from, *r.to)
}

// Type implements pflag.Value.
func (r rateFlag) Type() string { return "R" }

// waitFlag is a duration, or a word that stands for one.
type waitFlag struct {
	d     *time.Duration
	word  string
	means time.Duration
	// least is the shortest, what names it, and like is an example.
	least      time.Duration
	what, like string
}

// Set implements pflag.Value.
func (f waitFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	switch {
	case s == f.word:
		d = f.means
	case err != nil || d < f.least || d > loadgen.MaxTime:
		from := "from 0s"
		if f.least > 0 {
			from = "above 0 and up"
		}
		return fmt.Errorf("%q is not a %s: want a duration %s to %v, like %s, or %s", s, f.what, from, loadgen.MaxTime, f.like, f.word)
	}
	*f.d = d
	return nil
}

func (f waitFlag) String() string {
	switch *f.d {
	case f.means:
		return f.word
	case 0:
		return ""
	}
	return f.d.String()
}

// Type implements pflag.Value.
func (f waitFlag) Type() string { return "D|" + f.word }

// decimal returns a flag for a whole number.
func decimal(n *int) quantity.Decimal { return quantity.NewDecimal(n, 0) }
