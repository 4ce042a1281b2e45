package sockstate

import (
	"strconv"
	"strings"
	"testing"
)

func TestParsePortRange(t *testing.T) {
	for s, want := range map[string]PortRange{
		"1-1": {1, 1}, "1-65535": {1, 65535}, "40000-40999": {40000, 40999}, "65535-65535": {65535, 65535},
	} {
		got, err := ParsePortRange(s)
		if err != nil || got != want {
			t.Errorf("ParsePortRange(%q) = %v, %v, want %v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("ParsePortRange(%q).String() = %q", s, got)
		}
	}
	for _, s := range []string{"", "-", "1", "1-", "-1", "0-5", "5-4", "1-65536", "-1-5", "1-2-3", " 1-2", "1 - 2", "+1-2", "0x1-2", "1..2", "a-b", "1_0-20"} {
		got, err := ParsePortRange(s)
		if err == nil || got != (PortRange{}) {
			t.Errorf("ParsePortRange(%q) = %v, %v", s, got, err)
			continue
		}
		if !strings.Contains(err.Error(), strconv.Quote(s)) || !strings.Contains(err.Error(), "LO-HI") {
			t.Errorf("ParsePortRange(%q): error %q names neither the value nor what is accepted", s, err)
		}
	}
	if !(PortRange{}).IsZero() || (PortRange{1, 1}).IsZero() {
		t.Error("IsZero")
	}
}

func FuzzParsePortRange(f *testing.F) {
	for _, s := range []string{"1-1", "40000-40999", "5-4", "+1-2", "1-65536"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParsePortRange(s)
		if err != nil {
			return
		}
		if r.Lo < 1 || r.Lo > r.Hi {
			t.Fatalf("%q: %v", s, r)
		}
		if again, err := ParsePortRange(r.String()); err != nil || again != r {
			t.Fatalf("%q became %v, and that %v, %v", s, r, again, err)
		}
	})
}
