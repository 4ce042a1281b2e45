package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"lastack/bench/quantity"
)

func TestParseCount(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "500": 500, "5k": 5000, "1.5M": 1500000, "2G": 2e9, "1.1M": 1100000, "0.001k": 1, "007": 7, "1.0": 1, ".5k": 500,
		"1000000000000000": 1e15,
	} {
		if got, err := parseCount(s); err != nil || got != want {
			t.Errorf("parseCount(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                 `"" is not a count`,
		"-1":               `"-1" is not a count`,
		"+1":               `"+1" is not a count`,
		"1.5":              `"1.5" is not a count`,
		"1.2345k":          `"1.2345k" is not a count`,
		"5K":               `"5K" is not a count`,
		"5 k":              `"5 k" is not a count`,
		"k":                `"k" is not a count`,
		".":                `"." is not a count`,
		"1..2":             `"1..2" is not a count`,
		"1e3":              `"1e3" is not a count`,
		"0x10":             `"0x10" is not a count`,
		"inf":              `"inf" is not a count`,
		"1_000":            `"1_000" is not a count`,
		"1000000000000001": `"1000000000000001" is too large: want at most 1000000000000000`,
		"9999999999M":      `"9999999999M" is too large`,
	} {
		if got, err := parseCount(s); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("parseCount(%q) = %d, %v, want %q", s, got, err, want)
		}
	}
}

func TestParseRate(t *testing.T) {
	for s, want := range map[string][2]float64{
		"0": {}, "500": {500, 500}, "5k": {5000, 5000}, "0.5": {0.5, 0.5}, "1k..20k": {1000, 20000}, "20k..1k": {20000, 1000}, "0..1k": {0, 1000},
	} {
		if from, to, err := parseRate(s); err != nil || from != want[0] || to != want[1] {
			t.Errorf("parseRate(%q) = %v, %v, %v, want %v", s, from, to, err, want)
		}
	}
	for s, want := range map[string]string{
		"":        `"" is not a rate`,
		"-5":      `"-5" is not a rate`,
		"5k/s":    `"5k/s" is not a rate`,
		"1k..":    `"1k.." is not a rate`,
		"1..2..3": `"1..2..3" is not a rate`,
		"1k-2k":   `"1k-2k" is not a rate`,
		"0..0":    `"0..0" never starts a connection`,
		"2000M":   `"2000M" is too fast: want at most 100M`,
	} {
		if from, to, err := parseRate(s); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("parseRate(%q) = %v, %v, %v, want %q", s, from, to, err, want)
		}
	}
}

func FuzzParseCount(f *testing.F) {
	for _, s := range []string{"0", "64", "5k", "1.5M", "-1", "1e9", "k", "999999999999999999999", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseCount(s)
		if err != nil {
			return
		}
		if n < 0 || n > maxCount {
			t.Fatalf("parseCount(%q) = %d", s, n)
		}
		if back, err := parseCount(formatCount(n)); err != nil || back != n {
			t.Fatalf("%q is %d, printed %q, which is %d, %v", s, n, formatCount(n), back, err)
		}
	})
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"0", "500", "1k..20k", "0.001", "..", "1..", "1e9", "0..0", "0.3k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from, to, err := parseRate(s)
		if err != nil {
			return
		}
		if from < 0 || to < 0 || from > maxRate || to > maxRate {
			t.Fatalf("parseRate(%q) = %v, %v", s, from, to)
		}
		if f, b, err := parseRate(formatRate(from, to)); err != nil || f != from || b != to {
			t.Fatalf("%q is %v..%v, printed %q, which is %v..%v, %v", s, from, to, formatRate(from, to), f, b, err)
		}
	})
}

// TestDecimal has every flag that holds a whole number read it as people write it: 010 is ten.
func TestDecimal(t *testing.T) {
	root, _ := newRoot()
	for _, c := range commandsOf(root) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if _, ok := f.Value.(quantity.Decimal); !ok && strings.Contains(f.Value.Type(), "int") {
				t.Errorf("%s --%s is pflag's %s, which takes 010 for 8", c.CommandPath(), f.Name, f.Value.Type())
			}
		})
	}
}

func TestListenAddrs(t *testing.T) {
	for s, want := range map[string]string{
		"127.0.0.1:80": "[127.0.0.1:80]", ":80": "[[::]:80]", "0.0.0.0:80": "[0.0.0.0:80]", "[::]:0": "[[::]:0]", "10.0.0.5:1": "[10.0.0.5:1]",
		"localhost:0": "[127.0.0.1:0]",
	} {
		if got, err := listenAddrs(s); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", s, got, err, want)
		}
	}
	want := "[127.0.0.1:80]"
	if hasIPv6Loopback() {
		want = "[127.0.0.1:80 [::1]:80]"
	}
	if got, err := listenAddrs("localhost:80"); err != nil || fmt.Sprint(got) != want {
		t.Errorf("localhost:80: %v, %v, want %s", got, err, want)
	}
	for s, want := range map[string]string{
		"255.255.255.255:80": "the broadcast address, to which no client can connect", "127.255.255.255:80": "broadcast address", "239.1.1.1:80": "multicast",
		"[ff02::1]:80": "multicast", "240.0.0.1:80": "reserved", "0.0.0.5:80": "no host's address",
		"[fe80::1]:80": "is a link-local address, which lastack does not support: want another address of this host", "web.example:80": "want an IP address", "[::ffff:224.0.0.1]:80": "multicast",
	} {
		if got, err := listenAddrs(s); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--listen "+s) {
			t.Errorf("%s: %v, %v, want %q", s, got, err, want)
		}
	}
}
