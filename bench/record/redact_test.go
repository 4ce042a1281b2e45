package record

import (
	"encoding/json"
	"reflect"
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

// TestRedactLeavesNone fills all strings of a record, those of keys that are still to come too.
func TestRedactLeavesNone(t *testing.T) {
	var r Run
	n := 0
	fill(t, reflect.ValueOf(&r).Elem(), &n)
	if n < 100 {
		t.Fatalf("only %d strings are filled", n)
	}
	r.Redact()
	for _, at := range leaks(reflect.ValueOf(r), "Run") {
		t.Errorf("a secret is left in %s", at)
	}
	b, err := json.Marshal(&r)
	if err != nil || strings.Contains(string(b), "s3cret") {
		t.Errorf("it is encoded, %v: %s", err, b)
	}
}

// fill has all strings in v hold a secret, counts them in n, and has all lists, maps and pointers hold one element.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		*n++
		v.SetString("x -H 'Authorization: s3cret'")
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(t, f, n)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), n)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, n)
		fill(t, value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Array, reflect.Interface:
		t.Fatalf("%v is neither filled nor redacted", v.Type())
	}
}

// leaks lists where in v a secret is.
func leaks(v reflect.Value, at string) (all []string) {
	switch v.Kind() {
	case reflect.String:
		if strings.Contains(v.String(), "s3cret") {
			return []string{at}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				all = append(all, leaks(v.Field(i), at+"."+v.Type().Field(i).Name)...)
			}
		}
	case reflect.Pointer:
		return leaks(v.Elem(), at)
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, leaks(v.Index(i), at+"[]")...)
		}
	case reflect.Map:
		for key, value := range v.Seq2() {
			all = append(append(all, leaks(key, at+" (key)")...), leaks(value, at+"[]")...)
		}
	}
	return all
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
