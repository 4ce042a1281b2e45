package exchange

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

func TestAppendRequest(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		close   bool
		want    string
	}{
		{"plain", nil, false, "GET /a HTTP/1.1\r\nHost: 10.0.0.1:80\r\nUser-Agent: lastack\r\nConnection: keep-alive\r\n\r\n"},
		{"closing", nil, true, "GET /a HTTP/1.1\r\nHost: 10.0.0.1:80\r\nUser-Agent: lastack\r\nConnection: close\r\n\r\n"},
		{"own", []string{"host: example.org", "X: y", "User-Agent: me"}, false, "GET /a HTTP/1.1\r\nhost: example.org\r\nX: y\r\nUser-Agent: me\r\nConnection: keep-alive\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := AppendRequest([]byte("before"), "10.0.0.1:80", "/a", tt.headers, tt.close)
			if diff := cmp.Diff("before"+tt.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			v := readRequest(t, got[len("before"):], whole)
			if diff := cmp.Diff(verdict{Complete: true, Consumed: len(tt.want), Keep: !tt.close}, v); diff != "" {
				t.Errorf("parsed: -want +got:\n%s", diff)
			}
			req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(got[len("before"):])))
			if err != nil || req.Close != tt.close {
				t.Errorf("ReadRequest: close %v, error %v", req.Close, err)
			}
		})
	}
}

func TestReplyBytes(t *testing.T) {
	for _, close := range []bool{false, true} {
		connection := map[bool]string{false: "keep-alive", true: "close"}[close]
		msg := httpReply(close)
		want := "HTTP/1.1 200 OK\r\nServer: lastack\r\nContent-Type: text/plain\r\nContent-Length: 8\r\nConnection: " + connection + "\r\n\r\nlastack\n"
		if diff := cmp.Diff(want, string(msg)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if diff := cmp.Diff(verdict{Complete: true, Consumed: len(msg), Status: 200, Keep: !close}, readReply(t, msg, whole)); diff != "" {
			t.Errorf("%s: parsed: -want +got:\n%s", connection, diff)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(msg)), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != body || resp.Close != close {
			t.Errorf("%s: ReadResponse: body %q, close %v, error %v", connection, got, resp.Close, err)
		}
	}
}

func TestCheckHeader(t *testing.T) {
	for _, s := range []string{"A: b", "A:", "X-Y_z: a\tb: c", "Host: example.org", "accept: \u00e9"} {
		if err := checkHeader(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		"", "A", ": b", "A : b", " A: b", "A b: c", "A: b\r\nC: d", "A: b\n", "A: \x00", "A: \x7f",
		"Content-Length: 1", "transfer-encoding: chunked", "CONNECTION: close", "Upgrade: h2c", "Trailer: A", "Expect: 100-continue", "Keep-Alive: timeout=5",
	} {
		e, ok := errors.AsType[*sockstate.ValueError](checkHeader(s))
		if !ok || e.Name != "header" || e.Value != strconv.Quote(HeaderName(s)) {
			t.Errorf("%q: %v, want a refusal of the header", s, checkHeader(s))
		}
	}
}

// Of a header that is refused the value is not printed, with or without a colon.
func TestHeaderErrorKeepsSecrets(t *testing.T) {
	for s, want := range map[string]string{
		"Authorization Bearer s3cret": `--header "Authorization ...": want "Name: value"`, "Authorization=s3cret": `--header "Authorization ...": want "Name: value"`,
		"Upgrade: s3cret": `--header "Upgrade": Upgrade is set by lastack itself: it decides where messages and connections end`,
		"X-Pin: s3cret\n": `--header "X-Pin": a value has no control characters, line ends included`, "A": `--header "A": want "Name: value"`,
		"eyJhbGciOiJIUzI1NiJ9.s3cret": `--header "eyJhbGciOiJIUzI1NiJ9 ...": want "Name: value"`,
	} {
		if err := checkHeader(s); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", s, err, want)
		}
	}
}

// What passes checkHeader can break neither the request nor its framing.
func FuzzCheckHeader(f *testing.F) {
	f.Add("A: b")
	f.Add("Host: x")
	f.Add("Content-Length: 5")
	f.Add("A: b\r\n\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		if checkHeader(s) != nil || len(s) > 4096 {
			return
		}
		req := AppendRequest(nil, "x", "/", []string{s}, false)
		want := verdict{Complete: true, Consumed: len(req), Keep: true}
		if diff := cmp.Diff(want, readRequest(t, req, whole)); diff != "" {
			t.Errorf("%q: -want +got:\n%s", s, diff)
		}
	})
}
