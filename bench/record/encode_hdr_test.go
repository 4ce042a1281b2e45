package record

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A timeline's histograms are written as the encoder of JSON writes them, whatever they are.
func TestMarshalHistograms(t *testing.T) {
	t.Parallel()
	interval := func(lifecycle, connect string) Interval {
		return Interval{Lifecycle: &Latency{Count: 1, Hdr: lifecycle}, Connect: &Latency{Count: 1, Hdr: connect}}
	}
	for name, r := range map[string]*Run{
		"none":           {Timeline: []Interval{{}, interval("", "")}},
		"base64":         {Timeline: []Interval{interval("QUJD", "REVG+/=="), {Connect: &Latency{Hdr: "R0hJ"}}}},
		"some are not":   {Timeline: []Interval{interval("QUJD", "\"hdr\": \"#\""), interval("\u202e", "<x>"), interval("#", "QUJD")}},
		"another mark":   {Result: Result{Latency: map[string]Latency{"connect": {Hdr: "#"}}}, Timeline: []Interval{interval("QUJD", "REVG")}},
		"a mark in text": {Warnings: []string{"\"hdr\": \"#\"", "\"hdr\":\"#\""}, Timeline: []Interval{interval("QUJD", "REVG")}},
	} {
		for _, indent := range []string{"", " ", "  "} {
			want, err := marshal(r, indent)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Marshal(r, indent)
			if d := cmp.Diff(string(want), string(got)); d != "" || err != nil {
				t.Errorf("%s, indented by %q: %v %s", name, indent, err, d)
			}
		}
	}
}

func TestIsBase64(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		want := c < 0x80 && strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", rune(c))
		if got := isBase64(string([]byte{byte(c)})); got != want {
			t.Errorf("%#x: %v, want %v", c, got, want)
		}
	}
	if isBase64("") {
		t.Error("nothing is a histogram")
	}
}
