package teardown

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

func TestParsePolicy(t *testing.T) {
	tests := []struct {
		in   string
		want Policy
		out  string // how it prints, if otherwise
	}{
		{in: "client:fin", want: Policy{}},
		{in: "server:fin", want: Policy{Who: ServerFirst}},
		{in: "client:half", want: Policy{How: Half}},
		{in: "server:rst", want: Policy{Who: ServerFirst, How: RST}},
		{in: "server:unread", want: Policy{Who: ServerFirst, How: Unread}},
		{in: "client:linger=2s", want: Policy{How: Linger, Linger: 2 * time.Second}},
		{in: "client:linger=60s", want: Policy{How: Linger, Linger: time.Minute}, out: "client:linger=1m"},
		{in: "server:linger=5m", want: Policy{Who: ServerFirst, How: Linger, Linger: maxLinger}},
		{in: "both:fin", want: Policy{Who: BothAtOnce}},
		{in: "never", want: Never},
	}
	for _, tt := range tests {
		got, err := ParsePolicy(tt.in)
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q: -want +got:\n%s", tt.in, diff)
		}
		if tt.out == "" {
			tt.out = tt.in
		}
		if got.String() != tt.out {
			t.Errorf("%q prints as %q, want %q", tt.in, got, tt.out)
		}
	}
}

// policyWant is policyHelp, written out.
const policyWant = "client|server:fin|half|rst|linger=D|unread, both:fin, or never"

func TestParsePolicyErrors(t *testing.T) {
	const lingerHelp = "whole seconds from 1s"
	tests := map[string]string{
		"":                       policyWant,
		"fin":                    policyWant,
		"client":                 policyWant,
		"client:":                policyWant,
		"Client:fin":             policyWant,
		"client:fin ":            policyWant,
		"client:fin=1s":          policyWant,
		"client:rst=":            policyWant,
		"both:rst":               policyWant,
		"both:fin=1s":            policyWant,
		"nobody:fin":             policyWant,
		"never:fin":              policyWant,
		"client:linger":          lingerHelp,
		"client:linger=":         lingerHelp,
		"client:linger=0s":       lingerHelp,
		"client:linger=-1s":      lingerHelp,
		"client:linger=1500ms":   lingerHelp,
		"client:linger=2":        lingerHelp,
		"client:linger=5m1s":     lingerHelp,
		"client:linger=9999999h": lingerHelp,
	}
	for in, want := range tests {
		if got, err := ParsePolicy(in); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), in) {
			t.Errorf("%q: %v, error %v; want one with %q", in, got, err, want)
		}
	}
}

func TestParseReaction(t *testing.T) {
	tests := []struct {
		in   string
		want Reaction
		out  string
	}{
		{in: "close", want: Reaction{}},
		{in: "never", want: Reaction{Kind: ReactNever}},
		{in: "rst", want: Reaction{Kind: ReactRST}},
		{in: "delay=50ms", want: Reaction{Kind: ReactDelay, Delay: 50 * time.Millisecond}},
		{in: "delay=1ns", want: Reaction{Kind: ReactDelay, Delay: 1}},
		{in: "delay=90m", want: Reaction{}, out: "error"},
		{in: "delay=60m", want: Reaction{Kind: ReactDelay, Delay: maxDelay}, out: "delay=1h"},
		{in: "delay=10m", want: Reaction{Kind: ReactDelay, Delay: 10 * time.Minute}},
	}
	for _, tt := range tests {
		got, err := ParseReaction(tt.in)
		if (err != nil) != (tt.out == "error") {
			t.Errorf("%q: %v", tt.in, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q: -want +got:\n%s", tt.in, diff)
		}
		if tt.out == "" {
			tt.out = tt.in
		}
		if err == nil && got.String() != tt.out {
			t.Errorf("%q prints as %q, want %q", tt.in, got, tt.out)
		}
	}
}

func TestParseReactionErrors(t *testing.T) {
	const delayHelp = "delay takes a duration above 0"
	tests := map[string]string{
		"":              ReactionHelp,
		"fin":           ReactionHelp,
		"close=1s":      ReactionHelp,
		"delay":         ReactionHelp,
		"Never":         ReactionHelp,
		"delay=":        delayHelp,
		"delay=0s":      delayHelp,
		"delay=-1s":     delayHelp,
		"delay=1":       delayHelp,
		"delay=1h1ns":   delayHelp,
		"delay=forever": delayHelp,
	}
	for in, want := range tests {
		if got, err := ParseReaction(in); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), in) {
			t.Errorf("%q: %v, error %v; want one with %q", in, got, err, want)
		}
	}
}

func TestPolicyAndReactionJSON(t *testing.T) {
	type pair struct {
		Close Policy
		OnEOF Reaction
	}
	want := []pair{
		{},
		{Policy{Who: ServerFirst, How: Linger, Linger: 2 * time.Second}, Reaction{Kind: ReactDelay, Delay: time.Minute}},
		{Never, Reaction{Kind: ReactRST}},
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const text = `[{"Close":"client:fin","OnEOF":"close"},{"Close":"server:linger=2s","OnEOF":"delay=1m"},{"Close":"never","OnEOF":"rst"}]`
	if diff := cmp.Diff(text, string(b)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var got []pair
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, bad := range []string{`{"Close":"client:cut"}`, `{"OnEOF":"delay"}`} {
		if err := json.Unmarshal([]byte(bad), &pair{}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestActive(t *testing.T) {
	tests := map[string][sockstate.NumSides]bool{
		"client:half": {true, false},
		"server:rst":  {false, true},
		"both:fin":    {true, true},
		"never":       {false, false},
	}
	for in, want := range tests {
		p := mustPolicy(t, in)
		if got := [...]bool{p.Active(sockstate.Client), p.Active(sockstate.Server)}; got != want {
			t.Errorf("%s: active %v, want %v", in, got, want)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	for _, s := range policies {
		f.Add(s)
	}
	f.Add("client:linger=1m2s")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePolicy(s)
		if err != nil {
			return
		}
		if again, err := ParsePolicy(p.String()); err != nil || again != p {
			t.Errorf("%q: %+v prints as %q, which is %+v, error %v", s, p, p, again, err)
		}
	})
}

func FuzzParseReaction(f *testing.F) {
	for _, s := range reactions {
		f.Add(s)
	}
	f.Add("delay=10m0.5s")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReaction(s)
		if err != nil {
			return
		}
		if again, err := ParseReaction(r.String()); err != nil || again != r {
			t.Errorf("%q: %+v prints as %q, which is %+v, error %v", s, r, r, again, err)
		}
	})
}
