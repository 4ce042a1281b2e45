package compare

import (
	"fmt"
	"slices"
	"strings"

	"lastack/bench/record"
)

// likeness is what records must have in common. Everything else, a rate or a delay for instance, is what one may want to compare.
type likeness struct {
	words, why string
	// code is that of the finding that they differ.
	code string
	of   func(*record.Run) string
}

func likenesses() []likeness {
	return []likeness{
		{"kinds", "a run and a drain measure different things; give records of one kind", codeKinds, kindOf},
		{"close policies", "a close policy alone decides how long a lifecycle takes and what it leaves; measure both sides with one --close", codeClosePolicies, closes},
		{"load models", "in a closed loop the server sets the rate, in an open one it does not; measure both sides with -c or both with -R", codeLoadModels, loads},
	}
}

// refuse refuses records that are not of one experiment each, and without force those that are not alike, between the sides and within one.
func refuse(sides *[2]side, force bool) error {
	for i := range sides {
		for j, r := range sides[i].runs {
			if kind := kindOf(r); kind != record.KindRun && kind != record.KindDrain {
				return fmt.Errorf("%s is of a %s: compare takes records of run and drain", sides[i].names[j], kind)
			}
		}
	}
	if force {
		return nil
	}
	for _, l := range likenesses() {
		first, name := l.of(sides[0].runs[0]), sides[0].names[0]
		for i := range sides {
			for j, r := range sides[i].runs {
				if got := l.of(r); got != first {
					return fmt.Errorf("the records are of different %s (%s: %s, %s: %s): %s, or --force", l.words, name, first, sides[i].names[j], got, l.why)
				}
			}
		}
	}
	return nil
}

func kindOf(r *record.Run) string {
	if r.Kind == "" {
		return record.KindRun
	}
	return r.Kind
}

// closes lists the close policies of the groups.
func closes(r *record.Run) string {
	return ofGroups(r, func(g *record.Group) string { return g.Close })
}

// loads lists the load models of the groups.
func loads(r *record.Run) string {
	return ofGroups(r, func(g *record.Group) string {
		switch {
		case g.PlateauNs > 0:
			return "plateau"
		case g.Poisson:
			return "open loop by chance"
		case g.RateFrom > 0, g.RateTo > 0:
			return "open loop"
		}
		return "closed loop"
	})
}

// ofGroups lists what the groups of a plan have, each once: which groups there are is no pattern of its own.
func ofGroups(r *record.Run, of func(*record.Group) string) string {
	var all []string
	for i := range r.Plan.Groups {
		all = appendNew(all, of(&r.Plan.Groups[i]))
	}
	if len(all) == 0 {
		return "none"
	}
	slices.Sort(all)
	return strings.Join(all, " and ")
}
