package sockstate

import "testing"

func TestValueError(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{BadValue("count", 0, "want at least %d", 1), "--count 0: want at least 1"},
		{BadValue("handover", "", "needs a --restart"), "--handover: needs a --restart"},
		{BadValue("", `unknown exchange "x"`, "want none"), `unknown exchange "x": want none`},
		{BadValue("", "", "all ports are reserved"), "all ports are reserved"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
