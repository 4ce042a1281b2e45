package record

import (
	"slices"
	"strings"
	"testing"
)

func TestRedactCommand(t *testing.T) {
	for _, tt := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"lastack", "run", "127.0.0.1:80", "--close", "client:rst"}, []string{"lastack", "run", "127.0.0.1:80", "--close", "client:rst"}},
		{[]string{"-H", "Authorization: Bearer s3cret"}, []string{"-H", "Authorization: REDACTED"}},
		{[]string{"-H", "Authorization:s3cret"}, []string{"-H", "Authorization: REDACTED"}},
		{[]string{"-H", "authorization: s3cret"}, []string{"-H", "authorization: REDACTED"}},
		{[]string{"--header", "Cookie: a=s3cret; b=s3cret"}, []string{"--header", "Cookie: REDACTED"}},
		{[]string{"--header=X-Api-Key: s3cret"}, []string{"--header=X-Api-Key: REDACTED"}},
		{[]string{"-HProxy-Authorization: Basic s3cret"}, []string{"-HProxy-Authorization: REDACTED"}},
		{[]string{"-H=Set-Cookie: s3cret"}, []string{"-H=Set-Cookie: REDACTED"}},
		{[]string{"-qH", "X-Auth-Token: s3cret"}, []string{"-qH", "X-Auth-Token: REDACTED"}},
		{[]string{"-qHX-Amz-Security-Token:s3cret"}, []string{"-qHX-Amz-Security-Token: REDACTED"}},
		{[]string{"-H", "Accept: text/html", "-H", "User-Agent: x"}, []string{"-H", "Accept: text/html", "-H", "User-Agent: x"}},
		{[]string{"http://user:s3cret@web.example:80/"}, []string{"http://REDACTED@web.example:80/"}},
		{[]string{"http://s3cret@web.example/"}, []string{"http://REDACTED@web.example/"}},
		{[]string{"http://user:s3@cret@web.example/"}, []string{"http://REDACTED@web.example/"}},
		{[]string{"http://web.example/@x"}, []string{"http://web.example/@x"}},
		{[]string{"auth:80", "token:8080"}, []string{"auth:80", "token:8080"}},
		{[]string{"--stop", `curl -H "Authorization: Bearer s3cret" -X POST http://web.example/stop`}, []string{"--stop", `curl -H "Authorization: REDACTED" -X POST http://web.example/stop`}},
		{[]string{"--stop", `curl -H 'X-Api-Key:s3cret' http://u:s3cret@web.example`}, []string{"--stop", `curl -H 'X-Api-Key: REDACTED' http://REDACTED@web.example`}},
		{[]string{"--stop", `sh -c "curl -H \"Cookie: it's s3cret\" web.example"`}, []string{"--stop", `sh -c "curl -H \"Cookie: REDACTED\" web.example"`}},
		{[]string{"--stop", `curl -H "Authorization: Digest u=\"x\", r=\"s3cret\"" web.example`}, []string{"--stop", `curl -H "Authorization: REDACTED" web.example`}},
		{[]string{"--exec=app --header=Authorization:s3cret"}, []string{"--exec=app --header=Authorization: REDACTED"}},
	} {
		in := slices.Clone(tt.in)
		if got := RedactCommand(in); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
		if !slices.Equal(in, tt.in) {
			t.Errorf("%q was changed", tt.in)
		}
		if again := RedactCommand(tt.want); !slices.Equal(again, tt.want) {
			t.Errorf("%q: the second time %q", tt.want, again)
		}
	}
}

func TestRedact(t *testing.T) {
	r := sample(t)
	r.Plan.Command = []string{"lastack", "run", "-H", "Authorization: s3cret"}
	r.Plan.Groups = []Group{{Headers: []string{"Cookie: s3cret", "Accept: */*"}}}
	r.Drain = &Drain{
		Stop: DrainStop{Command: []string{"curl", "-H", "X-Api-Key: s3cret"}, Restart: []string{"app", "--url", "http://u:s3cret@web.example"}},
		Tries: []DrainTry{{
			Server:  DrainServer{Said: "GET / HTTP/1.1\nAuthorization: s3cret\nHost: web.example\n"},
			Restart: &DrainRestart{Failed: `"app -H 'Cookie: s3cret'": it ended`},
		}},
	}
	r.Redact()
	b, err := Marshal(r, " ")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "s3cret") {
		t.Errorf("a secret is left in %s", b)
	}
	for _, want := range []string{"Authorization: REDACTED", "Accept: */*", "Host: web.example", "it ended"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is gone from %s", want, b)
		}
	}
}

func FuzzRedactText(f *testing.F) {
	f.Add(`sh -c "curl -H \"Cookie: it's s3cret\" http://a:b@c"` + "\nToken: x")
	f.Fuzz(func(t *testing.T, s string) {
		got := RedactText(s)
		if strings.Count(got, "\n") != strings.Count(s, "\n") && !strings.Contains(s, "\r") {
			t.Errorf("lines of %q are lost in %q", s, got)
		}
		if again := RedactText(got); again != got {
			t.Errorf("%q: the second time %q, not %q", s, again, got)
		}
	})
}
