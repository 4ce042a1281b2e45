package server

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/socktest"
)

// eachBackend runs a test on a server of each backend.
func eachBackend(t *testing.T, test func(t *testing.T, cfg Config)) {
	for _, b := range backends(t) {
		t.Run(b.Name, func(t *testing.T) {
			socktest.Guard(t)
			cfg := config("client:fin", "close", "http:/")
			cfg.Backend = b
			test(t, cfg)
		})
	}
}

// What is not a request, or not one that the server takes, has a reply that says so, and the connection ends after it, in order.
func TestHTTPRefusals(t *testing.T) {
	long := strings.Repeat("a", 70_000)
	tests := []struct {
		name, say string
		status    int
	}{
		{"rubbish", "\x00\x01rubbish\r\n\r\n", 400},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"HTTP/0.9", "GET /\r\n", 400},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
		{"length and coding", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		{"a bad length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
		{"a bad chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
		{"an unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
		{"folded", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
		{"bare CR", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", 400},
		{"space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
		{"not a version", "GET / FTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{"HTTP/3.1", "GET / HTTP/3.1\r\nHost: x\r\n\r\n", 505},
		{"a header too large", "GET / HTTP/1.1\r\nHost: x\r\nA: " + long + "\r\n\r\n", 431},
		{"a target too long", "GET /" + long + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
		{"HEAD", "HEAD / HTTP/1.1\r\n\r\n", 400},
		{"with much behind it", "rubbish\r\n" + strings.Repeat(long, 20), 400},
		{"behind a request", get + "rubbish\r\n\r\n" + get, 400},
	}
	eachBackend(t, func(t *testing.T, cfg Config) {
		s := start(t, cfg)
		for i, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				c := dial(t, s)
				// The server may answer, and shut down, before all of it is sent.
				var sent sync.WaitGroup
				sent.Go(func() { c.say(tt.say) })
				defer sent.Wait()
				if strings.HasPrefix(tt.say, get) {
					c.reply(http.MethodGet)
				}
				method, _, _ := strings.Cut(tt.say, " ")
				r, err := http.ReadResponse(c.r, &http.Request{Method: method})
				if err != nil {
					t.Fatalf("no reply: %v", err)
				}
				b, err := io.ReadAll(r.Body)
				if err != nil {
					t.Fatal(err)
				}
				if r.StatusCode != tt.status || !r.Close || r.ContentLength <= 0 {
					t.Errorf("status %d, closes: %v, length %d; want %d, true and one", r.StatusCode, r.Close, r.ContentLength, tt.status)
				}
				if (len(b) > 0) == (method == http.MethodHead) {
					t.Errorf("%d bytes of a body", len(b))
				}
				c.eof()
				sent.Wait()
				_ = c.Close()
				if st := settled(t, s, int64(i+1), 0); st.Outcomes[sockstate.OutcomeBadRequest] != int64(i+1) {
					t.Errorf("outcomes %v", st.ByName())
				}
			})
		}
		if st := s.Stats(); st.Requests != 1 { // the one before what is none
			t.Errorf("%d requests answered, want 1", st.Requests)
		}
	})
}

// A client that goes on sending, and never closes, is not read from for ever.
func TestRefusedClientsAreLeft(t *testing.T) {
	eachBackend(t, func(t *testing.T, cfg Config) {
		s := start(t, cfg)
		c := dial(t, s)
		c.say("rubbish\r\n")
		c.eof()
		settled(t, s, 1, 0)
	})
}

func TestHTTPContinue(t *testing.T) {
	const interim = "HTTP/1.1 100 Continue\r\n\r\n"
	eachBackend(t, func(t *testing.T, cfg Config) {
		s := start(t, cfg)
		c := dial(t, s)
		// Whoever waits for it would wait for ever without it.
		for _, tt := range []struct{ header, body string }{
			{"Content-Length: 5", "hello"},
			{"Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"},
		} {
			c.say("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + tt.header + "\r\n\r\n")
			b := make([]byte, len(interim))
			if _, err := io.ReadFull(c.r, b); err != nil || string(b) != interim {
				t.Fatalf("%s: %q, %v; want %q", tt.header, b, err, interim)
			}
			c.say(tt.body)
			c.reply(http.MethodPost)
		}
		// Nobody waits here.
		c.say("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
		c.reply(http.MethodPost)
		c.say("GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n")
		c.reply(http.MethodGet)
		c.say("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		c.say("hello")
		c.reply(http.MethodPost)
		c.eof()
		if st := s.Stats(); st.Requests != 5 {
			t.Errorf("%d requests answered, want 5", st.Requests)
		}
	})
}

// One that is cut while it waits is a request cut.
func TestHTTPContinueThenNothing(t *testing.T) {
	eachBackend(t, func(t *testing.T, cfg Config) {
		s := start(t, cfg)
		c := dial(t, s)
		c.say("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		c.hear(len("HTTP/1.1 100 Continue\r\n\r\n"))
		_ = c.CloseWrite()
		c.eof()
		if st := settled(t, s, 1, 0); st.Outcomes[sockstate.OutcomeCutInRequest] != 1 {
			t.Errorf("outcomes %v", st.ByName())
		}
	})
}

func TestHTTPEmptyLines(t *testing.T) {
	eachBackend(t, func(t *testing.T, cfg Config) {
		s := start(t, cfg)
		c := dial(t, s)
		c.say("\r\n" + get + "\r\n")
		c.reply(http.MethodGet)
		c.say("\r\n" + get + "\r\n\r\n")
		c.reply(http.MethodGet)
		_ = c.CloseWrite()
		c.eof()
		if st := settled(t, s, 1, 0); st.Outcomes[sockstate.OutcomeFIN] != 1 {
			t.Errorf("an empty line behind the last request: %v, want it no request cut", st.ByName())
		}
	})
}

// pipeline writes requests without waiting for replies, until it is stopped or the connection fails.
func pipeline(c net.Conn, stop <-chan struct{}) {
	batch := strings.Repeat(get, 64<<10/len(get))
	for {
		select {
		case <-stop:
			return
		default:
			if _, err := io.WriteString(c, batch); err != nil {
				return
			}
		}
	}
}

// Clients that pipeline without an end keep nobody out, whether they read their replies or not.
func TestPipeliningStarvesNobody(t *testing.T) {
	for name, reads := range map[string]bool{"reading": true, "not reading": false} {
		t.Run(name, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, cfg Config) {
				s := start(t, cfg)
				stop := make(chan struct{})
				var all sync.WaitGroup
				for range 20 {
					c := dial(t, s)
					all.Go(func() { pipeline(c, stop) })
					if reads {
						all.Go(func() { _, _ = io.Copy(io.Discard, c.r) })
					}
					defer c.Close()
				}
				for s.Stats().Requests < 1000 {
					time.Sleep(time.Millisecond)
				}
				for range 50 {
					c := dial(t, s)
					c.say(get)
					c.reply(http.MethodGet)
					c.abort()
				}
				close(stop)
				if _, err := s.Stop(); err != nil { // which ends writes that nobody reads, too
					t.Error(err)
				}
				all.Wait()
			})
		})
	}
}

// What a pipelined request costs does not depend on how many are behind it.
func TestPipeliningIsLinear(t *testing.T) {
	eachBackend(t, func(t *testing.T, cfg Config) {
		const requests = 20_000 // 560 kB
		s := start(t, cfg)
		c := dial(t, s)
		var before, after runtime.MemStats
		in := strings.Repeat(get, requests)
		runtime.ReadMemStats(&before)
		var both sync.WaitGroup
		both.Go(func() {
			c.say(in)
			_ = c.CloseWrite()
		})
		both.Go(c.eof)
		both.Wait()
		runtime.ReadMemStats(&after)
		if st := settled(t, s, 1, 0); st.Requests != requests {
			t.Errorf("%d requests answered, want %d", st.Requests, requests)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
			t.Errorf("%d MB were allocated for %d kB of requests", got>>20, len(in)>>10)
		}
	})
}
