package grid

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
	"lastack/sockstate"
)

// ParseFactor reads KEY=LEVEL,LEVEL,... The key is one of KeyNames or one of these sysctls, of which net.ipv4. and net.core. may be left out.
// If there is a semicolon, it is what separates the levels, and not the comma.
func ParseFactor(text string, sysctls []string) (record.Factor, error) {
	name, list, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return record.Factor{}, fmt.Errorf("%q: want a key, an equals sign and levels, like tcp_tw_reuse=0,1 or close=client:fin,server:fin", text)
	}
	k, err := keyNamed(strings.TrimSpace(name), sysctls)
	if err != nil {
		return record.Factor{}, err
	}
	f := record.Factor{Key: k.name}
	if f.Levels, err = k.levels(list); err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	for i, level := range f.Levels {
		if slices.Contains(f.Levels[:i], level) {
			return f, fmt.Errorf("%s: the level %s is there twice: want different levels", name, level)
		}
	}
	if len(f.Levels) < 2 {
		return f, fmt.Errorf("%s has only the level %s: want at least two, separated by commas (or by semicolons, if a level has a comma); what does not vary is a flag of run", name, f.Levels[0])
	}
	return f, nil
}

// levels reads a list of levels, and returns them in their canonical forms. Between commas a level is the shortest text that the key
// accepts, so that echo:1,1 is one.
func (k *key) levels(list string) (levels []string, err error) {
	if strings.Contains(list, ";") {
		for piece := range strings.SplitSeq(list, ";") {
			level, err := k.check(piece)
			if err != nil {
				return nil, err
			}
			levels = append(levels, level)
		}
		return levels, nil
	}
	var bad error // of the shortest text
	piece := ""
	for part := range strings.SplitSeq(list, ",") {
		if bad != nil {
			piece += ","
		}
		piece += part
		level, err := k.check(piece)
		switch {
		case strings.TrimSpace(piece) == "":
			return nil, err
		case err != nil && bad == nil:
			bad = err
		}
		if err != nil {
			continue
		}
		levels, piece, bad = append(levels, level), "", nil
	}
	return levels, bad
}

// check reads a level of the key by itself.
func (k *key) check(level string) (string, error) {
	if level = strings.TrimSpace(level); level == "" {
		return "", fmt.Errorf("a level is empty: want one between two separators")
	}
	value, err := k.set(&setup.Spec{Plan: loadgen.Plan{Groups: make([]loadgen.Group, 1)}, Server: &setup.Server{}, Sandbox: &sandbox.Spec{}}, level)
	// Nobody has typed the key's own flag.
	if bad, ok := errors.AsType[*sockstate.ValueError](err); ok && bad.Name == k.flag {
		err = &sockstate.ValueError{Value: bad.Value, Want: bad.Want}
	}
	return value, err
}

// checkFactors refuses factors that contradict each other, or the flags that were given.
func checkFactors(factors []record.Factor, base *setup.Spec, sysctls []string) error {
	if len(factors) == 0 {
		return sockstate.BadValue("vary", "", "want at least one, like --vary tcp_tw_reuse=0,1")
	}
	for i, f := range factors {
		k, err := keyNamed(f.Key, sysctls)
		if err != nil {
			return sockstate.BadValue("vary", f.Key, "%v", err)
		}
		if slices.ContainsFunc(factors[:i], func(o record.Factor) bool { return o.Key == f.Key }) {
			return sockstate.BadValue("vary", f.Key, "it is varied twice: want all of its levels in one --vary")
		}
		switch {
		case k.flag != "" && slices.Contains(base.Given, k.flag):
			return sockstate.BadValue(k.flag, "", "it is varied too (--vary %s): want one of the two", f.Key)
		case k.flag == "" && slices.ContainsFunc(base.Sandbox.Sysctls, func(s sandbox.Sysctl) bool { return s.Key == f.Key }):
			return sockstate.BadValue("sysctl", f.Key, "it is varied too (--vary %s): want one of the two", f.Key)
		}
	}
	return nil
}

// maxCells is the most cells that need no consent.
const maxCells = 500

// countCells is the size of the grid. It refuses one that is too large.
func countCells(factors []record.Factor, blocks int, consent bool) (int, error) {
	n := 1
	for _, f := range factors {
		n *= len(f.Levels)
		if n > record.MaxSweepRuns {
			break
		}
	}
	switch {
	case n*blocks+blocks > record.MaxSweepRuns:
		return 0, sockstate.BadValue("vary", "", "%s cells in %s blocks are more runs than a record holds (%s): want fewer levels, or fewer --blocks",
			quantity.Count(int64(n)), quantity.Count(int64(blocks)), quantity.Count(record.MaxSweepRuns))
	case n > maxCells && !consent:
		return 0, sockstate.BadValue("vary", "", "the grid has %s cells, each to run %s times: want at most %d, or --yes", quantity.Count(int64(n)), quantity.Count(int64(blocks)), maxCells)
	}
	return n, nil
}

// combinations lists the levels of every cell. The first cell has the first level of each factor; the last factor varies fastest.
func combinations(factors []record.Factor) (cells [][]string) {
	cells = [][]string{{}}
	for _, f := range factors {
		var next [][]string
		for _, c := range cells {
			for _, level := range f.Levels {
				next = append(next, append(slices.Clone(c), level))
			}
		}
		cells = next
	}
	return cells
}

// with returns the base with the levels of a cell.
func with(base *setup.Spec, factors []record.Factor, levels []string, sysctls []string) (setup.Spec, error) {
	s := *base
	s.Plan.Groups = slices.Clone(s.Plan.Groups)
	s.Given = slices.Clone(s.Given)
	server, box := *s.Server, *s.Sandbox
	box.Sysctls, box.Sources = slices.Clone(box.Sysctls), slices.Clone(box.Sources)
	s.Server, s.Sandbox = &server, &box
	for i, f := range factors {
		k, err := keyNamed(f.Key, sysctls)
		if err == nil {
			_, err = k.set(&s, levels[i])
		}
		if err != nil {
			return s, err
		}
		if k.flag != "" && levels[i] != k.idle {
			s.Given = append(s.Given, k.flag)
		}
	}
	return s, nil
}
