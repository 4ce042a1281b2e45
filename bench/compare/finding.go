package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// The findings of a comparison.
const (
	codeNotValid       = "not_valid"
	codeMixedSide      = "mixed_side"
	codeGivenTwice     = "given_twice"
	codeOnBothSides    = "on_both_sides"
	codeNotInterleaved = "not_interleaved"
	codeKinds          = "different_kinds"
	codeClosePolicies  = "different_close_policies"
	codeLoadModels     = "different_load_models"
)

// findings are doubts about the comparison, the worst first.
func findings(sides *[2]side, mixed []Cause) (list []record.Finding) {
	add := func(code string, args map[string]any) {
		list = append(list, record.Finding{Code: code, Args: args})
	}
	for _, l := range likenesses() {
		var all []string
		for i := range sides {
			for _, r := range sides[i].runs {
				all = appendNew(all, l.of(r))
			}
		}
		if len(all) > 1 {
			add(l.code, map[string]any{"values": strings.Join(all, ", ")})
		}
	}
	for i, name := range []string{"A", "B"} {
		limits, n := make(map[string]bool), 0
		for _, r := range sides[i].runs {
			if !r.Verdict.Valid {
				n++
				limits[r.Verdict.LimitedBy] = true
			}
		}
		if n > 0 {
			add(codeNotValid, map[string]any{"side": name, "n": n, "of": len(sides[i].runs), "limits": strings.Join(slices.Sorted(maps.Keys(limits)), ", ")})
		}
	}
	for _, c := range mixed {
		for i, settings := range [][]Setting{c.A, c.B} {
			if len(settings) > 1 {
				add(codeMixedSide, map[string]any{"side": []string{"A", "B"}[i], "key": c.Key, "values": Settings(settings)})
			}
		}
	}
	for i, name := range []string{"A", "B"} {
		if twice := sides[i].twice; len(twice) > 0 {
			add(codeGivenTwice, map[string]any{"side": name, "names": strings.Join(twice, ", "), "n": len(twice)})
		}
	}
	var both []string
	for i, r := range sides[1].runs {
		if sides[0].has(r) {
			both = append(both, sides[1].names[i])
		}
	}
	if len(both) > 0 {
		add(codeOnBothSides, map[string]any{"names": strings.Join(both, ", "), "n": len(both)})
	}
	if first := blocks(sides); first != "" && len(both) == 0 {
		add(codeNotInterleaved, map[string]any{"first": first})
	}
	return list
}

// blocks names the side whose runs all began before any of the other side; empty if they alternate, or a side has one run only.
func blocks(sides *[2]side) string {
	a, b := sides[0].starts(), sides[1].starts()
	if len(a) < 2 || len(b) < 2 {
		return ""
	}
	switch {
	case slices.Max(a) < slices.Min(b):
		return "A"
	case slices.Max(b) < slices.Min(a):
		return "B"
	}
	return ""
}

func (s *side) starts() (list []int64) {
	for _, r := range s.runs {
		list = append(list, r.Started.UnixNano())
	}
	return list
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// Settings prints the values of a side.
func Settings(list []Setting) string {
	var texts []string
	for _, s := range list {
		t := s.Value
		if t == "" {
			t = "not set"
		}
		if len(list) > 1 {
			t += fmt.Sprintf(" (%d)", s.Records)
		}
		texts = append(texts, t)
	}
	return strings.Join(texts, ", ")
}

// Sentence says what a finding of a comparison means.
func Sentence(f record.Finding) string {
	arg := func(key string) string { return fmt.Sprint(f.Args[key]) }
	n, _ := f.Args["n"].(int)
	switch f.Code {
	case codeKinds:
		return "records of different kinds (" + arg("values") + ") are compared by force: only what all of them have is in the table"
	case codeClosePolicies:
		return "records of different close policies (" + arg("values") + ") are compared by force: that alone changes what a lifecycle takes and leaves"
	case codeLoadModels:
		return "records of different load models (" + arg("values") + ") are compared by force: in a closed loop the rate follows from the latency"
	case codeNotValid:
		if of, _ := f.Args["of"].(int); of == 1 {
			return arg("side") + " is not valid as a statement about the target (limited by " + arg("limits") + ")"
		}
		return arg("n") + " of " + arg("of") + " records of " + arg("side") + " " + quantity.Plural(n, "is", "are") + " not valid as a statement about the target (limited by " + arg("limits") + ")"
	case codeMixedSide:
		return arg("side") + "'s own records differ in " + arg("key") + ": " + arg("values") + "; its spread includes that"
	case codeGivenTwice:
		return arg("side") + " has the same record more than once; " + arg("names") + quantity.Plural(n, " was", " were") + " left out"
	case codeOnBothSides:
		return arg("names") + quantity.Plural(n, " is", " are") + " on both sides, which hides differences"
	case codeNotInterleaved:
		return "all of " + arg("first") + " was measured before the other side, so that a drift of the host looks like a difference: measure A and B in turn"
	}
	return f.Code
}
