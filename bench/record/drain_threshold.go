package record

import (
	"fmt"
	"math"
)

// evaluateTries holds each try against t: the worst decides, and is named. A try without the metric is
// worse than any with it.
func (t Threshold) evaluateTries(r *Run, res ThresholdResult) ThresholdResult {
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
	known := true
	for i := range r.Drain.Tries {
		v, reason, ok := t.m.try.get(&r.Drain.Tries[i])
		if !ok || !compare(v, t.op, t.bound) {
			missed++
		}
		differ = differ || worst >= 0 && (ok != known || v != got)
		if worst < 0 || known && (!ok || t.worse(v, got)) {
			worst, got, text, known = i, v, reason, ok
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
