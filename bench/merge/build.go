package merge

import (
	"cmp"
	"fmt"
	"strings"

	"lastack/bench/record"
	"lastack/bench/shard"
)

// build is that of all shards, nil if they differ or one is not known.
func (m *Merger) build() *record.Build {
	first := &m.parts[0]
	for i := range m.parts {
		if m.parts[i].Build == nil || differs(&m.parts[i], first) != "" {
			return nil
		}
	}
	return first.Build
}

// builds says which shards were run by another build than the first one.
func (m *Merger) builds() (warnings []string) {
	first := &m.parts[0]
	by := map[string][]int{}
	var order []string
	for i := range m.parts {
		how := differs(&m.parts[i], first)
		if how == "" {
			continue
		}
		if by[how] == nil {
			order = append(order, how)
		}
		by[how] = append(by[how], m.parts[i].I)
	}
	for _, how := range order {
		were := "were"
		if len(by[how]) == 1 {
			were = "was"
		}
		warnings = append(warnings, fmt.Sprintf("%s %s run by another build of lastack than %s: %s", shard.Names(by[how]), were, shard.Names([]int{first.I}), how))
	}
	return warnings
}

// differs says in what the build of a shard is another than that of the first, "" if it is the same as far as both are known.
func differs(p, first *part) string {
	var how []string
	add := func(what, is, was string) {
		if is != was {
			how = append(how, fmt.Sprintf("%s %s, not %s", what, cmp.Or(is, "unknown"), cmp.Or(was, "unknown")))
		}
	}
	add("version", p.Version, first.Version)
	if a, b := p.Build, first.Build; a != nil && b != nil {
		add("commit", source(a), source(b))
		add("compiled by", a.Go, b.Go)
		add("system", a.System, b.System)
	}
	return strings.Join(how, "; ")
}

// source is what a build was made from.
func source(b *record.Build) string {
	commit := cmp.Or(b.Commit[:min(12, len(b.Commit))], "unknown")
	if b.Changed {
		commit += " with changes"
	}
	return commit
}
