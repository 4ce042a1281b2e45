package report

import (
	"fmt"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// exceptionsNamed is the most changes of state on no predicted path that the first page names, shownRows the most rows of a table: a damaged record may
// have thousands.
const (
	exceptionsNamed = 2
	shownRows       = 64
)

// traced is what the trace of the kernel saw: every change of state, and the time in each state.
func traced(run *record.Run) *section {
	st := &run.States
	if st.Transitions == nil {
		return nil
	}
	s := begin(document.First, "KERNEL TRACE", tracedLead(run))
	if st.Lost > 0 {
		s.Tone = document.Bad
	}
	s.counts("change of state", st.Transitions)
	t := s.latencyTable(document.Detail)
	t.ID = "dwell"
	for _, side := range sides() {
		for i, state := range stateKeys(st.Dwell[side.name]) {
			if i < shownRows {
				t.latency(side.name+" "+state, st.Dwell[side.name][state])
			}
		}
	}
	s.counts("reset sent for", st.ResetsSent)
	s.counts("reset received in", st.ResetsReceived)
	s.counts("segment sent again in", st.Retransmits)
	return s
}

// tracedLead says how many changes were on no predicted path.
func tracedLead(run *record.Run) string {
	st := &run.States
	lost := given(st.Lost > 0, "; the trace missed "+number(st.Lost, "event", "events"))
	if len(run.Plan.Groups) > 1 {
		return "every change of state was followed" + lost
	}
	var odd []string
	sum := int64(0)
	for _, side := range sides() {
		m := st.Unpredicted[side.name]
		for _, change := range keys(m) {
			sum += m[change]
			odd = append(odd, fmt.Sprintf("%s %s %s", side.name, strings.ReplaceAll(change, ">", " > "), quantity.Count(m[change])))
		}
	}
	if len(odd) == 0 {
		return "every change of state is on a predicted path" + lost
	}
	more := given(len(odd) > exceptionsNamed, ", ...")
	return fmt.Sprintf("%s on no predicted path: %s%s%s", number(sum, "change of state", "changes of state"), strings.Join(odd[:min(len(odd), exceptionsNamed)], ", "), more, lost)
}

// counts adds a table with a column for each side, unless all are empty.
func (s *section) counts(what string, by map[string]map[string]int64) {
	all := make(map[string]bool)
	for _, side := range sides() {
		for name := range by[side.name] {
			all[name] = true
		}
	}
	if len(all) == 0 {
		return
	}
	t := s.table(document.Detail, what, "client", "server")
	t.ID = what
	for i, name := range keys(all) {
		if i == shownRows {
			break
		}
		cells := make([]document.Value, 0, 2)
		for _, side := range sides() {
			n, seen := by[side.name][name]
			if !seen {
				cells = append(cells, nil)
				continue
			}
			cells = append(cells, count(n))
		}
		t.row(strings.ReplaceAll(name, ">", " > "), cells...)
	}
}
