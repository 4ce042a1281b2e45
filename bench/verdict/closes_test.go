package verdict

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// A target that does not end its connections as it was asked to is named, with its share.
func TestCloses(t *testing.T) {
	policy := func(p string) func(*record.Run) {
		return func(r *record.Run) { r.Plan.Groups[0].Close = p }
	}
	reset := func(n int64) func(*record.Run) {
		return func(r *record.Run) {
			fails(sockstate.OutcomeRSTReceived.String(), n)(r)
		}
	}
	outside := func(r *record.Run) { r.Server = nil }
	for _, tc := range []struct {
		name    string
		change  []func(*record.Run)
		reasons []string
		advice  []string
		invalid bool
	}{
		{"nothing astray", nil, nil, nil, false},
		{
			"the target closes first",
			[]func(*record.Run){outside, fails(sockstate.OutcomeClosedEarly.String(), 79_360)},
			[]string{"the target closed first in 99.2 % of the connections (79,360 of 80,000), but with client:fin the client should; too many for this run to measure client:fin"},
			[]string{"--close server:fin, if the target is to close first: the client then waits for it"},
			true,
		},
		{
			"the target closes between requests",
			[]func(*record.Run){outside, fails(sockstate.OutcomeClosedEarly.String(), 8000), func(r *record.Run) { r.Plan.Groups[0].Requests = 10 }},
			[]string{"the target closed first in 10 % of the connections (8,000 of 80,000), but with client:fin the client should; too many for this run to measure client:fin"},
			[]string{"--close server:fin, if the target is to close first, or fewer --requests, if it takes no more on a connection"},
			true,
		},
		{
			"the target resets",
			[]func(*record.Run){outside, reset(80_000)},
			[]string{"the target reset 100 % of the connections (80,000 of 80,000), which client:fin does not ask for; too many for this run to measure client:fin"},
			[]string{"--close server:rst, if the target is to reset: the client then waits for it"},
			true,
		},
		{
			"the target resets a half-closed connection",
			[]func(*record.Run){outside, policy("client:half"), reset(80_000)},
			[]string{"the target reset 100 % of the connections (80,000 of 80,000), which client:half does not ask for; too many for this run to measure client:half"},
			[]string{"--close server:rst, if the target resets by itself: the client then waits for it; --close client:fin, if it resets when it reads the client's FIN"},
			true,
		},
		{
			"the target resets one that is to be reset",
			[]func(*record.Run){outside, policy("client:rst"), reset(800)},
			[]string{"the target reset 1 % of the connections (800 of 80,000), which client:rst does not ask for"},
			nil, false,
		},
		{
			"FINs under server:rst",
			[]func(*record.Run){outside, policy("server:rst")},
			[]string{"the target closed by FIN, not by RST, in 100 % of the connections (80,000 of 80,000): it does not follow server:rst; too many for this run to measure server:rst"},
			[]string{"--close server:fin, which is what the target does"},
			true,
		},
		{
			"RSTs under server:rst",
			[]func(*record.Run){outside, policy("server:rst"), func(r *record.Run) {
				r.Outcomes = map[string]int64{sockstate.OutcomeRSTReceived.String(): 80_000}
			}},
			nil, nil, false,
		},
		{
			"the target waits for the client",
			[]func(*record.Run){outside, policy("server:fin"), fails(sockstate.OutcomeCloseTimeout.String(), 80_000)},
			[]string{"the target did not close in 100 % of the connections (80,000 of 80,000): it does not follow server:fin, or takes longer than --close-timeout; too many for this run to measure server:fin"},
			[]string{"--close client:fin, if the target leaves it to the client to close first"},
			true,
		},
		{
			"the kernel's counters contradict",
			[]func(*record.Run){outside, func(r *record.Run) {
				r.Accounting = append(r.Accounting, record.Check{Name: teardown.CounterTimeWaits, Want: sockstate.Range{Min: 80_000, Max: 80_000}, Got: 8, Contradicts: true})
				r.Counters = map[string]int64{teardown.CounterResets: 79_992}
			}},
			[]string{teardown.CounterTimeWaits + " grew by 8, for 80,000 closes by the client: of these at least 79,992 ended otherwise, by the target's RST or close, unseen by the client (TcpEstabResets grew by 79,992)"},
			[]string{"--close client:half, to see how the target ends what the client has closed, or --close server:rst, if it resets by itself: the client then waits for it"},
			false,
		},
		{
			"the kernel's counters contradict what was not seen to be reset",
			[]func(*record.Run){outside, reset(2400), func(r *record.Run) {
				r.Accounting = append(r.Accounting, record.Check{Name: teardown.CounterTimeWaits, Want: sockstate.Range{Min: 77_600, Max: 82_400}, Got: 8, Contradicts: true})
				r.Counters = map[string]int64{teardown.CounterResets: 80_000}
			}},
			[]string{
				"the target reset 3 % of the connections (2,400 of 80,000), which client:fin does not ask for",
				teardown.CounterTimeWaits + " grew by 8, for 77,600 closes by the client: of these at least 77,592 ended otherwise, by the target's RST or close, unseen by the client (TcpEstabResets grew by 80,000)",
				"in all the target ended at least 100 % of the connections (79,992 of 80,000) by itself; too many for this run to measure client:fin",
			},
			[]string{"--close server:rst, if the target is to reset: the client then waits for it"},
			true,
		},
		{
			"a few resets of a target that resets when it reads EOF",
			[]func(*record.Run){outside, reset(400), func(r *record.Run) {
				r.Accounting = append(r.Accounting, record.Check{Name: teardown.CounterTimeWaits, Want: sockstate.Range{Min: 79_600, Max: 80_400}, Contradicts: true})
				r.Counters = map[string]int64{teardown.CounterResets: 400}
			}},
			[]string{
				"the target reset 0.5 % of the connections (400 of 80,000), which client:fin does not ask for",
				teardown.CounterTimeWaits + " grew by 0, for 79,600 closes by the client: of these at least 79,600 ended otherwise, by the target's RST or close, unseen by the client (TcpEstabResets grew by 400)",
			},
			[]string{"--close client:half, to see how the target ends what the client has closed, or --close server:rst, if it resets by itself: the client then waits for it"},
			false,
		},
		{
			"a few closes, for which server:fin would be wrong",
			[]func(*record.Run){outside, fails(sockstate.OutcomeClosedEarly.String(), 4000)},
			[]string{"the target closed first in 5 % of the connections (4,000 of 80,000), but with client:fin the client should"},
			nil, false,
		},
		{
			"the target closes what is held",
			[]func(*record.Run){outside, fails(sockstate.OutcomeClosedEarly.String(), 20_000), func(r *record.Run) { r.Plan.Groups[0].HoldNs = 5e9 }},
			[]string{"the target closed first in 25 % of the connections (20,000 of 80,000), but with client:fin the client should"},
			[]string{"a --hold shorter than the time after which the target closes an idle connection, or fewer connections at once, if it closes those that are too many for it"},
			false,
		},
		{
			"the target answers some FINs late",
			[]func(*record.Run){outside, policy("client:half"), fails(sockstate.OutcomeCloseTimeout.String(), 8000)},
			[]string{"the target did not answer the client's FIN with its own within --close-timeout in 10 % of the connections (8,000 of 80,000)"},
			nil, false,
		},
		{
			"the embedded server, of which packets are lost",
			[]func(*record.Run){policy("server:rst"), fails(sockstate.OutcomeCloseTimeout.String(), 48_000), func(r *record.Run) {
				r.Outcomes[sockstate.OutcomeRSTReceived.String()], r.Outcomes[sockstate.OutcomeFIN.String()] = 32_000, 0
			}},
			[]string{"the target did not close in 60 % of the connections (48,000 of 80,000): it does not follow server:rst, or takes longer than --close-timeout"},
			[]string{"--close client:fin, if the target leaves it to the client to close first"},
			false,
		},
		{
			"the target never closes",
			[]func(*record.Run){outside, func(r *record.Run) {
				r.States.Final = map[string]map[string]int{"client": {"FIN_WAIT_2": 80_000}}
			}},
			[]string{"80,000 connections closed by the client were in FIN_WAIT_2 at the end: the target had acknowledged the close, and not closed its own side"},
			[]string{"--close client:half, to see when the target closes its own side: the client then waits for it"},
			false,
		},
		{
			"the target closes before the last request",
			[]func(*record.Run){outside, policy("server:fin"), fails(sockstate.OutcomeClosedEarly.String(), 16_000)},
			[]string{"the target closed first in 20 % of the connections (16,000 of 80,000), before the last request"},
			[]string{"fewer --requests, if the target takes no more on a connection"},
			false,
		},
		{
			"the target closes what nobody is to close",
			[]func(*record.Run){outside, policy("never"), fails(sockstate.OutcomeClosedEarly.String(), 16_000)},
			[]string{"the target closed first in 20 % of the connections (16,000 of 80,000), but with never they should stay open"},
			[]string{"--close server:fin, if the target is to close"},
			false,
		},
		{
			"the target closes most of what is held",
			[]func(*record.Run){outside, fails(sockstate.OutcomeClosedEarly.String(), 60_000), func(r *record.Run) { r.Plan.Groups[0].HoldNs = 5e9 }},
			[]string{"the target closed first in 75 % of the connections (60,000 of 80,000), but with client:fin the client should"},
			[]string{
				"a --hold shorter than the time after which the target closes an idle connection, or fewer connections at once, if it closes those that are too many for it",
				"--close server:fin without --hold, if the target is to close first: the client then waits for it",
			},
			false,
		},
		{
			"the target answers no FIN in time",
			[]func(*record.Run){outside, policy("client:half"), fails(sockstate.OutcomeCloseTimeout.String(), 80_000)},
			[]string{"the target did not answer the client's FIN with its own within --close-timeout in 100 % of the connections (80,000 of 80,000); too many for this run to measure client:half"},
			[]string{"--close client:fin, which does not wait for the target's FIN, or a longer --close-timeout"},
			true,
		},
		{
			"the kernel's counters contradict the client's resets",
			[]func(*record.Run){outside, policy("client:rst"), func(r *record.Run) {
				r.Accounting = append(r.Accounting, record.Check{Name: teardown.CounterAbortOnData, Want: sockstate.Range{Min: 80_000, Max: 80_000}, Got: 8, Contradicts: true})
			}},
			[]string{teardown.CounterAbortOnData + " grew by 8, for 80,000 closes by the client: of these at least 79,992 ended otherwise, by the target's RST or close, unseen by the client (TcpEstabResets grew by 0)"},
			[]string{"--close server:rst, if the target resets by itself: the client then waits for it"},
			false,
		},
		{
			"the embedded server never closes, as asked",
			[]func(*record.Run){func(r *record.Run) {
				r.States.Final = map[string]map[string]int{"client": {"FIN_WAIT_2": 80_000}}
			}},
			nil, nil, false,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := closedLoop()
			for _, f := range tc.change {
				f(&r)
			}
			j := judge(&r)
			j.closes()
			reasons, advice := inWords(t, j.v.Findings)
			if d := cmp.Diff(tc.reasons, reasons); d != "" {
				t.Errorf("reasons (-want +got):\n%s", d)
			}
			if j.v.Valid == tc.invalid {
				t.Errorf("valid %v, want %v", j.v.Valid, !tc.invalid)
			}
			if d := cmp.Diff(tc.advice, advice); d != "" {
				t.Errorf("advice (-want +got):\n%s", d)
			}
		})
	}
}

// What makes a run invalid stands before what bound it, and so does the advice.
func TestClosesComeFirst(t *testing.T) {
	r := closedLoop()
	r.Server = nil
	fails(sockstate.OutcomeClosedEarly.String(), 56_000)(&r)
	busyWith(4, 0, 1)(&r)
	v := words(t, &r)
	if v.Valid || v.LimitedBy != record.LimitCPU || len(v.Reasons) < 2 || len(v.Advice) < 2 {
		t.Fatalf("%+v, want a run that the CPUs bound and that is not valid", v)
	}
	if want := "the target closed first in 70 % of the connections (56,000 of 80,000), but with client:fin the client should; too many for this run to measure client:fin"; v.Reasons[0] != want {
		t.Errorf("the first reason is %q, want %q", v.Reasons[0], want)
	}
	if want := "--close server:fin, if the target is to close first: the client then waits for it"; v.Advice[0] != want {
		t.Errorf("the first advice is %q, want %q", v.Advice[0], want)
	}
}
