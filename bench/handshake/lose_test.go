package handshake

import (
	"errors"
	"strings"
	"testing"

	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

func TestParseLose(t *testing.T) {
	for _, s := range []string{"syn", "syn-ack", "ack", "fin", "last-ack", "rst", "fin:2", "last-ack:6"} {
		l, err := ParseLose(s)
		if err != nil || l.String() != s {
			t.Errorf("%q: %q, %v", s, l, err)
		}
	}
	if l, err := ParseLose("fin:1"); err != nil || l.String() != "fin" {
		t.Errorf("fin:1: %q, %v", l, err)
	}
	for _, s := range []string{"", "fIn", "none", "data", "fin:0", "fin:7", "fin:-1", "fin:", "fin:x", ":2", "syn|ack"} {
		if l, err := ParseLose(s); err == nil {
			t.Errorf("%q: %q", s, l)
		}
	}
}

func FuzzParseLose(f *testing.F) {
	for _, s := range []string{"fin:2", "syn", "last-ack:", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLose(s)
		if err != nil {
			return
		}
		if again, err := ParseLose(l.String()); err != nil || again != l {
			t.Errorf("%q: %q, then %q, %v", s, l, again, err)
		}
	})
}

// A policy never sends some packets: losing one is refused, and each that it does send can be lost.
func TestLoseWhatIsNeverSent(t *testing.T) {
	reset := teardown.Reaction{Kind: teardown.ReactRST}
	leak := teardown.Reaction{Kind: teardown.ReactNever}
	for _, tt := range []struct {
		close string
		react teardown.Reaction
		lose  string
		ok    bool
	}{
		{"client:fin", teardown.Reaction{}, "syn", true},
		{"never", teardown.Reaction{}, "syn-ack", true},
		{"client:fin", teardown.Reaction{}, "fin", true},
		{"server:half", teardown.Reaction{}, "last-ack:3", true},
		{"both:fin", teardown.Reaction{}, "last-ack", true},
		{"both:fin", teardown.Reaction{}, "rst", false},
		{"client:rst", teardown.Reaction{}, "rst", true},
		{"client:rst", teardown.Reaction{}, "fin", false},
		{"server:unread", teardown.Reaction{}, "last-ack", false},
		{"client:fin", reset, "rst", true},
		{"client:fin", reset, "last-ack", false},
		{"client:fin", leak, "last-ack", false},
		{"client:fin", leak, "fin", true},
		{"client:fin", teardown.Reaction{}, "rst", false},
		{"never", teardown.Reaction{}, "fin", false},
		{"never", teardown.Reaction{}, "rst", false},
	} {
		p, err := teardown.ParsePolicy(tt.close)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ParseLose(tt.lose)
		if err != nil {
			t.Fatal(err)
		}
		err = l.check(p, tt.react)
		bad, isBad := errors.AsType[*sockstate.ValueError](err)
		switch {
		case tt.ok != (err == nil):
			t.Errorf("%s %v --lose %s: %v", tt.close, tt.react, tt.lose, err)
		case err != nil && (!isBad || !strings.Contains(bad.Error(), "it is never sent")):
			t.Errorf("%s --lose %s: %v", tt.close, tt.lose, err)
		case err != nil && strings.HasSuffix(err.Error(), "a policy like "+tt.close):
			t.Errorf("%s --lose %s: %v: it advises what was given", tt.close, tt.lose, err)
		}
	}
}
