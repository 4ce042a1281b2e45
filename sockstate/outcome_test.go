package sockstate

import "testing"

func TestOutcomes(t *testing.T) {
	seen := make(map[string]bool)
	for o := OutcomeFIN; int(o) < NumOutcomes; o++ {
		name := o.String()
		if name == "" || seen[name] {
			t.Errorf("outcome %d is named %q, which is empty or another's", o, name)
		}
		seen[name] = true
		if ParseOutcome(name) != o {
			t.Errorf("ParseOutcome(%q) = %v", name, ParseOutcome(name))
		}
		if o.Class() == ClassUnknown {
			t.Errorf("%s has no class", name)
		}
	}
	if n := len(LoadOutcomeNames()); n != 17 {
		t.Errorf("a load has %d outcomes, want the 17 of the design", n)
	}
	for _, name := range []string{"", "ECONNRESET"} {
		if o := ParseOutcome(name); o != NoOutcome || o.Class() != ClassUnknown {
			t.Errorf("%q is the outcome %v", name, o)
		}
	}
}
