package server

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

func TestParseShutdown(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Shutdown
	}{
		{"graceful", Shutdown{}},
		{"lame-duck=1.5s", Shutdown{lameDuck, 1500 * time.Millisecond}},
		{"lame-duck=1h0m0s", Shutdown{lameDuck, time.Hour}},
		{"abrupt", Shutdown{Kind: abrupt}},
		{"rst", Shutdown{Kind: resetAll}},
		{"listener-last", Shutdown{Kind: listenerLast}},
	} {
		got, err := ParseShutdown(tc.text)
		if err != nil || got != tc.want {
			t.Errorf("ParseShutdown(%q) = %v, %v, want %v", tc.text, got, err, tc.want)
		}
		b, err := got.MarshalText()
		if err != nil || string(b) != tc.text {
			t.Errorf("%v is written as %q, %v", got, b, err)
		}
		var again Shutdown
		if err := again.UnmarshalText(b); err != nil || again != got {
			t.Errorf("%q is read as %v, %v", b, again, err)
		}
	}
	for text, want := range map[string]string{
		"": "unknown shutdown", "Graceful": "unknown shutdown", "graceful=1s": "unknown shutdown", "lame-duck": "unknown shutdown",
		"rst=": "unknown shutdown", "lame-duck=": "lame-duck takes", "lame-duck=0s": "lame-duck takes", "lame-duck=-1s": "lame-duck takes",
		"lame-duck=61m": "lame-duck takes", "lame-duck=5": "lame-duck takes",
	} {
		if got, err := ParseShutdown(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseShutdown(%q) = %v, %v, want an error with %q", text, got, err, want)
		}
	}
}

func FuzzParseShutdown(f *testing.F) {
	for _, s := range []string{"graceful", "lame-duck=1.5s", "rst=", "lame-duck=61m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseShutdown(text)
		if err != nil {
			return
		}
		if again, err := ParseShutdown(s.String()); err != nil || again != s {
			t.Errorf("%q is %v, which is read as %v, %v", text, s, again, err)
		}
	})
}

func TestCounts(t *testing.T) {
	s := Stats{Accepted: 9, Open: 1, Requests: 7, Closing: 3, Cut: 2, QueueReset: 4}
	s.Outcomes[sockstate.OutcomeFIN], s.Outcomes[sockstate.OutcomeAbruptRST] = 5, 3
	want := map[string]int64{
		"accepted": 9, "open": 1, "requests": 7, "closing": 3, "cut": 2, "queue_reset": 4, "accept_errors": 0,
		"outcome.fin": 5, "outcome.abrupt_rst": 3,
	}
	if diff := cmp.Diff(want, s.Counts()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for o := sockstate.OutcomeFIN; o <= sockstate.OutcomeOther; o++ {
		if o.String() == "" {
			t.Errorf("outcome %d has no name", o)
		}
	}
}
