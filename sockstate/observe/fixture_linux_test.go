package observe

import "lastack/sockstate"

type states map[sockstate.State]int

func (s states) array() (a [sockstate.NumStates]int) {
	for k, n := range s {
		a[k] = n
	}
	return a
}
