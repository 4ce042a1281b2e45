package main

import (
	"strings"
	"testing"

	"lastack/bench/record"
)

// What is said of a missed threshold under -q has the value and what makes it a miss all the same.
func TestSayMissed(t *testing.T) {
	for want, r := range map[string]record.ThresholdResult{
		"":                        {Expr: "lost==0", GotText: "0", OK: true},
		"lost==0 (it is 3)":       {Expr: "lost==0", GotText: "3"},
		"lost==0 (no try has it)": {Expr: "lost==0", Reason: "no try has it"},
		"lost==0 (it is 0, at least that: 45 requests had no reply yet)": {Expr: "lost==0", GotText: "0", Reason: "at least that: 45 requests had no reply yet"},
	} {
		var said strings.Builder
		printMissed(&said, []record.ThresholdResult{r})
		if want != "" {
			want = "lastack: threshold missed: " + want + "\n"
		}
		if said.String() != want {
			t.Errorf("it says %q, want %q", said.String(), want)
		}
	}
}
