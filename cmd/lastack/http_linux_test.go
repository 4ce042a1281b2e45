package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// speaker is a server on loopback that reads something and then says what it is told.
func speaker(t *testing.T, says string) string {
	t.Helper()
	target, _ := talker(t, says, true)
	return target
}

// talker says it, whether it was asked or not. late tells that it could speak on its first connection only when that had been reset.
func talker(t *testing.T, says string, asked bool) (target string, late func() bool) {
	t.Helper()
	first := make(chan error, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; ; i++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				if asked {
					if _, err := c.Read(make([]byte, 4096)); err != nil {
						return
					}
				}
				_, err := io.WriteString(c, says)
				if i == 0 {
					first <- err
				}
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		all.Wait()
	})
	return ln.Addr().String(), func() bool { return <-first != nil }
}

// toTalker does what meets a server that speaks first, again where the machine was too busy for the server to speak in time.
func toTalker(t *testing.T, says string, do func(target string)) {
	t.Helper()
	for {
		target, late := talker(t, says, false)
		if do(target); !late() {
			return
		}
		t.Logf("%s could not speak in time", target)
	}
}

// web is net/http's own server, answering as h does.
func web(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().String()
}

// saved is the part of a record that these tests look at.
type saved struct {
	Outcomes, HTTP   map[string]int64
	Errnos           map[string]int64
	Greetings        map[string]string
	ExchangeErrors   map[string]int64  `json:"exchange_errors"`
	ExchangeExamples map[string]string `json:"exchange_examples"`
	Verdict          struct {
		Valid           bool
		Reasons, Advice []string
	}
}

// load runs n lifecycles of HTTP against target.
func load(t *testing.T, target string, args ...string) (ended, saved) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run.json")
	got := lastack(t, append([]string{"run", target, "-c", "2", "-n", "50", "-q", "--exchange", "http:/x", "-o", file}, args...)...)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; %s", err, got.stderr)
	}
	var r saved
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return got, r
}

// Replies other than 2xx are seen: in the record, on the page, in the verdict and by a threshold.
func TestStatusesAreSeen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		class  string
		advice string
	}{
		{"not found", 404, "4xx", "ask for a page that is there"},
		{"moved", 301, "3xx", "ask for the page that the redirect leads to"},
		{"failed", 503, "5xx", "look into the target's log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := web(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.status) })
			got, r := load(t, target, "--threshold", "http_"+tt.class+"==0", "--threshold", "http_2xx==0")
			if r.HTTP[tt.class] != 50 || len(r.HTTP) != 1 {
				t.Errorf("http in the record: %v, want 50 %s", r.HTTP, tt.class)
			}
			if want := "HTTP replies: " + tt.class + " 50 (100 %)"; !strings.Contains(got.stdout, want) {
				t.Errorf("the page does not say %q:\n%s", want, got.stdout)
			}
			if said := strings.Join(strings.Fields(got.stdout), " "); !strings.Contains(said, "MISSED http_"+tt.class+"==0") || !strings.Contains(said, "met http_2xx==0") {
				t.Errorf("the thresholds:\n%s", got.stdout)
			}
			reasons, advice := strings.Join(r.Verdict.Reasons, "\n"), strings.Join(r.Verdict.Advice, "\n")
			if !strings.Contains(reasons, "50 of 50 HTTP replies were not 2xx ("+tt.class+" 50)") || !strings.Contains(advice, tt.advice) {
				t.Errorf("verdict: %q, advice %q", reasons, advice)
			}
		})
	}
	t.Run("2xx", func(t *testing.T) {
		target := web(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
		got, r := load(t, target)
		if r.HTTP["2xx"] != 50 || strings.Contains(got.stdout, "HTTP replies") {
			t.Errorf("http %v, page:\n%s", r.HTTP, got.stdout)
		}
	})
	t.Run("interim", func(t *testing.T) {
		target := web(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(200)
		})
		_, r := load(t, target)
		if r.HTTP["2xx"] != 50 || r.HTTP["1xx"] != 50 {
			t.Errorf("http %v, want 50 each of 1xx and 2xx", r.HTTP)
		}
	})
}

// What is not a reply has a kind instead of an errno that the kernel never gave, an example, and advice.
func TestExchangeErrorsAreNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ kind, says, example, advice string }{
		{"tls", "\x15\x03\x01\x00\x02\x02\x46", `TLS, not plain HTTP: it begins "\x15\x03\x01\x00\x02\x02F"`, "the target speaks TLS"},
		{"ssh", "SSH-2.0-OpenSSH_9.9\r\n", `SSH, not HTTP: it begins "SSH-2.0-OpenSSH_9.9"`, "the target speaks SSH"},
		{"http2", "\x00\x00\x12\x04\x00\x00\x00\x00\x00", `an HTTP/2 frame, not HTTP/1.1: it begins "\x00\x00\x12\x04\x00\x00\x00\x00\x00"`, "the target speaks HTTP/2"},
		{"conflicting_length", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "more than one Content-Length", "RFC 9112"},
		{"header_too_large", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 70_000) + "\r\n\r\n", "HTTP header section longer than 64 KiB", "64 KiB of a reply that lastack reads, its own limit"},
		{"bad_coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding other than a single chunked, or in HTTP/1.0", "that lastack does not read"},
		{"bad_chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 300) + "\r\n", "malformed chunk", "or its size line is longer than lastack reads"},
		{
			"bad_status_line", "HTTP/1.1 100 X\r\nContent-Length: 5\r\n\r\nhello",
			"no reply after an interim reply (1xx): an interim reply has no body, and a final status is 200 or above", "RFC 9112",
		},
		{"bad_status", "HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n", `HTTP status code outside 100 to 599: it begins "HTTP/1.1 999 x"`, "RFC 9112"},
		{"surplus", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "bytes after the end of the reply", "sends more than it was asked for"},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			got, r := load(t, speaker(t, tt.says))
			if r.Outcomes["other"] != 50 || r.ExchangeErrors[tt.kind] != 50 || len(r.ExchangeErrors) != 1 || len(r.Errnos) != 0 {
				t.Errorf("outcomes %v, exchange_errors %v, errnos %v; want 50 other, all %s", r.Outcomes, r.ExchangeErrors, r.Errnos, tt.kind)
			}
			if got := r.ExchangeExamples[tt.kind]; got != tt.example {
				t.Errorf("example %q, want %q", got, tt.example)
			}
			if !strings.Contains(got.stdout, tt.kind+" 50") || !strings.Contains(got.stdout, tt.kind+", the first: ") {
				t.Errorf("the page does not name it:\n%s", got.stdout)
			}
			if !strings.Contains(strings.Join(r.Verdict.Advice, "\n"), tt.advice) {
				t.Errorf("advice %q does not say %q", r.Verdict.Advice, tt.advice)
			}
		})
	}
}

// A server that says as soon as it has accepted what looks like a reply has answered nothing.
func TestSpeaksFirst(t *testing.T) {
	t.Parallel()
	const canned = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for _, tt := range []struct{ name, says, exchange, begins string }{
		{"http", canned, "http:/", `"HTTP/1.1 200 OK"`},
		{"echo", "x", "echo:1,1", `"x"`},
		{"a greeting", "220 mail ESMTP\r\n", "http:/", `"220 mail ESMTP"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got ended
			var r saved
			var target string
			toTalker(t, tt.says, func(addr string) {
				target = addr
				got, r = load(t, target, "--exchange", tt.exchange)
			})
			if got.code != exitInvalid || r.Verdict.Valid || r.Greetings[target] != tt.begins {
				t.Errorf("exit code %d, valid %v, greetings %q:\n%s", got.code, r.Verdict.Valid, r.Greetings, got.stdout)
			}
			if reasons := strings.Join(r.Verdict.Reasons, "\n"); !strings.Contains(reasons, "the target speaks before it is asked: "+target+" began with "+tt.begins) {
				t.Errorf("reasons %q", reasons)
			}
		})
	}
	t.Run("asked for nothing", func(t *testing.T) {
		target, _ := talker(t, canned, false)
		if _, r := load(t, target, "--exchange", "none"); len(r.Greetings) != 0 || r.Outcomes["fin"] != 50 {
			t.Errorf("outcomes %v, greetings %q", r.Outcomes, r.Greetings)
		}
	})
	t.Run("asked first", func(t *testing.T) {
		if _, r := load(t, speaker(t, canned)); len(r.Greetings) != 0 || r.Outcomes["fin"] != 50 {
			t.Errorf("outcomes %v, greetings %q", r.Outcomes, r.Greetings)
		}
	})
	t.Run("drain", func(t *testing.T) {
		var got ended
		toTalker(t, canned, func(target string) {
			got = lastack(t, "drain", target, "--stop", "true", "--exchange", "http:/", "--after", "100ms", "--watch", "100ms", "-q")
		})
		if got.code != exitError || !strings.Contains(got.stderr, "speaks before it is asked") || !strings.Contains(got.stderr, `it begins "HTTP/1.1 200 OK"`) {
			t.Errorf("exit code %d: %s%s", got.code, got.stdout, got.stderr)
		}
	})
}
