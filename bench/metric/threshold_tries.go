package metric

import (
	"fmt"
	"math"

	"lastack/bench/record"
)

// evaluateTries holds each try against t: the worst decides, and is named. A try without the metric is
// worse than any with it.
func (t Threshold) evaluateTries(r *record.Run, res record.ThresholdResult) record.ThresholdResult {
	switch {
	case r.Drain == nil:
		res.Reason = "only a drain has it"
		return res
	case len(r.Drain.Tries) == 0:
		res.Reason = "there is no try"
		return res
	}
	worst, missed, differ := -1, 0, false
	var got float64
	var text string
	known, kept := true, true
	for i := range r.Drain.Tries {
		try := &r.Drain.Tries[i]
		v, reason, ok := t.m.try.get(try)
		keeps := ok && compare(v, t.op, t.bound)
		if why := t.m.try.lowerBound(try); ok && why != "" {
			// What is at least v may still break what v keeps, unless the bound is below it.
			reason = absent("at least that: "+why, reason)
			keeps = keeps && (t.op == ">" || t.op == ">=" || t.op == "!=" && v > t.bound)
		}
		if !keeps {
			missed++
		}
		differ = differ || worst >= 0 && (ok != known || v != got || keeps != kept)
		if worst < 0 || known && (!ok || t.worse(v, got) || kept && !keeps && !t.worse(got, v)) {
			worst, got, text, known, kept = i, v, reason, ok, keeps
		}
	}
	res.Reason = text
	if n := len(r.Drain.Tries); n > 1 {
		res.Reason = absent(whichTry(worst, n, missed, differ), text)
	}
	if known {
		res.Got, res.GotText, res.OK = got, t.m.unit.format(got), missed == 0
	}
	return res
}

func whichTry(worst, tries, missed int, differ bool) string {
	if !differ {
		return fmt.Sprintf("in each of %d tries", tries)
	}
	s := fmt.Sprintf("try %d of %d, the worst", worst+1, tries)
	if missed > 1 {
		s += fmt.Sprintf(" of %d that missed it", missed)
	}
	return s
}

// worse reports whether v is nearer to breaking t than w, or breaks it by more.
func (t Threshold) worse(v, w float64) bool {
	switch t.op {
	case "<", "<=":
		return v > w
	case ">", ">=":
		return v < w
	case "==":
		return math.Abs(v-t.bound) > math.Abs(w-t.bound)
	default: // !=
		return math.Abs(v-t.bound) < math.Abs(w-t.bound)
	}
}
