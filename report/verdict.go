package report

import (
	"cmp"
	"fmt"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// judgement says what bound a run, whether its numbers are of the target, and what would help.
func judgement(r *record.Run) *section {
	v := &r.Verdict
	s := begin(document.First, "VERDICT", "none was recorded")
	if v.LimitedBy == "" && len(v.Reasons) == 0 && !v.Valid {
		return s
	}
	s.Lead, s.Tone = "NOT VALID as a statement about the target", document.Bad
	if v.Valid {
		s.Lead, s.Tone = "valid", document.Good
	}
	if v.LimitedBy != "" {
		s.Lead += "; " + limitWords(v.LimitedBy) + " (" + v.LimitedBy + ")"
	}
	if len(v.Reasons) > 0 {
		// For a valid drain they say no more than the lead.
		s.add(document.List{Level: levelIf(r.Kind != record.KindDrain || !v.Valid), Name: "because", Findings: findings(r, v.Reasons, false)})
	}
	if len(v.Advice) > 0 {
		s.add(document.List{Level: document.First, Name: "try", Findings: findings(r, v.Advice, true)})
	}
	n := 0
	for i := range r.Accounting {
		if c := &r.Accounting[i]; !c.OK && c.Exact {
			n++
		}
	}
	if n > 0 {
		s.doubt(number(n, "statement", "statements") + " of the accounting " + quantity.Plural(n, "does", "do") + " not hold: see ACCOUNTING")
	}
	return s
}

// thresholds says which bounds were kept, the missed ones first.
func thresholds(all []record.ThresholdResult) *section {
	if len(all) == 0 {
		return nil
	}
	s := begin(document.First, "THRESHOLDS", "")
	t := s.table(document.First, "|result", "|threshold", "~")
	add := func(ok bool, word string, tone document.Tone) (n int) {
		for i := range all {
			th := &all[i]
			if th.OK != ok {
				continue
			}
			n++
			got := cmp.Or(given(th.GotText != "", "it is "+th.GotText), "no value")
			line := t.row(word, txt(th.Expr), txt(join(": ", got, th.Reason)))
			line.Level, line.Tone = document.First, tone
		}
		return n
	}
	missed, met := add(false, "MISSED", document.Bad), add(true, "met", document.Good)
	switch s.Tone = document.Good; {
	case missed > 0:
		s.Lead, s.Tone = fmt.Sprintf("%d of %d met", met, len(all)), document.Bad
	case met == 1:
		s.Lead = "met"
	default:
		s.Lead = fmt.Sprintf("met, all %d", met)
	}
	return s
}

// warnings is the place of the warnings that concern no other section.
func warnings() *section { return begin(document.First, "WARNINGS", "") }
