package sockstate

import "testing"

func TestFaults(t *testing.T) {
	seen := make(map[string]bool)
	for f := NoFault + 1; int(f) < NumFaults; f++ {
		name := f.String()
		if name == "" || seen[name] {
			t.Errorf("fault %d is named %q, which is empty or another's", f, name)
		}
		seen[name] = true
		if ParseFault(name) != f {
			t.Errorf("ParseFault(%q) = %v", name, ParseFault(name))
		}
	}
	if f := ParseFault("ECONNRESET"); f != NoFault {
		t.Errorf("an errno is the fault %v", f)
	}
}
