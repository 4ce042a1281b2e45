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
		// A list of secret headers would lack these.
		{[]string{"-H", "X-JWT-Assertion: s3cret", "-H", "DPoP: s3cret", "-HX-Access-Key: s3cret"}, []string{"-H", "X-JWT-Assertion: REDACTED", "-H", "DPoP: REDACTED", "-HX-Access-Key: REDACTED"}},
		{[]string{"-H", "X-Passphrase: s3cret", "-H", "X-OTP:s3cret", "--header=X-Pin: s3cret"}, []string{"-H", "X-Passphrase: REDACTED", "-H", "X-OTP: REDACTED", "--header=X-Pin: REDACTED"}},
		{[]string{"-H", "X-SSO: s3cret", "-H", "X-Client-Cert: s3cret", "-H", "X-Our-Own: s3cret"}, []string{"-H", "X-SSO: REDACTED", "-H", "X-Client-Cert: REDACTED", "-H", "X-Our-Own: REDACTED"}},
		{
			[]string{"-H", "Host: web.example", "-H", "Range: bytes=0-9", "-H", "If-None-Match: \"x\"", "-H", "Referer: http://web.example/?token=s3cret&page=2"},
			[]string{"-H", "Host: web.example", "-H", "Range: bytes=0-9", "-H", "If-None-Match: \"x\"", "-H", "Referer: http://web.example/?token=REDACTED&page=2"},
		},
		{[]string{"--stop", `curl -H "X-Our-Own: s3cret" -H 'Accept: text/html' web.example`}, []string{"--stop", `curl -H "X-Our-Own: REDACTED" -H 'Accept: text/html' web.example`}},
		// Parameters of a query.
		{[]string{"http://web.example/?token=s3cret"}, []string{"http://web.example/?token=REDACTED"}},
		{[]string{"--exchange", "http:/a?page=2&api_key=s3cret&sig=s3cret#x"}, []string{"--exchange", "http:/a?page=2&api_key=REDACTED&sig=REDACTED"}},
		{[]string{"--exchange=http:/a?X-Amz-Signature=s3cret&accessKey=s3cret&signal=9"}, []string{"--exchange=http:/a?X-Amz-Signature=REDACTED&accessKey=REDACTED&signal=9"}},
		// Variables and flags of commands.
		{[]string{"--exec", "env TOKEN=s3cret DB_PASSWORD='s3cret s3cret' PORT=80 app --password=s3cret --port=80"}, []string{"--exec", "env TOKEN=REDACTED DB_PASSWORD=REDACTED PORT=80 app --password=REDACTED --port=80"}},
		{[]string{"--stop", `SECRET="s3cret" ./stop --auth-token s3cret --now`}, []string{"--stop", `SECRET=REDACTED ./stop --auth-token REDACTED --now`}},
		// Whether the quoted is one value or a command cannot be told.
		{[]string{"--exec", "sh -c 'API_KEY=s3cret exec app' -q"}, []string{"--exec", "sh -c 'API_KEY=REDACTED' -q"}},
		{[]string{"--also", `sh -c "KEY=a\"s3cret\" exec app"`, "--restart=env 'PASS=s3cret s3cret' app"}, []string{"--also", `sh -c "KEY=REDACTED"`, "--restart=env 'PASS=REDACTED' app"}},
		{[]string{"env", "TOKEN=s3cret s3cret;&\ns3cret", "app", "--token", "s3cret s3cret", "--sid=s3cret s3cret", "-password", "s3cret"}, []string{"env", "TOKEN=REDACTED", "app", "--token", "REDACTED", "--sid=REDACTED", "-password", "REDACTED"}},
		{[]string{"app", "--session", "--port", "80", "--ping=3", "--pinned", "x", "monkey=2"}, []string{"app", "--session", "--port", "80", "--ping=3", "--pinned", "x", "monkey=2"}},
		{[]string{"curl", "-u", "name:s3cret", "--stop", "curl -u name:s3cret web.example"}, []string{"curl", "-u", "name:REDACTED", "--stop", "curl -u name:REDACTED web.example"}},
		{[]string{"curl", "-d", `{"user": "x", "token": "s3cret", "pin":"s3cret"}`}, []string{"curl", "-d", `{"user": "x", "token": REDACTED, "pin":REDACTED}`}},
		// What is none.
		{[]string{"lastack", "run", "--threshold", "failed==0", "--signal", "HUP", "--sysctl", "net.ipv4.tcp_tw_reuse=1"}, []string{"lastack", "run", "--threshold", "failed==0", "--signal", "HUP", "--sysctl", "net.ipv4.tcp_tw_reuse=1"}},
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

// What a server says is kept, but for lines that look like secret headers.
func TestRedactKeepsMessages(t *testing.T) {
	for _, s := range []string{
		"listening on 127.0.0.1:80", "no such key: web", "tests pass: 3", "error: open /x: permission denied", "X-Our-Own: y", "HISTFAAAauth==", "tokens=", "a=b", `--header "X-Pin": needs`, `"token": it ended`,
		`"lastack run -c 3": it ended`, "- key is missing", "--sysctl net.ipv4.no_such_key: this kernel has none", "--source with more addresses", "/etc/passwd: not a run record", "open /run/secret: no such file",
	} {
		if got := RedactText(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	for s, want := range map[string]string{
		"x-pin: 1\nnext": "x-pin: REDACTED\nnext", "DPoP: 1": "DPoP: REDACTED", `error: TOKEN=1, then`: `error: TOKEN=REDACTED, then`,
		`"sh -c \"TOKEN=1 app\"": it ended`: `"sh -c \"TOKEN=REDACTED\"": it ended`, `{\"token\":\"1\",\"x\":2}`: `{\"token\":REDACTED\",\"x\":2}`,
	} {
		if got := RedactText(s); got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
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
	case reflect.Interface: // a finding's argument: a word, or a list of them
		*n += 2
		v.Set(reflect.ValueOf([]any{"x -H 'Authorization: s3cret'", []any{"x -H 'Authorization: s3cret'"}}))
	case reflect.Array:
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
	case reflect.Pointer, reflect.Interface:
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

// TestRedactLinear has texts for which a search from each name to the end takes many times as long.
func TestRedactLinear(t *testing.T) {
	for _, s := range []string{`key="`, `key='`, `key="` + "\n", `key=\"`, `key=a\"b`, `"key" : `, "--key ", "-key", "key=", "X-Key: ", "x: ", "Cookie:", "-H 'a: ", `"`, "://a@", "-u a:"} {
		s = strings.Repeat(s, 1<<18/len(s))
		if got := RedactText(s); len(got) > 4*len(s) {
			t.Errorf("%.20q grew to %d bytes", s, len(got))
		}
	}
}

func FuzzRedactText(f *testing.F) {
	f.Add(`env TOKEN='s3cret' "PASS=a b" app --key "x" -u a:b {"pin": "1"} http://x/?sig=1&a=2`)
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
