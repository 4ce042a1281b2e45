package quantity

import "testing"

// TestDecimal reads whole numbers as people write them: 010 is ten.
func TestDecimal(t *testing.T) {
	var n int
	for s, want := range map[string]int{"0": 0, "010": 10, "8": 8, "-3": -3, "123456789": 123456789} {
		if err := NewDecimal(&n, 7).Set(s); err != nil || n != want {
			t.Errorf("%q: %d, %v, want %d", s, n, err, want)
		}
	}
	for _, s := range []string{"", "0x10", "1_000", "0b11", "0o7", "+4", "1e3", " 4", "4 ", "99999999999999999999", "four"} {
		if err := NewDecimal(&n, 7).Set(s); err == nil || n != 7 {
			t.Errorf("%q is read as %d", s, n)
		}
	}
}
