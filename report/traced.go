package report

import (
	"cmp"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// exceptionsNamed is the most exceptions that the first page names, shownRows the most rows of a table: a damaged record may
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
	s.add(machine(run))
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
	s.exceptions(run)
	s.counts("reset sent for", resetsSent(st))
	s.counts("reset received in", st.ResetsReceived)
	s.counts("segment sent again in", st.Retransmits)
	s.counts("end of a minisocket", miniEnds(st))
	if !alone(run) {
		s.note("without a sandbox, connections of other programs to the same ports count too")
	}
	return s
}

// miniEnds has how the sockets without a process ended, by state.
func miniEnds(st *record.States) map[string]map[string]int64 {
	all := make(map[string]map[string]int64)
	for side, states := range st.Minisockets {
		all[side] = make(map[string]int64)
		for state, n := range states {
			for how, n := range map[string]int64{" at its time": n.Expired, " before its time": n.Early, " begun again by a FIN, at least": n.Rearmed} {
				if n > 0 {
					all[side][state+how] = n
				}
			}
		}
	}
	return all
}

// machine draws the changes of state.
func machine(run *record.Run) *document.Machine {
	st := &run.States
	m := &document.Machine{ID: "state-machine"}
	states, changes := make(map[string]*document.MachineState), make(map[string]*document.MachineChange)
	state := func(name string) *document.MachineState {
		if states[name] == nil {
			states[name] = &document.MachineState{Name: name}
		}
		return states[name]
	}
	for i, side := range sides() {
		for change, n := range st.Transitions[side.name] {
			from, to, _ := strings.Cut(change, ">")
			if changes[change] == nil {
				changes[change] = &document.MachineChange{From: from, To: to}
			}
			changes[change].N[i] = n
			state(from).Left[i] += n
			state(to)
		}
		for name, l := range st.Dwell[side.name] {
			state(name).Dwell[i] = document.Micros(l.P50Us)
		}
		for name, n := range st.Living[side.name] {
			state(name).Stayed[i] = n
		}
	}
	for _, name := range keys(states) {
		m.States = append(m.States, *states[name])
	}
	for _, name := range keys(changes) {
		m.Changes = append(m.Changes, *changes[name])
	}
	m.Desc = "The states of TCP as in figure 5 of RFC 9293. On each arrow is how many connections went that way, in each state the median time in it, of the client's ends (c) and the server's (s). " +
		"Ends that left a state in another way stand below it. The tables have the same numbers."
	return m
}

// tracedLead says how many connections went as predicted, and which exceptions are the most frequent.
func tracedLead(run *record.Run) string {
	st := &run.States
	lost := given(st.Lost > 0, "; the trace missed "+number(st.Lost, "event", "events"))
	client, server := st.Paths["client"], st.Paths["server"]
	all := max(client.Connections, server.Connections)
	switch {
	case st.Paths == nil:
		return "every change of state was followed" + lost
	case all == 0:
		return "no connection was opened" + lost
	case client.AsPredicted == all && server.AsPredicted == all:
		return given(all == 1, "the connection") + given(all > 1, "all "+quantity.Count(all)+" connections") + " went as " + tracedPolicy(run) + " predicts, at both ends" + lost
	}
	var odd []string
	for i := range st.Exceptions {
		e := &st.Exceptions[i]
		if i == exceptionsNamed {
			odd = append(odd, "...")
			break
		}
		odd = append(odd, quantity.Count(e.N)+": "+exception(e))
	}
	went := quantity.Count(client.AsPredicted) + " went as " + tracedPolicy(run) + " predicts"
	if client.AsPredicted != server.AsPredicted {
		went += " at the client, " + quantity.Count(server.AsPredicted) + " at the server"
	}
	return "of " + number(all, "connection", "connections") + " " + went + given(len(odd) > 0, "; "+strings.Join(odd, "; ")) + lost
}

func tracedPolicy(run *record.Run) string {
	if len(run.Plan.Groups) == 0 {
		return "the policy"
	}
	return cmp.Or(run.Plan.Groups[0].Close, "the policy")
}

// exception says how connections left the predicted paths: "client FIN_WAIT_2 to CLOSED by an RST after its close".
func exception(e *record.Exception) string {
	if e.How == record.StillThere {
		return e.Side + " still in " + e.From + " at the end"
	}
	return e.Side + " " + e.From + " to " + e.To + given(howLeft(e) != "", " "+howLeft(e))
}

func howLeft(e *record.Exception) string {
	closing := e.From != "ESTABLISHED" && e.From != "CLOSE_WAIT"
	switch {
	case e.How == record.ByReset && closing:
		return "by an RST after its close"
	case e.How == record.ByReset:
		return "by an RST from the peer"
	case e.How == record.ByTimeout:
		return "at tcp_fin_timeout"
	case e.How == record.ByItself && !closing:
		return "by its own RST"
	case e.From == "FIN_WAIT_2", e.From == "CLOSING":
		return "without TIME_WAIT"
	case e.How == record.ByItself:
		return "without an answer"
	case e.To == "CLOSE_WAIT":
		return "as the peer closed first"
	case e.To == "CLOSING":
		return "as the FINs crossed"
	}
	return ""
}

func (s *section) exceptions(run *record.Run) {
	if len(run.States.Exceptions) == 0 {
		return
	}
	t := s.table(document.Detail, "exception", "connections")
	t.ID = "exceptions"
	for i := range run.States.Exceptions {
		if i < shownRows {
			e := &run.States.Exceptions[i]
			t.row(exception(e), count(e.N))
		}
	}
}

// resetsSent has the reasons with the states.
func resetsSent(st *record.States) map[string]map[string]int64 {
	if st.ResetsSentIn == nil {
		return st.ResetsSent
	}
	all := make(map[string]map[string]int64)
	for side, reasons := range st.ResetsSentIn {
		all[side] = make(map[string]int64)
		for reason, states := range reasons {
			for state, n := range states {
				all[side][reason+given(state != "NONE", " in "+state)] = n
			}
		}
	}
	return all
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
