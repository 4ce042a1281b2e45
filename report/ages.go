package report

import (
	"fmt"

	"lastack/bench/record"
	"lastack/report/document"
)

// timeWaitS is the age in seconds from which on a TIME_WAIT waits only for its timer to fire.
const timeWaitS = 60

// addAges shows how old the TIME_WAITs of the last census are: their ports come back in that order.
func (s *section) addAges(tw *record.TimeWait) {
	columns, by := []string{"age, last census"}, [][]int{}
	oldest := 0
	for _, side := range sides() {
		if ages := tw.Ages[side.name]; len(ages) > 0 {
			ages = ages[:min(len(ages), timeWaitS+1)] // a damaged record may have more
			columns, by = append(columns, side.name), append(by, ages)
			oldest = max(oldest, len(ages))
		}
	}
	if oldest == 0 {
		return
	}
	t := s.table(document.Detail, columns...)
	t.ID = "ages"
	step := ageStep(oldest)
	for from := 0; from < oldest; from += step {
		name := fmt.Sprintf("%d to %d s", from, from+step)
		if from == timeWaitS {
			name = fmt.Sprintf("%d s and more", from)
		}
		var cells []document.Value
		for _, ages := range by {
			n := 0
			for _, k := range ages[min(from, len(ages)):min(from+step, len(ages))] {
				n += k
			}
			cells = append(cells, count(n))
		}
		t.row(name, cells...)
	}
}

// ageStep is the seconds of a row, so that there are at most eight.
func ageStep(oldest int) int {
	for _, step := range []int{1, 2, 5} {
		if oldest <= 8*step {
			return step
		}
	}
	return 10
}
