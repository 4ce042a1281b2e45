package host

import "testing"

func TestUsablePorts(t *testing.T) {
	tests := []struct {
		low, high int
		reserved  string
		want      int
		err       string
	}{
		{32768, 60999, "", 28232, ""},
		{40000, 40999, "40010-40019,50000", 990, ""},
		{40000, 40999, "39990-40009,40005,40990-65535\n", 980, ""},
		{1, 65535, "1-65535", 0, ""},
		{7, 7, "", 1, ""},
		{7, 6, "", 0, "7 to 6 is not a range of ports"},
		{0, 65536, "", 0, "0 to 65536 is not a range of ports"},
		{1, 2, "x", 0, `reserved ports "x": "x" is not a port`},
		{1, 2, "9-8", 0, `reserved ports "9-8": "9-8" is not a range`},
		{1, 2, "1-65536", 0, `reserved ports "1-65536": "1-65536" is not a range`},
	}
	for _, tt := range tests {
		got, err := usablePorts(tt.low, tt.high, 1, tt.reserved)
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if got != tt.want || msg != tt.err {
			t.Errorf("%d to %d less %q: %d, %q; want %d, %q", tt.low, tt.high, tt.reserved, got, msg, tt.want, tt.err)
		}
	}
}

// connect() tries the ports of the first one's parity, and then the others.
func TestFirstPass(t *testing.T) {
	tests := []struct {
		low, high int
		reserved  string
		want      int
	}{
		{32768, 60999, "", 14116},
		{1024, 65535, "", 32256},
		{40000, 40999, "40000-40009,40011", 495},
		{40001, 40010, "40000,40003", 4},
		{7, 7, "", 1},
	}
	for _, tt := range tests {
		f := Facts{Sysctls: map[string]string{"net.ipv4.ip_local_reserved_ports": tt.reserved}}
		if got, err := f.FirstPass(tt.low, tt.high); got != tt.want || err != nil {
			t.Errorf("%d to %d less %q: %d, %v; want %d", tt.low, tt.high, tt.reserved, got, err, tt.want)
		}
	}
}

func FuzzUsablePorts(f *testing.F) {
	for _, s := range []string{"", "8080", "8080,9000-9010", "1-", "-1", "65535-1", ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const low, high = 32768, 60999
		if n, err := usablePorts(low, high, 1, s); err == nil && (n < 0 || n > high-low+1) {
			t.Errorf("%d usable ports of %d", n, high-low+1)
		}
	})
}
