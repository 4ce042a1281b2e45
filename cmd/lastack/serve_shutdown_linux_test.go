package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// peer is a client of lastack serve, by hand.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func connect(t *testing.T, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(atMost))
	return &peer{t, c, bufio.NewReader(c)}
}

func (p *peer) ask(path string) {
	p.t.Helper()
	if _, err := io.WriteString(p, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		p.t.Fatal(err)
	}
}

// reply reads one, and reports whether it says that the connection will close.
func (p *peer) reply() (closes bool) {
	p.t.Helper()
	r, err := http.ReadResponse(p.r, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	if err != nil {
		p.t.Fatalf("a reply: %v", err)
	}
	return r.Close
}

// ends reads to the end, which must be of that kind; nil: FIN.
func (p *peer) ends(want error) {
	p.t.Helper()
	if n, err := io.Copy(io.Discard, p.r); n != 0 || !errors.Is(err, want) {
		p.t.Errorf("%d bytes, and then %v, want %v", n, err, want)
	}
}

// SIGTERM, in each way that a server can shut down.
func TestServeShutdown(t *testing.T) {
	t.Parallel()
	type counts = map[string]int64
	answered := counts{"accepted": 3, "requests": 2, "closing": 1, "outcome.fin": 1, "outcome.drained": 2}
	for _, tc := range []struct {
		mode     string
		answered bool  // the request under way
		end      error // of connections
		want     counts
	}{
		{mode: "graceful", answered: true, want: answered},
		{mode: "lame-duck=100ms", answered: true, want: answered},
		{mode: "abrupt", want: counts{"accepted": 3, "requests": 1, "cut": 1, "outcome.abrupt_fin": 3}},
		{mode: "rst", end: syscall.ECONNRESET, want: counts{"accepted": 3, "requests": 1, "cut": 1, "outcome.shutdown_rst": 3}},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			slow := "10m" // it is cut
			if tc.answered {
				slow = "3s" // so long has SIGTERM to come
			}
			s, dir := serving(t, tc.mode, slow)
			idle, busy, probe := connect(t, s.addr), connect(t, s.addr), connect(t, s.addr)
			busy.ask("/slow")
			probe.ask("/") // its reply says that the server has read the other
			probe.reply()
			s.send(t, syscall.SIGTERM)
			if tc.answered && !busy.reply() {
				t.Error("the reply does not say that the connection will close")
			}
			busy.ends(tc.end)
			idle.ends(tc.end)
			probe.ends(tc.end)
			ledgerIs(t, s, dir, tc.want)
		})
	}
	t.Run("listener-last", func(t *testing.T) {
		s, dir := serving(t, "listener-last", "3s") // the others ask while this lasts
		busy, asks := connect(t, s.addr), connect(t, s.addr)
		busy.ask("/slow")
		asks.ask("/") // its reply says that the server has read the other
		asks.reply()
		s.send(t, syscall.SIGTERM)
		n := int64(3)
		for asks.ask("/"); !asks.reply(); asks.ask("/") {
			n++
		}
		late := connect(t, s.addr)
		late.ask("/")
		late.ends(syscall.ECONNRESET)
		busy.reply()
		ledgerIs(t, s, dir, counts{"accepted": 2, "requests": n, "closing": 2, "outcome.fin": 2, "queue_reset": 1})
	})
}

type served struct {
	*running
	addr string
}

// serving starts a server with one worker, so that it reads requests in their order.
func serving(t *testing.T, mode, slow string) (s served, dir string) {
	dir = t.TempDir()
	s.running = begin(t, dir, nil, "serve", "--listen", "127.0.0.1:0", "-w", "1", "--exchange", "http:/", "--slow", slow,
		"--shutdown", mode, "--ledger", "ledger.json")
	const said = `listening on (127\.0\.0\.1:\d+),`
	s.await(t, said)
	s.addr = regexp.MustCompile(said).FindStringSubmatch(s.stderr.String())[1]
	return s, dir
}

// ledgerIs waits for the end of the server, and compares what is not 0 in its ledger.
func ledgerIs(t *testing.T, s served, dir string, want map[string]int64) {
	t.Helper()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v: %s", err, s.stderr.String())
	}
	b, err := os.ReadFile(filepath.Join(dir, "ledger.json"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for name, n := range got {
		if n == 0 {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +ledger:\n%s", diff)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
