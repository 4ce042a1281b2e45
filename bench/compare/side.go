package compare

import (
	"fmt"
	"reflect"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// side is one of the two sets of records, each record once.
type side struct {
	runs  []*record.Run
	names []string
	// twice names the records that were given again under another name.
	twice []string
}

func newSide(runs []*record.Run, names []string) side {
	var s side
	for i, r := range runs {
		name := fmt.Sprintf("record %d", i+1)
		if i < len(names) {
			name = names[i]
		}
		if s.has(r) {
			s.twice = append(s.twice, name)
			continue
		}
		s.runs, s.names = append(s.runs, r), append(s.names, name)
	}
	return s
}

// has reports whether a record is one of the side's. Two runs that start in the same nanosecond and measure the same do not exist.
func (s *side) has(r *record.Run) bool {
	for _, own := range s.runs {
		if own == r || own.Started.Equal(r.Started) && own.ElapsedS == r.ElapsedS && reflect.DeepEqual(own, r) {
			return true
		}
	}
	return false
}

func (s *side) summary() Side {
	sum := Side{Names: s.names, Records: len(s.runs), Limits: make(map[string]int)}
	for _, r := range s.runs {
		sum.Samples++
		if r.Drain != nil {
			sum.Samples += len(r.Drain.Tries) - 1
		}
		sum.Limits[verdictOf(r)]++
	}
	return sum
}

func verdictOf(r *record.Run) string {
	valid := "not valid"
	if r.Verdict.Valid {
		valid = "valid"
	}
	if r.Verdict.LimitedBy == "" {
		return valid
	}
	return valid + ", " + r.Verdict.LimitedBy
}

// values reads a metric: of each try of a drain that has it, else of each record.
func (s *side) values(m *metric.Metric) (values []metric.Value) {
	for _, r := range s.runs {
		if r.Drain == nil || !ofTries(m) {
			values = append(values, m.OfRun(r))
			continue
		}
		for i := range r.Drain.Tries {
			values = append(values, m.OfTry(&r.Drain.Tries[i]))
		}
	}
	return values
}

func ofTries(m *metric.Metric) bool {
	for _, of := range m.Of() {
		if of == "try" {
			return true
		}
	}
	return false
}

// kinds lists the kinds of the sides' records.
func kinds(sides *[2]side) (list []string) {
	for i := range sides {
		for _, r := range sides[i].runs {
			list = appendNew(list, kindOf(r))
		}
	}
	return list
}
