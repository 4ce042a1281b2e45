package bench

import (
	"cmp"
	"slices"
	"strings"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/trace"
)

// way is the predicted paths of one side, as a graph.
type way struct {
	states  map[string]bool
	changes map[string]bool // "ESTABLISHED>FIN_WAIT_1"
	ends    map[string]bool
}

// wayOf makes it of paths as in record.Predicted. A trace that does not follow TIME_WAIT sees CLOSED in its place.
func wayOf(paths []string, noTimeWait bool) way {
	w := way{states: make(map[string]bool), changes: make(map[string]bool), ends: make(map[string]bool)}
	for _, path := range paths {
		states := strings.Split(path, " > ")
		for i, s := range states {
			w.states[s] = true
			if i > 0 && s == "TIME_WAIT" && noTimeWait {
				w.changes[states[i-1]+">CLOSED"] = true
			}
			if i > 0 {
				w.changes[states[i-1]+">"+s] = true
			}
		}
		w.ends[states[len(states)-1]] = true
	}
	// After its predicted path a connection may have left TIME_WAIT.
	w.changes["TIME_WAIT>CLOSED"] = true
	return w
}

// judge compares one side's connections with the predicted paths. A connection is an exception where it leaves them: what it does afterwards does not count
// again.
func (w *way) judge(t *trace.Result, side sockstate.Side) (record.Paths, []record.Exception) {
	p := record.Paths{Connections: t.Entries(side, sockstate.Established)}
	p.AsPredicted = p.Connections
	var all []record.Exception
	except := func(from, to sockstate.State, how string, n int64) {
		if n > 0 {
			e := record.Exception{Side: side.String(), From: from.String(), How: how, N: n}
			if how != record.StillThere {
				e.To = to.String()
			}
			all = append(all, e)
			p.AsPredicted -= n
		}
	}
	for from := range sockstate.State(sockstate.NumStates) {
		if !w.states[from.String()] || from == sockstate.Closed {
			continue
		}
		for to, n := range t.Transitions[side][from] {
			to := sockstate.State(to)
			if n == 0 || w.changes[from.String()+">"+to.String()] {
				continue
			}
			if to != sockstate.Closed {
				except(from, to, "", n)
				continue
			}
			reset, late := closedBy(t, side, from)
			reset = min(reset, n)
			late = min(late, n-reset)
			except(from, to, record.ByReset, reset)
			except(from, to, record.ByTimeout, late)
			except(from, to, record.ByItself, n-reset-late)
		}
		if !w.ends[from.String()] {
			except(from, 0, record.StillThere, t.Living[side][from])
		}
	}
	p.AsPredicted = max(p.AsPredicted, 0)
	slices.SortStableFunc(all, func(a, b record.Exception) int { return cmp.Compare(b.N, a.N) })
	return p, all
}

// closedBy is how many connections a reset of the peer ended in a state, and how many the kernel's timer.
func closedBy(t *trace.Result, side sockstate.Side, from sockstate.State) (reset, late int64) {
	reset = t.Received[side][from]
	if from == sockstate.FinWait2 {
		// Minisockets. Before its time one ends by a reset: its own, if data came, or the peer's.
		reset += t.FinWait2[side].Early
		late = t.FinWait2[side].Expired
	}
	return reset, late
}
