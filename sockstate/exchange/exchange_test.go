package exchange

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := map[string]Spec{
		"none":              {},
		"echo:1,1":          {Kind: Echo, Request: 1, Response: 1},
		"echo:1073741824,7": {Kind: Echo, Request: maxEcho, Response: 7},
		"http:/":            {Kind: HTTP, Path: "/"},
		"http:/a?b=c":       {Kind: HTTP, Path: "/a?b=c"},
	}
	for s, want := range tests {
		got, err := Parse(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: -want +got:\n%s", s, diff)
		}
		if got.String() != s {
			t.Errorf("%q prints as %q", s, got)
		}
	}
	if got, err := Parse("echo:2M,8k"); err != nil || got.String() != "echo:2000000,8000" {
		t.Errorf("echo:2M,8k is %v, %v", got, err)
	}
	for _, s := range []string{
		"echo:k,1", "echo:1kk,1", "echo:1kM,1", "echo:1.5k,1", "echo:1074M,1", "echo:1G,1",
		"", "None", "none:", "echo", "echo:", "echo:1", "echo:1,", "echo:0,1", "echo:-1,1", "echo:1,1073741825", "echo:1,1,1", "echo: 1,1", "echo:99999999999999999999,1", "echo:+5,10", "echo:5,+10", "echo:0x5,1", "echo:1_0,1",
		"http", "http:", "http:a", "http:/a b", "http:/\n", "http:/\x7f", "http:/é", "https:/",
	} {
		if got, err := Parse(s); err == nil || !strings.Contains(err.Error(), help) {
			t.Errorf("%q: %+v, error %v; want an error that lists what is accepted", s, got, err)
		}
	}
}

func TestSpecJSON(t *testing.T) {
	want := []Spec{{}, {Kind: Echo, Request: 1, Response: 2}, {Kind: HTTP, Path: "/a"}}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`["none","echo:1,2","http:/a"]`, string(b)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var got []Spec
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var s Spec
	if err := json.Unmarshal([]byte(`"echo:0,0"`), &s); err == nil {
		t.Error("echo:0,0 was accepted")
	}
}

// What Parse accepts prints as something that parses to the same, and an HTTP path
// makes a request of it that frames.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"none", "echo:1,1", "http:/", "echo:+1,01", "echo:8k,1M"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		spec, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(spec.String())
		if err != nil || again != spec {
			t.Errorf("%q: %+v prints as %q, which is %+v, error %v", s, spec, spec, again, err)
		}
		if spec.Kind == HTTP && len(s) < 4096 {
			req := AppendRequest(nil, "x", spec.Path, nil, true)
			if v := readRequest(t, req, whole); !v.Complete || v.Consumed != len(req) {
				t.Errorf("%q makes a request that is refused: %+v", s, v)
			}
		}
	})
}
