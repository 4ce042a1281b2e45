package loadgen

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/socktest"
	"lastack/sockstate/teardown"
)

// reset closes by RST.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// toEOF reads what there is.
func toEOF(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }

// stall does nothing until the test ends.
func stall(c *net.TCPConn) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Read(func(uintptr) bool { return false })
	}
}

// peek waits for data and leaves it unread.
func peek(c *net.TCPConn) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Read(func(fd uintptr) bool {
			_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK)
			return err != unix.EAGAIN
		})
	}
}

// together has the reply and the FIN go in one segment.
func together(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	if err := raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, 1) }); err == nil {
		answer(c)
	}
}

// answer reads one byte and writes one.
func answer(c *net.TCPConn) bool {
	var b [1]byte
	if _, err := c.Read(b[:]); err != nil {
		return false
	}
	_, err := c.Write(b[:])
	return err == nil
}

// reads waits for an HTTP request and writes p.
func reads(p string, then func(c *net.TCPConn)) func(c *net.TCPConn) {
	return func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		if _, err := io.WriteString(c, p); err != nil {
			return
		}
		if then != nil {
			then(c)
		}
	}
}

// Each outcome of the closed set, made by a peer that behaves so.
func TestOutcomes(t *testing.T) {
	socktest.Guard(t)
	const n = 6
	type counts = map[string]int64
	for _, tc := range []struct {
		name   string
		peer   func(c *net.TCPConn)
		change func(p *Plan, g *Group)
		want   counts
		// completed and opened are as many as attempted, or none.
		completed, opened bool
		errnos            map[unix.Errno]int64
		faults, statuses  counts
	}{
		{name: "fin, nothing exchanged", peer: toEOF, change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("none")
		}, want: counts{"fin": n}, completed: true, opened: true},
		{name: "fin, the client first", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, want: counts{"fin": n}, completed: true, opened: true},
		{name: "fin, the client half", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:half")
		}, want: counts{"fin": n}, completed: true, opened: true},
		{name: "fin, the server first", peer: func(c *net.TCPConn) { answer(c); _ = c.CloseWrite(); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("server:fin")
		}, want: counts{"fin": n}, completed: true, opened: true},
		{name: "fin after a delay in CLOSE_WAIT", peer: func(c *net.TCPConn) { answer(c); _ = c.CloseWrite(); toEOF(c) }, change: func(_ *Plan, g *Group) {
			// Longer than the close timeout, which is the peer's.
			g.Close, g.OnEOF, g.CloseTimeout = mustPolicy("server:fin"), mustReaction("delay=300ms"), 200*time.Millisecond
		}, want: counts{"fin": n}, completed: true, opened: true},
		{name: "fin, lingering", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:linger=1s")
		}, want: counts{"fin": n}, completed: true, opened: true},
		{name: "fin, HTTP to the end of the connection", peer: reads("HTTP/1.0 200 OK\r\n\r\nwhatever", nil), change: func(_ *Plan, g *Group) {
			g.Exchange, g.Close = mustExchange("http:/"), mustPolicy("server:fin")
		}, want: counts{"fin": n}, completed: true, opened: true},

		{name: "rst_sent", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:rst")
		}, want: counts{"rst_sent": n}, completed: true, opened: true},
		{name: "rst_sent, with data unread", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:unread")
		}, want: counts{"rst_sent": n}, completed: true, opened: true},
		{name: "rst_sent, in answer to EOF", peer: func(c *net.TCPConn) { answer(c); _ = c.CloseWrite(); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close, g.OnEOF = mustPolicy("server:fin"), mustReaction("rst")
		}, want: counts{"rst_sent": n}, completed: true, opened: true},

		{name: "rst_received as predicted", peer: func(c *net.TCPConn) { answer(c); reset(c) }, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("server:rst")
		}, want: counts{"rst_received": n}, completed: true, opened: true},
		{name: "rst_received as predicted, nothing exchanged", peer: reset, change: func(_ *Plan, g *Group) {
			g.Close, g.Exchange = mustPolicy("server:rst"), mustExchange("none")
		}, want: counts{"rst_received": n}, completed: true, opened: true},
		{name: "rst_received instead of a reply, as predicted", peer: peek, change: func(_ *Plan, g *Group) {
			g.Close, g.Exchange = mustPolicy("server:unread"), mustExchange("echo:100,1")
		}, want: counts{"rst_received": n}, completed: true, opened: true},
		{name: "rst_received that nobody predicted", peer: reset, change: func(_ *Plan, g *Group) {
			g.Close, g.Exchange = mustPolicy("server:fin"), mustExchange("none")
		}, want: counts{"rst_received": n}, opened: true},

		{name: "held", peer: toEOF, change: func(_ *Plan, g *Group) {
			g.Close, g.Exchange, g.Connections = teardown.Never, mustExchange("none"), n
		}, want: counts{"held": n}, opened: true},
		{name: "held in CLOSE_WAIT", peer: func(c *net.TCPConn) { answer(c); _ = c.CloseWrite(); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close, g.OnEOF, g.Connections = mustPolicy("server:fin"), mustReaction("never"), n
		}, want: counts{"held": n}, opened: true},

		{name: "cut_in_request, reset when accepted", peer: reset, want: counts{"cut_in_request": n}, opened: true},
		{name: "cut_in_request, reset before the reply", peer: func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1))
			reset(c)
		}, want: counts{"cut_in_request": n}, opened: true},
		{name: "cut_in_request, closed before the reply", peer: func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1))
		}, want: counts{"cut_in_request": n}, opened: true},
		{name: "cut_in_request, closed in the reply", peer: func(c *net.TCPConn) { answer(c) }, change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("echo:1,10")
		}, want: counts{"cut_in_request": n}, opened: true},
		{name: "cut_in_request, reset in the reply", peer: func(c *net.TCPConn) { answer(c); reset(c) }, change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("echo:1,10")
		}, want: counts{"cut_in_request": n}, opened: true},
		{name: "cut_in_request, reset in the request", peer: func(c *net.TCPConn) {
			_, _ = io.CopyN(io.Discard, c, 100_000)
			reset(c)
		}, change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("echo:50000000,1")
		}, want: counts{"cut_in_request": n}, opened: true},
		{name: "cut_in_request, closed in an HTTP body", peer: reads("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", nil), change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("http:/")
		}, want: counts{"cut_in_request": n}, opened: true},
		{name: "cut_in_request, closed in an HTTP header", peer: reads("HTTP/1.1 200 OK\r\nContent-Le", nil), change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("http:/")
		}, want: counts{"cut_in_request": n}, opened: true},
		{name: "cut_in_request, in a second request", peer: func(c *net.TCPConn) {
			answer(c)
			_, _ = c.Read(make([]byte, 1))
		}, change: func(_ *Plan, g *Group) { g.Requests = 2 }, want: counts{"cut_in_request": n}, opened: true},

		{name: "closed_early, in the hold", peer: func(c *net.TCPConn) { answer(c) }, change: func(_ *Plan, g *Group) {
			g.Hold = bound
		}, want: counts{"closed_early": n}, opened: true},
		{name: "rst_received in the hold", peer: reset, change: func(_ *Plan, g *Group) {
			g.Hold, g.Exchange = bound, mustExchange("none")
		}, want: counts{"rst_received": n}, opened: true},
		{name: "closed_early, in the think time", peer: func(c *net.TCPConn) { answer(c) }, change: func(_ *Plan, g *Group) {
			g.Requests, g.Think = 2, bound
		}, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, HTTP close between requests", peer: reads("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", toEOF), change: func(_ *Plan, g *Group) {
			g.Requests, g.Exchange = 2, mustExchange("http:/")
		}, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, with the end of the reply", peer: reads("HTTP/1.0 200 OK\r\n\r\nwhatever", nil), change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("http:/")
		}, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, where nobody should close", peer: func(c *net.TCPConn) { answer(c) }, change: func(p *Plan, g *Group) {
			// The load is over before only if nothing is held.
			g.Close, p.Duration = teardown.Never, bound/2
		}, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, instead of data to leave unread", peer: func(c *net.TCPConn) { _, _ = c.Read(make([]byte, 1)) }, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:unread")
		}, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, the end in one segment with the reply", peer: together, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, before the client's half close", peer: together, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:half")
		}, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, before the client's RST", peer: together, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:rst")
		}, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, before the client lingers", peer: together, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:linger=1s")
		}, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, before the client leaves the reply unread", peer: together, change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:unread")
		}, want: counts{"closed_early": n}, opened: true},
		{name: "closed_early, in the plateau", peer: func(c *net.TCPConn) { answer(c) }, change: func(p *Plan, g *Group) {
			p.Count, g.Connections, g.Plateau = 0, n, bound
		}, want: counts{"closed_early": n}, opened: true},

		{name: "http_status", peer: reads("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", toEOF), change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("http:/")
		}, want: counts{"http_status": n}, opened: true},
		{name: "http_status, to the end of the connection", peer: reads("HTTP/1.0 500 No\r\n\r\nwhatever", nil), change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("http:/")
		}, want: counts{"http_status": n}, opened: true},
		{name: "a 404 is an answer", peer: reads("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", toEOF), change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("http:/")
		}, want: counts{"fin": n}, completed: true, opened: true, statuses: counts{"4xx": n}},
		{name: "a redirect is an answer", peer: reads("HTTP/1.1 301 \r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", toEOF), change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("http:/")
		}, want: counts{"fin": n}, completed: true, opened: true, statuses: counts{"3xx": n}},
		{name: "interim replies", peer: reads("HTTP/1.1 103 \r\nLink: x\r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.1 204 \r\n\r\n", toEOF), change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("http:/")
		}, want: counts{"fin": n}, completed: true, opened: true, statuses: counts{"1xx": 2 * n, "2xx": n}},

		{name: "request_timeout", peer: toEOF, change: func(_ *Plan, g *Group) {
			g.RequestTimeout = 50 * time.Millisecond
		}, want: counts{"request_timeout": n}, opened: true},
		{name: "request_timeout, in the reply", peer: reads("HTTP/1.1 200 OK\r\n", toEOF), change: func(_ *Plan, g *Group) {
			g.RequestTimeout, g.Exchange = 50*time.Millisecond, mustExchange("http:/")
		}, want: counts{"request_timeout": n}, opened: true},
		{name: "request_timeout, in the request", peer: func(c *net.TCPConn) {
			_ = c.SetReadBuffer(4096)
			_, _ = c.Read(make([]byte, 1))
			stall(c)
		}, change: func(_ *Plan, g *Group) {
			g.RequestTimeout, g.Exchange = 50*time.Millisecond, mustExchange("echo:50000000,1")
		}, want: counts{"request_timeout": n}, opened: true},

		{name: "close_timeout of the client's half close", peer: func(c *net.TCPConn) { answer(c); stall(c) }, change: func(_ *Plan, g *Group) {
			g.Close, g.CloseTimeout = mustPolicy("client:half"), 50*time.Millisecond
		}, want: counts{"close_timeout": n}, opened: true},
		{name: "close_timeout of the server's close", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close, g.CloseTimeout = mustPolicy("server:fin"), 50*time.Millisecond
		}, want: counts{"close_timeout": n}, opened: true},
		{name: "close_timeout, nothing to leave unread", peer: toEOF, change: func(_ *Plan, g *Group) {
			g.Close, g.CloseTimeout = mustPolicy("client:unread"), 50*time.Millisecond
		}, want: counts{"close_timeout": n}, opened: true},

		{name: "other, SSH", peer: reads("SSH-2.0-OpenSSH_9.9\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"ssh": n}},
		{name: "other, TLS", peer: reads("\x15\x03\x01\x00\x02\x02\x46", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"tls": n}},
		{name: "other, HTTP/2", peer: reads("\x00\x00\x12\x04\x00\x00\x00\x00\x00", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"http2": n}},
		{name: "other, not HTTP", peer: reads("220 mail ESMTP\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"not_http": n}},
		{name: "other, HTTP of another version", peer: reads("HTTP/2.0 200 OK\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"bad_version": n}},
		{name: "other, a status line without a code", peer: reads("HTTP/1.1 OK\r\n\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"bad_status_line": n}},
		{name: "other, a status of 999", peer: reads("HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"bad_status": n}, statuses: counts{"invalid": n}},
		{name: "other, 101", peer: reads("HTTP/1.1 101 \r\nUpgrade: x\r\n\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"upgrade": n}},
		{name: "other, a header of two lengths", peer: reads("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"conflicting_length": n}},
		{name: "other, a length that is none", peer: reads("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"bad_length": n}},
		{name: "other, a header of 70 kB", peer: reads("HTTP/1.1 200 OK\r\nA: "+strings.Repeat("b", 70_000)+"\r\nContent-Length: 0\r\n\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"header_too_large": n}},
		{name: "other, a header line that is none", peer: reads("HTTP/1.1 200 OK\r\nA\r\n\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"bad_header": n}},
		{name: "other, a coding", peer: reads("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"bad_coding": n}},
		{name: "other, a chunk that is none", peer: reads("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"bad_chunk": n}},
		{name: "other, more than the reply", peer: reads("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", toEOF), change: asksHTTP, want: counts{"other": n}, opened: true, faults: counts{"surplus": n}, statuses: counts{"2xx": n}},
		{name: "other, more than the reply, in the hold", peer: func(c *net.TCPConn) { answer(c); later(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Hold = bound
		}, want: counts{"other": n}, opened: true, faults: counts{"surplus": n}},
		{name: "other, more than the reply, before the server's close", peer: func(c *net.TCPConn) { answer(c); later(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close, g.CloseTimeout = mustPolicy("server:fin"), bound
		}, want: counts{"other": n}, opened: true, faults: counts{"surplus": n}},
		{name: "other, a reply before the second request", peer: func(c *net.TCPConn) { answer(c); later(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Requests, g.Think = 2, bound
		}, want: counts{"other": n}, opened: true, faults: counts{"early_reply": n}},
		{name: "other, a reply before the second request, together with the first", peer: reads("HTTP/1.1 204 \r\n\r\nHTTP/1.1 204 \r\n\r\n", toEOF), change: func(_ *Plan, g *Group) {
			g.Requests, g.Exchange = 2, mustExchange("http:/")
		}, want: counts{"other": n}, opened: true, faults: counts{"early_reply": n}, statuses: counts{"2xx": n}},
		{name: "closed_early, with a 408 in the think time", peer: func(c *net.TCPConn) {
			reads("HTTP/1.1 204 \r\n\r\n", nil)(c)
			time.Sleep(100 * time.Millisecond) // see later
			_, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}, change: func(_ *Plan, g *Group) {
			g.Requests, g.Think, g.Exchange = 2, bound, mustExchange("http:/")
		}, want: counts{"closed_early": n}, opened: true, statuses: counts{"2xx": n}},
		{name: "what comes where nothing is asked is nobody's reply", peer: func(c *net.TCPConn) { later(c); _ = c.CloseWrite(); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Exchange, g.Close = mustExchange("none"), mustPolicy("server:fin")
		}, want: counts{"fin": n}, completed: true, opened: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLabBeside(t)
			p := loadOf(n, l.peer(tc.peer))
			if tc.change != nil {
				tc.change(&p, &p.Groups[0])
			}
			r := l.run(p)
			got := &r.Groups[0].Ledger
			if d := cmp.Diff(tc.want, outcomes(got)); d != "" {
				t.Errorf("outcomes (-want +got):\n%s", d)
			}
			if want := times(n, tc.completed); got.Completed() != want {
				t.Errorf("completed %d, want %d", got.Completed(), want)
			}
			if want := times(n, tc.opened); got.Opened != want {
				t.Errorf("opened %d, want %d", got.Opened, want)
			}
			if tc.errnos == nil {
				tc.errnos = map[unix.Errno]int64{}
			}
			if d := cmp.Diff(tc.errnos, r.Groups[0].Errnos); d != "" {
				t.Errorf("errnos (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tc.faults, faults(got)); d != "" {
				t.Errorf("faults (-want +got):\n%s", d)
			}
			for name, n := range tc.faults {
				if s := exampleOf(&r.Groups[0], name); n > 0 && s == "" {
					t.Errorf("no example of %s", name)
				}
			}
			if d := cmp.Diff(tc.statuses, statuses(got)); tc.statuses != nil && d != "" {
				t.Errorf("statuses (-want +got):\n%s", d)
			}
		})
	}
}

func asksHTTP(_ *Plan, g *Group) { g.Exchange = mustExchange("http:/") }

// later writes once more, when the client has had time to read what came before. Should both come in one piece after all,
// it is an error as well, but maybe another one's: nothing that these tests could wait for tells that the client has read.
func later(c *net.TCPConn) {
	time.Sleep(100 * time.Millisecond)
	_, _ = c.Write([]byte("z"))
}

// faults lists the faults that occurred.
func faults(l *Ledger) (m map[string]int64) {
	for f, n := range l.Faults {
		if n > 0 {
			if m == nil {
				m = make(map[string]int64)
			}
			m[sockstate.Fault(f).String()] = n
		}
	}
	return m
}

func exampleOf(g *GroupResult, fault string) string {
	for f, s := range g.Examples {
		if sockstate.Fault(f).String() == fault {
			return s
		}
	}
	return ""
}

// statuses lists the classes that occurred.
func statuses(l *Ledger) (m map[string]int64) {
	for c, n := range l.Statuses {
		if n > 0 {
			if m == nil {
				m = make(map[string]int64)
			}
			m[sockstate.StatusClass(c).String()] = n
		}
	}
	return m
}

func times(n int64, yes bool) int64 {
	if yes {
		return n
	}
	return 0
}

// fillQueue makes a listener whose accept queue is full: it drops SYNs.
func (l *lab) fillQueue() netip.AddrPort {
	l.t.Helper()
	addr := l.listen("127.0.0.1:0", 0)
	l.do(func() error {
		// backlog+1 connections fit (sk_acceptq_is_full).
		c, err := net.DialTimeout("tcp", addr.String(), bound)
		if err == nil {
			l.t.Cleanup(func() { _ = c.Close() })
		}
		return err
	})
	return addr
}

func TestOutcomesOfTheDial(t *testing.T) {
	const n = 6
	for _, tc := range []struct {
		name    string
		sysctls []string
		target  func(l *lab) netip.AddrPort
		change  func(p *Plan, g *Group)
		want    map[string]int64
		noSYN   int64
	}{
		{name: "refused", target: (*lab).nobody, want: map[string]int64{"refused": n}},
		{name: "refused, nothing exchanged", target: (*lab).nobody, change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("none")
		}, want: map[string]int64{"refused": n}},
		{name: "connect_timeout", target: (*lab).fillQueue, change: func(_ *Plan, g *Group) {
			g.ConnectTimeout = 50 * time.Millisecond
		}, want: map[string]int64{"connect_timeout": n}},
		{name: "no_local_port of the group's", sysctls: []string{"net.ipv4.tcp_tw_reuse=0"}, target: func(l *lab) netip.AddrPort {
			return l.peer(func(c *net.TCPConn) { answer(c); toEOF(c) })
		}, change: func(_ *Plan, g *Group) {
			g.SourcePorts = sockstate.PortRange{Lo: 40_000, Hi: 40_003}
		}, want: map[string]int64{"fin": 4, "no_local_port": n - 4}, noSYN: n - 4},
		{name: "no_local_port of the namespace's", sysctls: []string{
			"net.ipv4.tcp_tw_reuse=0", "net.ipv4.ip_local_port_range=40000 40003",
		}, target: func(l *lab) netip.AddrPort {
			return l.peerAt("127.0.0.1:9000", func(c *net.TCPConn) { answer(c); toEOF(c) })
		}, want: map[string]int64{"fin": 4, "no_local_port": n - 4}, noSYN: n - 4},
		{name: "a second source has the same ports again", sysctls: []string{"net.ipv4.tcp_tw_reuse=0"}, target: func(l *lab) netip.AddrPort {
			return l.peer(func(c *net.TCPConn) { answer(c); toEOF(c) })
		}, change: func(_ *Plan, g *Group) {
			g.SourcePorts = sockstate.PortRange{Lo: 40_000, Hi: 40_003}
			g.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")}
		}, want: map[string]int64{"fin": n}},
		{
			name: "unreachable", target: func(*lab) netip.AddrPort { return netip.MustParseAddrPort("10.9.8.7:80") },
			want: map[string]int64{"unreachable": n}, noSYN: n,
		},
		{
			name: "unreachable over IPv6", target: func(*lab) netip.AddrPort { return netip.MustParseAddrPort("[fd00::7]:80") },
			want: map[string]int64{"unreachable": n}, noSYN: n,
		},
		{name: "other, a source that is not local", target: (*lab).nobody, change: func(_ *Plan, g *Group) {
			g.Sources = []netip.Addr{netip.MustParseAddr("10.9.8.7")}
		}, want: map[string]int64{"other": n}, noSYN: n},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t, tc.sysctls...)
			p := loadOf(n, tc.target(l))
			if tc.change != nil {
				tc.change(&p, &p.Groups[0])
			}
			r := l.run(p)
			got := &r.Groups[0].Ledger
			if d := cmp.Diff(tc.want, outcomes(got)); d != "" {
				t.Errorf("outcomes (-want +got):\n%s", d)
			}
			if got.NoSYN != tc.noSYN {
				t.Errorf("%d attempts sent no SYN, want %d", got.NoSYN, tc.noSYN)
			}
		})
	}
}

// What the network answers to a SYN by ICMP is no failure of this host's.
func TestDialOutcomeOfICMP(t *testing.T) {
	for _, e := range []sockio.Errno{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EHOSTDOWN, unix.ENONET, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EPROTO, unix.EACCES} {
		if got := dialOutcome(sockio.OpConnect, e, true); got != sockstate.OutcomeUnreachable {
			t.Errorf("%v after a SYN: %v", e, got)
		}
	}
}

// A firewall's answers by ICMP are the network's, whatever their errno, and a SYN was sent.
func TestOutcomesOfICMP(t *testing.T) {
	socktest.Guard(t)
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skipf("the firewall is nft's: %v", err)
	}
	const n = 4
	for _, tc := range []struct{ reject, target, exchange, want string }{
		{"icmp type prot-unreachable", "127.0.0.1:80", "echo:1,1", "unreachable"}, // ENOPROTOOPT
		{"icmp type port-unreachable", "127.0.0.1:80", "echo:1,1", "refused"},
		{"icmp type port-unreachable", "127.0.0.1:80", "none", "refused"},
		{"icmpv6 type admin-prohibited", "[::1]:80", "echo:1,1", "unreachable"}, // EACCES
	} {
		for _, name := range []string{"uring", "epoll"} {
			t.Run(tc.reject+"/"+tc.exchange+"/"+name, func(t *testing.T) {
				l := newLabBeside(t)
				l.do(func() error {
					rules := "add table inet t; add chain inet t in { type filter hook input priority 0; }; add rule inet t in tcp dport 80 reject with " + tc.reject
					if out, err := exec.CommandContext(t.Context(), "nft", rules).CombinedOutput(); err != nil {
						return fmt.Errorf("nft: %w: %s", err, out)
					}
					return nil
				})
				b, _, err := sockio.Choose(name)
				if err != nil {
					t.Skip(err)
				}
				before := l.counter("TcpActiveOpens")
				// While connect has the socket, the error is kept for later (tcp_v4_err): it counts with the SYN that comes again.
				p := loadOf(n, netip.MustParseAddrPort(tc.target))
				p.Groups[0].Connections, p.Groups[0].ConnectTimeout, p.Groups[0].Exchange = n, bound, mustExchange(tc.exchange)
				g := l.newLoad(Config{Plan: p, Backend: b})
				mustStart(context.Background(), t, g)
				r := finish(t, g)
				l.checkOpens(r, before)
				got := &r.Groups[0].Ledger
				if d := cmp.Diff(map[string]int64{tc.want: n}, outcomes(got)); d != "" || got.NoSYN != 0 || got.Opened != 0 {
					t.Errorf("%d opened, %d without a SYN, errnos %v, outcomes (-want +got):\n%s", got.Opened, got.NoSYN, r.Groups[0].Errnos, d)
				}
			})
		}
	}
}

// A firewall that begins to reject amid a run: what it rejects is refused, whatever came before, and only what the kernel opened is opened.
func TestOutcomesOfLaterICMP(t *testing.T) {
	socktest.Guard(t)
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skipf("the firewall is nft's: %v", err)
	}
	const passed, n = 100, 400
	for _, tc := range []struct {
		exchange string
		close    teardown.Policy
	}{
		{"none", teardown.Policy{Who: teardown.ClientFirst}},
		{"none", teardown.Policy{Who: teardown.ServerFirst}},
		{"echo:1,1", teardown.Policy{Who: teardown.ClientFirst}},
		{"echo:1000000,1", teardown.Policy{Who: teardown.ClientFirst}}, // more than a socket takes at once
	} {
		for _, name := range []string{"uring", "epoll"} {
			t.Run(fmt.Sprintf("%s/%v/%s", tc.exchange, tc.close, name), func(t *testing.T) {
				b, _, err := sockio.Choose(name)
				if err != nil {
					t.Skip(err)
				}
				l := newLabBeside(t)
				l.serve(server.Config{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")}, Exchange: mustExchange(tc.exchange), Close: tc.close})
				l.do(func() error {
					rules := fmt.Sprintf("add table inet t; add chain inet t in { type filter hook input priority 0; }; "+
						"add rule inet t in tcp dport 80 tcp flags & (syn|ack) == syn limit rate over 1/day burst %d packets reject with icmp type port-unreachable", passed)
					if out, err := exec.CommandContext(t.Context(), "nft", rules).CombinedOutput(); err != nil {
						return fmt.Errorf("nft: %w: %s", err, out)
					}
					return nil
				})
				active, passive := l.counter("TcpActiveOpens"), l.counter("TcpPassiveOpens")
				p := loadOf(n, netip.MustParseAddrPort("127.0.0.1:80"))
				p.Groups[0].Exchange, p.Groups[0].Close = mustExchange(tc.exchange), tc.close
				g := l.newLoad(Config{Plan: p, Backend: b})
				mustStart(context.Background(), t, g)
				r := finish(t, g)
				l.checkOpens(r, active)
				got := &r.Groups[0].Ledger
				if d := cmp.Diff(map[string]int64{"fin": passed, "refused": n - passed}, outcomes(got)); d != "" || got.NoSYN != 0 {
					t.Errorf("%d without a SYN, errnos %v, outcomes (-want +got):\n%s", got.NoSYN, r.Groups[0].Errnos, d)
				}
				if k := l.counter("TcpPassiveOpens") - passive; got.Opened != k || k != passed {
					t.Errorf("%d opened, the kernel counts %d passive opens, want %d", got.Opened, k, passed)
				}
			})
		}
	}
}

// Descriptors run out: the load goes on with those that it has.
func TestOutcomeNoFd(t *testing.T) {
	const n = 50
	l := newLab(t)
	addr := l.listen("127.0.0.1:0", 4096) // its connections take no descriptor
	p := loadOf(n, addr)
	p.Groups[0].Exchange, p.Groups[0].Close, p.Groups[0].Connections = mustExchange("none"), teardown.Never, n
	before := l.counter("TcpActiveOpens")
	g, err := New(Config{Plan: p, Namespace: l.ns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	// The probe has the lowest number that is free.
	probe, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(probe)
	low := old
	low.Cur = uint64(probe) + 20
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	mustStart(context.Background(), t, g)
	<-g.Done()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	r := finish(t, g)
	l.checkOpens(r, before)
	got := &r.Groups[0].Ledger
	held, failed := got.Outcomes[sockstate.OutcomeHeld], got.Outcomes[sockstate.OutcomeNoFD]
	if held == 0 || failed == 0 || held+failed != n || got.NoSYN != failed {
		t.Errorf("%v, %d without a SYN: want some held, the others no_fd without a SYN", outcomes(got), got.NoSYN)
	}
}
