package quantity

import (
	"math"
	"testing"
)

func TestQuantities(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Count(0), "0"},
		{Count(999), "999"},
		{Count(1000), "1,000"},
		{Count(28232), "28,232"},
		{Count(-100), "-100"},
		{Count(-1000), "-1,000"},
		{Count(-1234567), "-1,234,567"},
		{Count(math.MinInt64), "-9,223,372,036,854,775,808"},
		{PerSecond(0), "0.0"},
		{PerSecond(9.96), "10.0"},
		{PerSecond(16.7), "16.7"},
		{PerSecond(999.94), "999.9"},
		{PerSecond(999.96), "1,000"},
		{PerSecond(12345.6), "12,346"},
		{Micros(0), "0 s"},
		{Micros(0.001), "1 ns"},
		{Micros(0.45), "450 ns"},
		{Micros(0.9994), "999 ns"},
		{Micros(0.9996), "1.00 µs"},
		{Micros(1), "1.00 µs"},
		{Micros(9.996), "10.0 µs"},
		{Micros(12.345), "12.3 µs"},
		{Micros(412.7), "413 µs"},
		{Micros(999.4), "999 µs"},
		{Micros(999.6), "1.00 ms"},
		{Micros(8123.4), "8.12 ms"},
		{Micros(45_678), "45.7 ms"},
		{Micros(999_000), "999 ms"},
		{Micros(999_700), "1.00 s"},
		{Micros(59_949_999), "59.9 s"},
		{Micros(754e6), "754 s"},
		{Micros(3.6e9), "3,600 s"},
		{Micros(1e300), "1.0e+294 s"},
		{Seconds(0.0015), "1.50 ms"},
		{Share(0, 10), "0 %"},
		{Share(10, 10), "100 %"},
		{Share(1, 0), ""},
		{Share(1, 1e6), "< 0.01 %"},
		{Share(1e6-1, 1e6), "> 99.99 %"},
		{Share(1, 3), "33.33 %"},
		{Share(4, 2), "200.00 %"},
		{Usage(1, 0), ""},
		{Usage(1, 1e6), "< 0.1 %"},
		{Usage(99_999, 100_000), "99.9 %"},
		{Usage(129, 128), "100.8 %"},
		{Bytes(0), "0 B"},
		{Bytes(1023), "1,023 B"},
		{Bytes(1024), "1.00 KiB"},
		{Bytes(1 << 20), "1.00 MiB"},
		{Bytes(25276514304), "23.5 GiB"},
		{Bytes(math.MaxInt64), "8,388,608 TiB"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestPlural(t *testing.T) {
	for n, want := range map[int64]string{0: "many", 1: "one", 2: "many", 1<<32 + 1: "many", -1: "many"} {
		if got := Plural(n, "one", "many"); got != want {
			t.Errorf("Plural(%d) is %s, want %s", n, got, want)
		}
	}
}

// TestSince tells points of time apart that are a millisecond apart, however late.
func TestSince(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0 s", 0.0123: "+12.3 ms", -0.0005: "-500 µs", 0.9994: "+999 ms", 0.9996: "+1.000 s",
		1.2344: "+1.234 s", 1.2356: "+1.236 s", 12.345: "+12.345 s", -100.001: "-100.001 s", 3600: "+3600.000 s",
	} {
		if got := Since(s); got != want {
			t.Errorf("Since(%v) = %q, want %q", s, got, want)
		}
	}
}
