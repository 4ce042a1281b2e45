package compare

import (
	"fmt"
	"strings"

	"lastack/bench/record"
)

// RefusedError says that records are not of the same kind of experiment, so that differences between them mean nothing.
type RefusedError struct {
	// What differs: kind or close.
	What   string
	detail string
}

func (e *RefusedError) Error() string { return e.detail }

// refuse refuses records of different kinds and of different close policies, between the sides and within one.
func refuse(sides *[2]side, force bool) error {
	if force {
		return nil
	}
	for _, check := range []struct {
		what, words, why string
		of               func(*record.Run) string
	}{
		{"kind", "kinds", "they do not measure the same", func(r *record.Run) string {
			if r.Kind == "" {
				return record.KindRun
			}
			return r.Kind
		}},
		{"close", "close policies", "a close policy decides by itself how long a lifecycle takes and what it leaves", closes},
	} {
		first, name := check.of(sides[0].runs[0]), sides[0].names[0]
		for i := range sides {
			for j, r := range sides[i].runs {
				if got := check.of(r); got != first {
					return &RefusedError{check.what, fmt.Sprintf("the records are of different %s (%s: %s, %s: %s): %s; --force compares them all the same",
						check.words, name, first, sides[i].names[j], got, check.why)}
				}
			}
		}
	}
	return nil
}

// closes lists the close policy of each group.
func closes(r *record.Run) string {
	var all []string
	for _, g := range r.Plan.Groups {
		all = append(all, g.Close)
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, " ")
}
