package svg

import (
	"strings"
	"testing"

	"lastack/report/document"
)

// Each number is drawn once: on its arrow, in its state, or below the state that was left otherwise. What a damaged record calls a state is not.
func TestMachine(t *testing.T) {
	m := &document.Machine{
		ID: "m", Desc: "All.",
		States: []document.MachineState{
			{Name: "ESTABLISHED", Dwell: [2]document.Micros{1500, 2500}, Left: [2]int64{9000, 8000}},
			{Name: "TIME_WAIT", Dwell: [2]document.Micros{4200}, Left: [2]int64{1}, Stayed: [2]int64{7001}},
			{Name: "<b>", Left: [2]int64{5, 5}},
		},
		Changes: []document.MachineChange{
			{From: "ESTABLISHED", To: "FIN_WAIT_1", N: [2]int64{8997}},
			{From: "ESTABLISHED", To: "CLOSED", N: [2]int64{3, 42}},
			{From: "FIN_WAIT_2", To: "CLOSED", N: [2]int64{17}},
			{From: "<b>", To: "CLOSED", N: [2]int64{12345}},
		},
	}
	got := string(Machine(m, "States"))
	wellFormed(t, got)
	for text, times := range map[string]int{
		">c 8,997<": 1, ">c 3 to CLOSED<": 1, ">s 42 to CLOSED<": 1, ">c 17 to CLOSED<": 1, ">c 1.50 ms<": 1, ">s 2.50 ms<": 1, ">c 7,001 stayed<": 1, "4.20 ms": 0, "12,345": 0, "b&gt;": 0, ">CLOSED<": 2,
	} {
		if n := strings.Count(got, text); n != times {
			t.Errorf("%q stands %d times, want %d", text, n, times)
		}
	}
	// Every state and arrow of the figure is there without a connection too.
	if empty := string(Machine(&document.Machine{ID: "m"}, "States")); strings.Count(empty, "<rect") != len(machineStates) || strings.Count(empty, "<polygon") != len(machineChanges) {
		t.Errorf("drawn without numbers: %s", empty)
	}
}
