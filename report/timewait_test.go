package report

import (
	"strings"
	"testing"

	"lastack/bench/record"
)

// section cuts a section out of a page.
func section(t *testing.T, r *record.Run, title string) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(render(t, "text", r)), "\n"+title)
	if !ok {
		return ""
	}
	s, _, _ := strings.Cut(rest, "\n\n")
	return strings.Join(strings.Fields(s), " ")
}

func TestSimultaneousCloses(t *testing.T) {
	r := &record.Run{Schema: record.Schema, Sandbox: record.Sandbox{Mode: "user"}}
	r.TimeWait = record.TimeWait{Peak: 10_500, Entered: 10_400, Overflow: 100}
	if got := section(t, r, "TIME_WAIT"); strings.Contains(got, "simultaneous") {
		t.Errorf("said without being known: %s", got)
	}
	for n, want := range map[int64]string{
		500: "simultaneous 500 5.00 % of the connections: the FINs crossed, and both ends entered it",
		0:   "simultaneous 0 0 % of the connections",
	} {
		r.TimeWait.Simultaneous = &n
		if got := section(t, r, "TIME_WAIT"); !strings.Contains(got, want) {
			t.Errorf("want %q in: %s", want, got)
		}
	}
}

func TestMinisocketsAreNoTimeWait(t *testing.T) {
	r := &record.Run{Schema: record.Schema, Sandbox: record.Sandbox{Mode: "user"}}
	r.TimeWait = record.TimeWait{Entered: 1000, FinWait2MiniPeak: 1000}
	if got, want := section(t, r, "TIME_WAIT"), "entered 1,000 as FIN_WAIT_2 minisockets, which the kernel counts alike"; !strings.Contains(got, want) {
		t.Errorf("want %q in: %s", want, got)
	}
}

func TestSettledSaysWhatIsLeft(t *testing.T) {
	r := &record.Run{Schema: record.Schema, Settle: &record.Settle{ElapsedS: 0.004, Done: true}}
	r.States.Final = map[string]map[string]int{"client": {"TIME_WAIT": 12}, "server": {"LISTEN": 2}}
	if got, want := section(t, r, "SETTLE"), "watched 4.00 ms: nothing but TIME_WAIT was left"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.States.Final = map[string]map[string]int{"client": {"FIN_WAIT_2": 1000, "TIME_WAIT": 3}, "server": {"CLOSE_WAIT": 1000, "LISTEN": 2}}
	want := "watched 4.00 ms: nothing moved any more; beside TIME_WAIT: client FIN_WAIT_2 1,000, server CLOSE_WAIT 1,000"
	if got := section(t, r, "SETTLE"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
