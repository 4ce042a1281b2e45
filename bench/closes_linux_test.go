package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// HTTP servers of a trial, by how they end a connection after their reply. A name with a number, as "closes 70", ends so many
// of a hundred connections so, and waits for the client in the others.
const (
	serverWaits    = "waits"      // closes when it has read EOF
	serverCloses   = "closes"     // closes at once: reply and FIN are one segment
	serverLate     = "late"       // closes at once: the FIN comes behind the reply
	serverEOF      = "eof"        // closes at once, which ends the reply
	serverResets   = "resets"     // resets at once
	serverKeeps    = "keeps"      // never closes
	serverIdle     = "idle"       // closes after 100 ms
	serverRSTonEOF = "rst on eof" // resets when it has read EOF
)

// endings has what each does with a connection on which it has read a request.
func endings() map[string]func(c *net.TCPConn) {
	const full, toEOF = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"
	reply := func(c *net.TCPConn, s string) { _, _ = c.Write([]byte(s)) }
	cork := func(c *net.TCPConn) {
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, 1) })
		}
	}
	drop := func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }
	eof := func(c *net.TCPConn) bool {
		_, err := io.Copy(io.Discard, c)
		return err == nil
	}
	return map[string]func(c *net.TCPConn){
		serverWaits:  func(c *net.TCPConn) { reply(c, full); eof(c); _ = c.Close() },
		serverCloses: func(c *net.TCPConn) { cork(c); reply(c, full); _ = c.Close() },
		serverLate:   func(c *net.TCPConn) { reply(c, full); _ = c.Close() },
		serverEOF:    func(c *net.TCPConn) { reply(c, toEOF); _ = c.Close() },
		serverResets: func(c *net.TCPConn) { reply(c, full); drop(c) },
		serverKeeps:  func(c *net.TCPConn) { reply(c, full); eof(c) },
		serverIdle: func(c *net.TCPConn) {
			reply(c, full)
			_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			eof(c)
			_ = c.Close()
		},
		serverRSTonEOF: func(c *net.TCPConn) {
			reply(c, full)
			if eof(c) {
				drop(c)
				return
			}
			_ = c.Close()
		},
	}
}

// endsBy returns what a server of that kind does with its connections, nil where it is of another kind.
func endsBy(kind string) func(c *net.TCPConn) {
	name, share := kind, int64(100)
	_, _ = fmt.Sscan(kind[strings.LastIndexByte(kind, ' ')+1:], &share)
	if share < 100 {
		name = kind[:strings.LastIndexByte(kind, ' ')]
	}
	end := endings()[name]
	if end == nil {
		return nil
	}
	var n atomic.Int64
	return func(c *net.TCPConn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			_ = c.Close()
			return
		}
		_ = r.Body.Close()
		// The 70 of a hundred are spread, so that those of each hundred connections are as many.
		if n.Add(1)*share%100 < share {
			end(c)
		} else {
			endings()[serverWaits](c)
		}
	}
}

// The verdict on a target that does not end its connections as --close has it, with each engine: it does not hang on how much of that
// the client happened to see. What the target does as asked is valid under each policy.
func TestClosesOfTargets(t *testing.T) {
	t.Parallel()
	const (
		n    = 200
		asks = "too many for this run to measure"
	)
	for i, tt := range []struct {
		closes, target string
		hold           time.Duration
		requests       int
		valid          bool
		why            []string // in the reasons
		advice         []string // in the advice; none of --close where there is none
	}{
		{closes: "client:fin", target: serverWaits, valid: true},
		{closes: "client:half", target: serverWaits, valid: true},
		{closes: "client:rst", target: serverWaits, valid: true},
		{closes: "client:linger=1s", target: serverWaits, valid: true},
		{closes: "client:unread", target: serverWaits, valid: true},
		{closes: "both:fin", target: serverWaits, valid: true},
		{closes: "server:fin", target: serverLate, valid: true},
		{closes: "server:fin", target: serverEOF, valid: true},
		{closes: "server:half", target: serverCloses, valid: true},
		{closes: "server:fin", target: serverIdle, valid: true},
		{closes: "server:rst", target: serverResets, valid: true},
		{closes: "both:fin", target: serverLate, valid: true},

		// The same server, whatever part of its closes came before the client's.
		{closes: "client:fin", target: serverCloses, why: []string{"the target closed first in 100 % of the connections (200 of 200), but with client:fin the client should; " + asks + " client:fin"}, advice: []string{"--close server:fin"}},
		{closes: "client:fin", target: serverEOF, why: []string{"the target closed first in 100 % of the connections (200 of 200), but with client:fin the client should; " + asks + " client:fin"}, advice: []string{"--close server:fin"}},
		{closes: "client:fin", target: serverCloses + " 70", why: []string{"in 70 % of the connections (140 of 200)", asks}, advice: []string{"--close server:fin"}},
		{closes: "client:fin", target: serverCloses + " 20", why: []string{"in 20 % of the connections (40 of 200)", asks}, advice: []string{"--close server:fin"}},
		{closes: "client:half", target: serverCloses + " 20", why: []string{"in 20 % of the connections (40 of 200)", asks + " client:half"}, advice: []string{"--close server:fin"}},
		{closes: "client:rst", target: serverCloses + " 20", why: []string{"in 20 % of the connections (40 of 200)", asks + " client:rst"}, advice: []string{"--close server:fin"}},
		{closes: "client:unread", target: serverCloses + " 20", why: []string{"in 20 % of the connections (40 of 200)", asks + " client:unread"}, advice: []string{"--close server:fin"}},
		{closes: "client:fin", target: serverResets, why: []string{"the target reset", asks + " client:fin"}, advice: []string{"--close server:rst"}},
		{closes: "client:fin", target: serverResets + " 40", why: []string{"the target reset", asks + " client:fin"}, advice: []string{"--close server:rst"}},
		// A few are named, and no more.
		{closes: "client:fin", target: serverCloses + " 3", valid: true, why: []string{"the target closed first in 3 % of the connections (6 of 200)"}},
		{closes: "client:fin", target: serverResets + " 3", valid: true},

		// What the client asked for was done, and the target answered it otherwise than by a FIN.
		{closes: "client:fin", target: serverRSTonEOF, valid: true, why: []string{"closes by the client: of these at least", "unseen by the client"}, advice: []string{"--close client:half", "--close server:rst, if it resets by itself"}},
		{closes: "client:linger=1s", target: serverRSTonEOF, valid: true, why: []string{"unseen by the client"}, advice: []string{"--close client:half"}},
		{closes: "client:half", target: serverRSTonEOF, why: []string{"the target reset 100 % of the connections (200 of 200), which client:half does not ask for; " + asks}, advice: []string{"--close client:fin, if it resets when it reads the client's FIN"}},
		{closes: "client:rst", target: serverRSTonEOF, valid: true},
		{closes: "both:fin", target: serverResets, valid: true, why: []string{"unseen by the client"}, advice: []string{"--close server:rst"}},
		{closes: "client:fin", target: serverKeeps, valid: true, why: []string{"200 connections closed by the client were in FIN_WAIT_2 at the end"}, advice: []string{"--close client:half"}},
		{closes: "both:fin", target: serverKeeps, valid: true, why: []string{"200 connections closed by the client were in FIN_WAIT_2 at the end"}, advice: []string{"--close client:half"}},
		{closes: "client:half", target: serverKeeps, why: []string{"the target did not answer the client's FIN with its own within --close-timeout in 100 %", asks}, advice: []string{"--close client:fin"}},

		// A target that is to close first.
		{closes: "server:fin", target: serverWaits, why: []string{"the target did not close in 100 %", asks + " server:fin"}, advice: []string{"--close client:fin"}},
		{closes: "server:fin", target: serverCloses + " 20", why: []string{"the target did not close in 80 %", asks + " server:fin"}, advice: []string{"--close client:fin"}},
		{closes: "server:fin", target: serverResets, why: []string{"the target reset 100 %", asks + " server:fin"}, advice: []string{"--close server:rst"}},
		{closes: "server:rst", target: serverLate, why: []string{"closed by FIN, not by RST, in 100 %", asks + " server:rst"}, advice: []string{"--close server:fin"}},
		{closes: "server:unread", target: serverLate, why: []string{"closed by FIN, not by RST, in 100 %", asks + " server:unread"}, advice: []string{"--close server:fin"}},
		{closes: "server:rst", target: serverWaits, why: []string{"the target did not close in 100 %", asks + " server:rst"}, advice: []string{"--close client:fin"}},
		{closes: "never", target: serverCloses, why: []string{"the target closed first", "but with never they should stay open"}, advice: []string{"--close server:fin"}},
		{closes: "client:fin", target: serverLate, hold: time.Second, why: []string{"the target closed first in 100 %"}, advice: []string{"a --hold shorter", "--close server:fin without --hold"}},
		{closes: "client:fin", target: serverLate, requests: 10, why: []string{"200 of 200 lifecycles failed"}, advice: []string{"fewer --requests"}},
		{closes: "server:fin", target: serverLate, requests: 10, why: []string{"200 of 200 lifecycles failed"}, advice: []string{"fewer --requests"}},
	} {
		// With each engine, or with one of them in turn.
		engines := []string{"auto", "epoll"}
		if os.Getenv("LASTACK_LONG") == "" {
			engines = engines[i%2 : i%2+1]
		}
		for _, engine := range engines {
			t.Run(strings.ReplaceAll(fmt.Sprintf("%s/%s/%v/%d/%s", tt.closes, tt.target, tt.hold, tt.requests, engine), " ", "-"), func(t *testing.T) {
				t.Parallel()
				tr := trial{Plan: counted(t, n, tt.closes, "close", "http:/"), Target: tt.target, Engine: engine}
				g := &tr.Plan.Groups[0]
				g.Connections, g.CloseTimeout, g.Hold, g.Requests = n, time.Second, tt.hold, tt.requests
				if tt.closes == "never" {
					tr.Plan.Count, tr.Plan.Duration = 0, time.Second
				}
				r := carryOut(t, "user", tr).Run
				v := r.Verdict
				if r.Generator != nil {
					t.Skipf("others kept the load from the CPUs: %q", v.Reasons)
				}
				if v.Valid != tt.valid && !(tt.valid && heldUp(r)) {
					t.Errorf("valid %v, want %v; outcomes %v, %q", v.Valid, tt.valid, r.Outcomes, v.Reasons)
				}
				mustSay(t, "the reasons", v.Reasons, tt.why...)
				mustSay(t, "the advice", v.Advice, tt.advice...)
				if all := strings.Join(v.Advice, "\n"); len(tt.advice) == 0 && strings.Contains(all, "--close") {
					t.Errorf("advice %q, want none of --close", all)
				}
				if all := strings.Join(v.Reasons, "\n"); tt.valid && strings.Contains(all, asks) {
					t.Errorf("valid, and it says %q", all)
				}
			})
		}
	}
}
