package report

import (
	"fmt"

	"lastack/bench/record"
	"lastack/report/document"
)

// timeWaitS is the age in seconds from which on a TIME_WAIT waits only for its timer to fire.
const timeWaitS = 60

// ages are the TIME_WAITs of the last census by their age.
type ages struct {
	// froms are the least ages of the classes in seconds, which are step apart.
	froms []int
	step  int
	sides []string
	// counts are by side and class.
	counts [][]int
}

// agesOf has at most eight classes: an age is at most that of a TIME_WAIT. A damaged record may have more.
func agesOf(tw *record.TimeWait) (a ages) {
	var by [][]int
	oldest := 0
	for _, side := range sides() {
		if all := tw.Ages[side.name]; len(all) > 0 {
			all = all[:min(len(all), timeWaitS+1)]
			a.sides, by = append(a.sides, side.name), append(by, all)
			oldest = max(oldest, len(all))
		}
	}
	a.step = ageStep(oldest)
	for from := 0; from < oldest; from += a.step {
		a.froms = append(a.froms, from)
	}
	for _, all := range by {
		counts := make([]int, len(a.froms))
		for age, n := range all {
			counts[age/a.step] += n
		}
		a.counts = append(a.counts, counts)
	}
	return a
}

// ageStep is the seconds of a class, so that there are at most eight.
func ageStep(oldest int) int {
	for _, step := range []int{1, 2, 5} {
		if oldest <= 8*step {
			return step
		}
	}
	return 10
}

// addAges shows how old the TIME_WAITs of the last census are: their ports come back in that order.
func (s *section) addAges(tw *record.TimeWait) {
	a := agesOf(tw)
	if len(a.froms) == 0 {
		return
	}
	t := s.table(document.Detail, append([]string{"age, last census"}, a.sides...)...)
	t.ID = "ages"
	for class, from := range a.froms {
		name := fmt.Sprintf("%d to %d s", from, from+a.step)
		if from == timeWaitS {
			name = fmt.Sprintf("%d s and more", from)
		}
		var cells []document.Value
		for _, counts := range a.counts {
			cells = append(cells, count(counts[class]))
		}
		t.row(name, cells...)
	}
}

// agesPicture draws them.
func agesPicture(run *record.Run) *document.Picture {
	a := agesOf(&run.TimeWait)
	p := &document.Picture{
		ID: "p-ages", Title: "Ages of TIME_WAIT sockets", Form: document.Columns, X: document.Axis{Unit: document.Seconds, Name: "age"},
		Desc: "TIME_WAIT sockets of the last census by the seconds since they came to TIME_WAIT. Each ends after 60 s or a little more, and then its port is free again.",
	}
	for _, from := range a.froms {
		p.At = append(p.At, float64(from))
	}
	for i, side := range a.sides {
		c := document.Curve{Name: side}
		for _, n := range a.counts[i] {
			c.Points = append(c.Points, float64(n))
		}
		p.Curves = append(p.Curves, c)
	}
	if len(p.At) < 2 {
		p.Curves = nil // a single column says nothing
	}
	return p
}
