package main

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestWithoutMessages(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"one record", `{"a":1}`, `{"a":1}`},
		{"messages around records", "lastack: one\n{\n \"lastack: no\": 2\n}\nlastack: two\n{}\nlastack: cut off", "{\n \"lastack: no\": 2\n}\n{}\n"},
		{"long lines", "lastack: " + long + "\n{" + long + "}\nlastack: " + long, "{" + long + "}\n"},
		{"somebody else's", "oops: killed\n{}\n", "oops: killed\n{}\n"},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(tc.in), "by bytes": iotest.OneByteReader(strings.NewReader(tc.in))} {
			got, err := io.ReadAll(newWithoutMessages(r))
			if err != nil || string(got) != tc.want {
				t.Errorf("%s, %s: %d bytes %.80q, %v; want %d bytes %.80q", tc.name, name, len(got), got, err, len(tc.want), tc.want)
			}
		}
	}
	broken := io.MultiReader(strings.NewReader("{}\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if got, err := io.ReadAll(newWithoutMessages(broken)); string(got) != "{}\n" || err == nil {
		t.Errorf("a broken stream gives %q, %v; want its record and the error", got, err)
	}
}
