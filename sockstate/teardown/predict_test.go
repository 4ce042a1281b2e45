package teardown

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/socktest/golden"
)

var policies = []string{
	"client:fin", "server:fin", "client:half", "server:half", "client:rst", "server:rst",
	"client:linger=2s", "server:linger=2s", "client:unread", "server:unread", "both:fin", "never",
}

var reactions = []string{"close", "delay=50ms", "never", "rst"}

func mustPolicy(t testing.TB, s string) Policy {
	t.Helper()
	p, err := ParsePolicy(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustReaction(t testing.TB, s string) Reaction {
	t.Helper()
	r, err := ParseReaction(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var echo = exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}

// The whole table, in words; its truth is tested against the kernel.
func TestPredictGolden(t *testing.T) {
	var b strings.Builder
	for _, policy := range policies {
		for _, reaction := range reactions {
			for _, e := range []exchange.Spec{{}, echo} {
				q := Predict(mustPolicy(t, policy), mustReaction(t, reaction), e, Env{})
				fmt.Fprintf(&b, "%s, on-eof %s, %s: TIME_WAIT %s\n", policy, reaction, e, q.TimeWait)
				words := q.Describe()
				for side := range q.Observes {
					name := sockstate.Side(side).String()
					fmt.Fprintf(&b, "  %s sees %s: %s\n", name, q.Observes[side], strings.Join(words[name], "; "))
				}
				fmt.Fprintf(&b, "  TimeWaits %v AbortOnData %v AbortOnClose %v Resets %v\n", q.TimeWaits, q.AbortOnData, q.AbortOnClose, q.Resets)
				for _, n := range q.Notes {
					fmt.Fprintf(&b, "  - %s\n", n)
				}
			}
		}
	}
	golden.Check(t, filepath.Join("testdata", "predict.golden"), b.String())
}

func TestPredictEnv(t *testing.T) {
	const (
		orderly = "ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"
		expired = "ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > CLOSED"
		held    = "ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2"
	)
	tests := []struct {
		policy, reaction string
		env              Env
		holder           holder
		paths            []string // the client's
		timeWaits        sockstate.Range
		note             string
	}{
		{"client:fin", "delay=59s", Env{}, heldByClient, []string{orderly}, sockstate.Range{Min: 1, Max: 1}, ""},
		{"client:fin", "delay=1m", Env{}, heldByClient, []string{orderly, expired}, sockstate.Range{Min: 0, Max: 1}, "race"},
		{"client:fin", "delay=61s", Env{}, HeldByNone, []string{expired}, sockstate.Range{Min: 0, Max: 1}, "outlasts"},
		{"client:fin", "delay=2s", Env{FinTimeout: time.Second}, HeldByNone, []string{expired}, sockstate.Range{Min: 0, Max: 1}, "(1s, by"},
		{"client:linger=1s", "delay=2s", Env{FinTimeout: time.Second}, HeldByNone, []string{expired}, sockstate.Range{Min: 0, Max: 1}, "outlasts"},
		{"client:half", "delay=2s", Env{FinTimeout: time.Second}, heldByClient, []string{orderly}, sockstate.Range{Min: 1, Max: 1}, ""},
		{"client:fin", "delay=90s", Env{FinTimeout: 2 * time.Minute}, heldByClient, []string{orderly}, sockstate.Range{Min: 1, Max: 1}, ""},
		{"client:fin", "delay=3s", Env{FinTimeout: 61 * time.Second}, HeldByNone, []string{expired}, sockstate.Range{Min: 0, Max: 1}, "(2s, by"},
		{"client:fin", "delay=300ms", Env{FinTimeout: 1}, heldByClient, []string{orderly}, sockstate.Range{Min: 1, Max: 1}, ""},
		{"client:fin", "never", Env{FinTimeout: 90 * time.Second}, HeldByNone, []string{expired}, sockstate.Range{Min: 0, Max: 1}, "only after 30s"},
		{"client:half", "never", Env{}, HeldByNone, []string{held}, sockstate.Range{Min: 0, Max: 1}, "does not apply"},
		{"client:half", "rst", Env{Lossy: true}, HeldByNone, []string{"ESTABLISHED > FIN_WAIT_1 > CLOSED", expired}, sockstate.Range{Min: 0, Max: 1}, "not resent"},
		{"client:fin", "close", Env{Lifecycles: 10, MaxTWBuckets: 10}, heldByClient, []string{orderly}, sockstate.Range{Min: 1, Max: 1}, ""},
		{"client:fin", "close", Env{Lifecycles: 11, MaxTWBuckets: 10}, heldByClient, []string{orderly, expired}, sockstate.Range{Min: 1, Max: 1}, "tcp_max_tw_buckets"},
		{"client:rst", "close", Env{Lifecycles: 11, MaxTWBuckets: 10}, HeldByNone, []string{"ESTABLISHED > CLOSED"}, sockstate.Range{Min: 0, Max: 0}, ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s,%s,%+v", tt.policy, tt.reaction, tt.env), func(t *testing.T) {
			q := Predict(mustPolicy(t, tt.policy), mustReaction(t, tt.reaction), echo, tt.env)
			if q.TimeWait != tt.holder {
				t.Errorf("TIME_WAIT on %v, want %v", q.TimeWait, tt.holder)
			}
			if diff := cmp.Diff(tt.paths, q.Describe()["client"]); diff != "" {
				t.Errorf("paths: -want +got:\n%s", diff)
			}
			if q.TimeWaits != tt.timeWaits {
				t.Errorf("time waits %v, want %v", q.TimeWaits, tt.timeWaits)
			}
			noted := slices.ContainsFunc(q.Notes, func(n string) bool { return strings.Contains(n, tt.note) })
			if tt.note != "" && !noted {
				t.Errorf("no note of %q in %q", tt.note, q.Notes)
			}
		})
	}
}

// The server's policies mirror the client's.
func TestPredictIsSymmetric(t *testing.T) {
	for _, how := range []string{"fin", "half", "rst", "linger=2s", "unread"} {
		for _, reaction := range reactions {
			r := mustReaction(t, reaction)
			c := Predict(mustPolicy(t, "client:"+how), r, echo, Env{})
			s := Predict(mustPolicy(t, "server:"+how), r, echo, Env{})
			if diff := cmp.Diff(c.Counters(7), s.Counters(7)); diff != "" {
				t.Errorf("%s, %s: -client +server:\n%s", how, reaction, diff)
			}
			if diff := cmp.Diff(c.Describe()["client"], s.Describe()["server"]); diff != "" {
				t.Errorf("%s, %s: -client +server:\n%s", how, reaction, diff)
			}
			if c.Observes[0] != s.Observes[1] || c.Observes[1] != s.Observes[0] {
				t.Errorf("%s, %s: client sees %v, server %v", how, reaction, c.Observes, s.Observes)
			}
		}
	}
}

func TestCountersAndObserved(t *testing.T) {
	q := Predict(mustPolicy(t, "both:fin"), Reaction{}, echo, Env{})
	want := map[string]sockstate.Range{
		CounterTimeWaits:    {Min: 1000, Max: 2000},
		CounterAbortOnData:  {},
		CounterAbortOnClose: {},
		CounterResets:       {},
	}
	if diff := cmp.Diff(want, q.Counters(1000)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got := Observed(sockstate.Counters{"TcpExtTW": 1, "TcpExtTWKilled": 2, "TcpExtTCPTimeWaitOverflow": 4, "TcpExtTCPAbortOnData": 8, "TcpExtTCPAbortOnClose": 16, "TcpEstabResets": 32, "TcpOutRsts": 64})
	if diff := cmp.Diff(map[string]int64{CounterTimeWaits: 7, CounterAbortOnData: 8, CounterAbortOnClose: 16, CounterResets: 32}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r := q.Counters(1000)[CounterTimeWaits]; r.Contains(999) || !r.Contains(1000) || !r.Contains(2000) || r.Contains(2001) {
		t.Errorf("%v does not contain its ends alone", r)
	}
}
