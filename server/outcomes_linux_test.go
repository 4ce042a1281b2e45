package server

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/socktest"
)

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// Each policy and reaction against clients that behave, and that do not.
func TestOutcomes(t *testing.T) {
	type counts = map[string]int64
	for _, tc := range []struct {
		name             string
		policy, onEOF, x string
		change           func(c *Config)
		client           func(c *client)
		want             counts
		open, asked      int64 // connections that stay open, requests answered
	}{
		// The client closes first.
		{name: "client:fin, nothing exchanged", x: "none", client: func(c *client) { c.say("whatever"); _ = c.CloseWrite(); c.eof() }, want: counts{"fin": 1}},
		{name: "client:fin, aborted", x: "none", client: func(c *client) { c.abort() }, want: counts{"rst_received": 1}},
		{name: "client:fin, echo", client: func(c *client) { c.say("x"); c.hear(1); _ = c.CloseWrite(); c.eof() }, want: counts{"fin": 1}, asked: 1},
		{name: "client:fin, two echoes", client: func(c *client) { c.say("x"); c.hear(1); c.say("x"); c.hear(1) }, want: counts{"fin": 1}, asked: 2},
		{name: "client:fin, two echoes at once", client: func(c *client) { c.say("xx"); c.hear(2) }, want: counts{"fin": 1}, asked: 2},
		{name: "client:fin, without a request", client: func(*client) {}, want: counts{"fin": 1}},
		{name: "client:rst", policy: "client:rst", client: func(c *client) { c.say("x"); c.hear(1); c.abort() }, want: counts{"rst_received": 1}, asked: 1},
		{name: "half a request, then EOF", x: "echo:10,1", client: func(c *client) { c.say("12345"); _ = c.CloseWrite(); c.eof() }, want: counts{"cut_in_request": 1}},
		{name: "half a request, then RST", x: "echo:10,1", client: func(c *client) { c.say("12345"); c.abort() }},
		{name: "half the reply read, then RST", x: "echo:1,50000000", client: func(c *client) { c.say("1"); c.hear(100_000); c.abort() }, want: counts{"cut_in_request": 1}},
		{name: "gone before the answer", change: func(c *Config) { c.Delay = 50 * time.Millisecond }, client: func(c *client) { c.say("x"); c.abort() }, want: counts{"cut_in_request": 1}},

		{name: "on-eof=delay", onEOF: "delay=50ms", client: func(c *client) {
			began := time.Now()
			_ = c.CloseWrite()
			c.eof()
			if d := time.Since(began); d < 50*time.Millisecond {
				c.t.Errorf("it closed after %v", d)
			}
		}, want: counts{"fin": 1}},
		{name: "on-eof=rst", onEOF: "rst", client: func(c *client) { _ = c.CloseWrite(); c.aborted() }, want: counts{"rst_sent": 1}},
		{name: "on-eof=never", onEOF: "never", client: func(c *client) { c.say("x"); c.hear(1); _ = c.CloseWrite() }, open: 1, asked: 1, want: counts{}},
		{name: "never, the client closes", policy: "never", client: func(c *client) { c.say("x"); c.hear(1); _ = c.CloseWrite(); c.eof() }, want: counts{"fin": 1}, asked: 1},

		// The server closes first.
		{name: "server:fin, nothing exchanged", policy: "server:fin", x: "none", client: (*client).eof, want: counts{"fin": 1}},
		{name: "server:fin", policy: "server:fin", client: func(c *client) { c.say("x"); c.hear(1); c.eof() }, want: counts{"fin": 1}, asked: 1},
		{name: "server:half", policy: "server:half", client: func(c *client) { c.say("x"); c.hear(1); c.eof() }, want: counts{"fin": 1}, asked: 1},
		{name: "server:half, aborted", policy: "server:half", client: func(c *client) { c.say("x"); c.hear(1); c.eof(); c.abort() }, want: counts{"rst_received": 1}, asked: 1},
		{name: "server:rst", policy: "server:rst", client: func(c *client) { c.say("x"); c.hear(1); c.aborted() }, want: counts{"rst_sent": 1}, asked: 1},
		{name: "server:unread", policy: "server:unread", client: func(c *client) { c.say("x"); c.aborted() }, want: counts{"rst_sent": 1}},
		{name: "server:unread, the client closes first", policy: "server:unread", client: func(c *client) { _ = c.CloseWrite(); c.eof() }, want: counts{"closed_early": 1}},
		{name: "server:linger", policy: "server:linger=1s", client: func(c *client) { c.say("x"); c.hear(1); c.eof() }, want: counts{"fin": 1}, asked: 1},
		{name: "server:fin, the client closes first", policy: "server:fin", client: func(c *client) { _ = c.CloseWrite(); c.eof() }, want: counts{"closed_early": 1}},
		{name: "server:fin, aborted first", policy: "server:fin", client: func(c *client) { c.abort() }, want: counts{"rst_received": 1}},
		{name: "server:fin, half a request", policy: "server:fin", x: "echo:2,1", client: func(c *client) { c.say("x"); _ = c.CloseWrite(); c.eof() }, want: counts{"cut_in_request": 1}},
		{name: "server:fin after 3", policy: "server:fin", change: func(c *Config) { c.Requests = 3 }, client: func(c *client) {
			for range 3 {
				c.say("x")
				c.hear(1)
			}
			c.eof()
		}, want: counts{"fin": 1}, asked: 3},
		{name: "server:unread after 3", policy: "server:unread", change: func(c *Config) { c.Requests = 3 }, client: func(c *client) {
			for range 2 {
				c.say("x")
				c.hear(1)
			}
			c.say("x")
			c.aborted()
		}, want: counts{"rst_sent": 1}, asked: 2},
		{name: "server:fin, more than was asked for", policy: "server:half", client: func(c *client) { c.say("x"); c.hear(1); c.say("more"); c.eof() }, want: counts{"fin": 1}, asked: 1},

		{name: "both:fin", policy: "both:fin", client: func(c *client) { c.say("x"); c.hear(1); _ = c.CloseWrite(); c.eof() }, want: counts{"fin": 1}, asked: 1},
		{name: "hold", policy: "server:fin", change: func(c *Config) { c.Hold = 50 * time.Millisecond }, client: func(c *client) {
			began := time.Now()
			c.say("x")
			c.hear(1)
			c.eof()
			if d := time.Since(began); d < 50*time.Millisecond {
				c.t.Errorf("it closed after %v", d)
			}
		}, want: counts{"fin": 1}, asked: 1},
		{name: "talk in the hold", policy: "server:half", change: func(c *Config) { c.Hold = 50 * time.Millisecond }, client: func(c *client) {
			c.say("x")
			c.hear(1)
			c.say("still there?")
			c.eof()
		}, want: counts{"fin": 1}, asked: 1},
		{name: "the client closes in the hold", policy: "server:fin", change: func(c *Config) { c.Hold = time.Hour }, client: func(c *client) { c.say("x"); c.hear(1) }, want: counts{"closed_early": 1}, asked: 1},
		{name: "the client aborts in the hold", policy: "server:fin", change: func(c *Config) { c.Hold = time.Hour }, client: func(c *client) { c.say("x"); c.hear(1); c.abort() }, want: counts{"closed_early": 1}, asked: 1},
		{name: "both:fin, the client closes in the hold", policy: "both:fin", change: func(c *Config) { c.Hold = time.Hour }, client: func(c *client) { c.say("x"); c.hear(1); _ = c.CloseWrite(); c.eof() }, want: counts{"fin": 1}, asked: 1},
		{name: "delay", change: func(c *Config) { c.Delay = 50 * time.Millisecond }, client: func(c *client) {
			began := time.Now()
			c.say("x")
			c.hear(1)
			if d := time.Since(began); d < 50*time.Millisecond {
				c.t.Errorf("it answered after %v", d)
			}
		}, want: counts{"fin": 1}, asked: 1},

		// HTTP.
		{name: "HTTP", x: "http:/", client: func(c *client) { c.say(get); c.reply("GET") }, want: counts{"fin": 1}, asked: 1},
		{name: "HTTP in pieces", x: "http:/", client: func(c *client) {
			for i := range len(get) {
				c.say(get[i : i+1])
			}
			c.reply("GET")
		}, want: counts{"fin": 1}, asked: 1},
		{name: "HTTP, HEAD", x: "http:/", client: func(c *client) {
			c.say("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + get)
			c.reply("HEAD")
			c.reply("GET")
		}, want: counts{"fin": 1}, asked: 2},
		{name: "HTTP, with bodies", x: "http:/", client: func(c *client) {
			c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000))
			c.reply("POST")
			c.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
			c.reply("POST")
		}, want: counts{"fin": 1}, asked: 2},
		{name: "HTTP, pipelined", x: "http:/", client: func(c *client) {
			c.say(strings.Repeat(get, 5) + get[:7])
			for range 5 {
				c.reply("GET")
			}
			c.say(get[7:])
			c.reply("GET")
		}, want: counts{"fin": 1}, asked: 6},
		{name: "HTTP, pipelined and delayed", x: "http:/", change: func(c *Config) { c.Delay = 5 * time.Millisecond }, client: func(c *client) {
			c.say(strings.Repeat(get, 5))
			for range 5 {
				c.reply("GET")
			}
		}, want: counts{"fin": 1}, asked: 5},
		{name: "HTTP, garbage", x: "http:/", client: func(c *client) { c.say("\x16\x03\x01\x02\x00 not HTTP\r\n\r\n") }, want: counts{"bad_request": 1}},
		{name: "HTTP, garbage behind a request", x: "http:/", client: func(c *client) { c.say(get + "\x00\x00\r\n\r\n"); c.reply("GET") }, want: counts{"bad_request": 1}, asked: 1},
		{name: "HTTP, a header without an end", x: "http:/", client: func(c *client) {
			c.say("GET / HTTP/1.1\r\nA: " + strings.Repeat("x", 100_000))
		}, want: counts{"bad_request": 1}},
		{name: "HTTP, half a request, then EOF", x: "http:/", client: func(c *client) { c.say(get[:9]); _ = c.CloseWrite(); c.eof() }, want: counts{"cut_in_request": 1}},
		{name: "HTTP, half a body, then EOF", x: "http:/", client: func(c *client) {
			c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
			_ = c.CloseWrite()
			c.eof()
		}, want: counts{"cut_in_request": 1}},
		{name: "HTTP, close asked for against client:fin", x: "http:/", client: func(c *client) {
			c.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if r := c.reply("GET"); !r.Close {
				c.t.Error("the reply does not say that it closes")
			}
			c.eof()
		}, want: counts{"fin": 1}, asked: 1},
		{name: "HTTP/1.0", x: "http:/", client: func(c *client) { c.say("GET / HTTP/1.0\r\n\r\n"); c.reply("GET"); c.eof() }, want: counts{"fin": 1}, asked: 1},
		{name: "HTTP, server:fin after the first", policy: "server:fin", x: "http:/", client: func(c *client) {
			c.say(get)
			if r := c.reply("GET"); !r.Close {
				c.t.Error("the reply does not say that it closes")
			}
			c.eof()
		}, want: counts{"fin": 1}, asked: 1},
		{name: "HTTP, server:rst after the first", policy: "server:rst", x: "http:/", client: func(c *client) {
			c.say(get)
			c.reply("GET")
			c.aborted()
		}, want: counts{"rst_sent": 1}, asked: 1},
		{name: "HTTP, server:half after the first", policy: "server:half", x: "http:/", client: func(c *client) {
			c.say(get)
			c.reply("GET")
			c.eof()
			_ = c.CloseWrite()
		}, want: counts{"fin": 1}, asked: 1},
		{name: "HTTP, server:fin when asked", policy: "server:fin", x: "http:/", change: func(c *Config) { c.Requests = 9 }, client: func(c *client) {
			c.say(get)
			c.reply("GET")
			c.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			c.reply("GET")
			c.eof()
		}, want: counts{"fin": 1}, asked: 2},
		{name: "HTTP, server:rst when asked", policy: "server:rst", x: "http:/", client: func(c *client) {
			c.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			c.reply("GET")
			c.aborted()
		}, want: counts{"rst_sent": 1}, asked: 1},
		{name: "HTTP, server:fin after 2", policy: "server:fin", x: "http:/", change: func(c *Config) { c.Requests = 2 }, client: func(c *client) {
			c.say(get + get + get)
			if r := c.reply("GET"); r.Close {
				c.t.Error("the first reply says that it closes")
			}
			if r := c.reply("GET"); !r.Close {
				c.t.Error("the last reply does not say that it closes")
			}
			c.eof()
		}, want: counts{"fin": 1}, asked: 2},
		{name: "HTTP, the client leaves between requests of server:fin", policy: "server:fin", x: "http:/", change: func(c *Config) { c.Requests = 2 }, client: func(c *client) {
			c.say(get)
			c.reply("GET")
			_ = c.CloseWrite()
			c.eof()
		}, want: counts{"fin": 1}, asked: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			socktest.Guard(t)
			or := func(s, otherwise string) string {
				if s == "" {
					return otherwise
				}
				return s
			}
			cfg := config(or(tc.policy, "client:fin"), or(tc.onEOF, "close"), or(tc.x, "echo:1,1"))
			if tc.change != nil {
				tc.change(&cfg)
			}
			s := start(t, cfg)
			c := dial(t, s)
			tc.client(c)
			if tc.open == 0 {
				_ = c.Close()
			}
			st := settled(t, s, 1, tc.open)
			if tc.want == nil {
				// The RST may overtake what was sent before it.
				if n := st.Outcomes[sockstate.OutcomeCutInRequest] + st.Outcomes[sockstate.OutcomeRSTReceived]; n != 1 {
					t.Errorf("outcomes %v", st.ByName())
				}
			} else if d := cmp.Diff(tc.want, st.ByName()); d != "" {
				t.Errorf("outcomes (-want +got):\n%s", d)
			}
			if st.Requests != tc.asked {
				t.Errorf("%d requests answered, want %d", st.Requests, tc.asked)
			}
		})
	}
}

// The reset may come before the client's connect has returned.
func TestResetAtOnce(t *testing.T) {
	socktest.Guard(t)
	s := start(t, config("server:rst", "close", "none"))
	c, err := net.Dial("tcp", s.Addrs()[0].String())
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		_ = c.Close()
	}
	if !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("connect and read: %v, want %v", err, unix.ECONNRESET)
	}
	if st := settled(t, s, 1, 0); st.Outcomes[sockstate.OutcomeRSTSent] != 1 {
		t.Errorf("outcomes %v", st.ByName())
	}
}

func TestHeldAtTheEnd(t *testing.T) {
	for _, tc := range []struct {
		policy, onEOF string
		want          string
	}{
		{"client:fin", "close", "aborted"},
		{"client:fin", "never", "held"},
		{"never", "close", "held"},
	} {
		socktest.Guard(t)
		s := start(t, config(tc.policy, tc.onEOF, "echo:1,1"))
		c := dial(t, s)
		c.say("x")
		c.hear(1)
		if tc.onEOF == "never" {
			_ = c.CloseWrite()
		}
		settled(t, s, 1, 1)
		if tc.onEOF == "never" {
			// It has read EOF when it is quick to answer again.
			probe := dial(t, s)
			probe.say("x")
			probe.hear(1)
			probe.abort()
			settled(t, s, 2, 1)
		}
		st, err := s.Stop()
		if err != nil {
			t.Fatal(err)
		}
		if st.ByName()[tc.want] != 1 {
			t.Errorf("%s, on-eof=%s: %v, want it %s", tc.policy, tc.onEOF, st.ByName(), tc.want)
		}
		c.aborted()
	}
}
