package report

import (
	"fmt"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// judgement says what bound a run, whether its numbers are of the target, and what would help.
func judgement(r *record.Run) *document.Section {
	v := &r.Verdict
	s := &document.Section{ID: "verdict", Title: "VERDICT", Level: document.First}
	if v.LimitedBy == "" && len(v.Reasons) == 0 && !v.Valid {
		s.Lead = "none was recorded"
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
		// Of a drain that is valid they say no more than that.
		s.Blocks = append(s.Blocks, document.List{Level: levelIf(r.Kind != record.KindDrain || !v.Valid), Name: "because", Findings: findings(v.Reasons, v.Findings, false)})
	}
	if len(v.Advice) > 0 {
		s.Blocks = append(s.Blocks, document.List{Level: document.First, Name: "try", Findings: findings(v.Advice, v.Findings, true)})
	}
	n := 0
	for i := range r.Accounting {
		if c := &r.Accounting[i]; !c.OK && c.Exact {
			n++
		}
	}
	if n > 0 {
		s.Blocks = append(s.Blocks, doubt(number(n, "statement", "statements")+" of the accounting "+quantity.Plural(n, "does", "do")+" not hold: see ACCOUNTING"))
	}
	return s
}

// thresholds says which bounds were kept. The first page has those that were missed, and the others where there is room.
func thresholds(r *record.Run) *document.Section {
	all := r.Thresholds
	if len(all) == 0 {
		return nil
	}
	s := &document.Section{ID: "thresholds", Title: "THRESHOLDS", Level: document.First}
	t := table(document.First, "", "", "~")
	met := 0
	add := func(ok bool) {
		for i := range all {
			th := &all[i]
			if th.OK != ok {
				continue
			}
			word, tone := "met", document.Good
			if !ok {
				word, tone = "MISSED", document.Bad
			} else {
				met++
			}
			got := "no value"
			if th.GotText != "" {
				got = "it is " + th.GotText
			}
			line := row(document.First, word, txt(th.Expr), txt(join(": ", got, th.Reason)))
			line.Tone = tone
			t.Rows = append(t.Rows, line)
		}
	}
	add(false)
	add(true)
	s.Lead, s.Tone = fmt.Sprintf("%d of %d met", met, len(all)), document.Bad
	if met == len(all) {
		s.Lead, s.Tone = fmt.Sprintf("met, all %d", met), document.Good
		if met == 1 {
			s.Lead = "met"
		}
	}
	s.Blocks = append(s.Blocks, t)
	return s
}

// warnings is where a page has the warnings that stand at no section.
func warnings() *document.Section {
	return &document.Section{ID: "warnings", Title: "WARNINGS", Level: document.First}
}
