package report

import "testing"

func TestNumbers(t *testing.T) {
	tests := []struct{ got, want string }{
		{askedRate(500), "500"},
		{askedRate(0.25), "0.25"},
		{askedTime(10e9), "10 s"},
		{askedTime(1500e6), "1.5 s"},
		{askedTime(300e9), "300 s"},
		{short(12_345, 5), "12345"},
		{short(123_456, 5), "123k"},
		{short(12_345, 4), "12k"},
		{short(1_234_567, 5), "1.23M"},
		{short(1_234_567, 4), "1.2M"},
		{short(0.5, 5), "0.50"},
		{short(-1, 5), "-"},
		{shortMicros(0), "-"},
		{shortMicros(0.2), "1us"},
		{shortMicros(412.4), "412us"},
		{shortMicros(999.7), "1.0ms"},
		{shortMicros(99_960), "100ms"},
		{shortMicros(60.1e6), "60.1s"},
		{elapsed(12.04), "12.0s"},
		{elapsed(86_400), "86400s"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestShell(t *testing.T) {
	if got, want := shell([]string{"a", "", "b c<d", "it's"}), `a '' 'b c<d' 'it'\''s'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
