package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// bound is how long a step may take on a busy machine before it counts as hanging.
const bound = time.Minute

func TestMain(m *testing.M) {
	// Workers in system calls keep a processor: without some to spare, the clients starve.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 8))
	os.Exit(m.Run())
}

// config reads a configuration as the command line spells it.
func config(policy, onEOF, x string) Config {
	p, err := teardown.ParsePolicy(policy)
	if err != nil {
		panic(err)
	}
	r, err := teardown.ParseReaction(onEOF)
	if err != nil {
		panic(err)
	}
	e, err := exchange.Parse(x)
	if err != nil {
		panic(err)
	}
	return Config{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Close: p, OnEOF: r, Exchange: e, Slots: 100}
}

// start starts a server that ends with the test, its ledger closed.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		st, err := s.Stop()
		if err != nil {
			t.Errorf("Stop: %v", err)
		}
		if st.Open != 0 {
			t.Errorf("%d connections are open after Stop", st.Open)
		}
		checkLedger(t, &st)
	})
	return s
}

func checkLedger(t *testing.T, st *Stats) {
	t.Helper()
	sum := st.Open
	for _, n := range st.Outcomes {
		sum += n
	}
	if st.Accepted != sum || st.Outcomes[sockstate.NoOutcome] != 0 {
		t.Errorf("accepted %d, open and ended %d: %v", st.Accepted, sum, st.ByName())
	}
}

// settled waits until the server has accepted so many and has so many open.
func settled(t *testing.T, s *Server, accepted, open int64) Stats {
	t.Helper()
	for end := time.Now().Add(bound); ; {
		st := s.Stats()
		checkLedger(t, &st)
		if st.Accepted == accepted && st.Open == open {
			return st
		}
		if time.Now().After(end) {
			t.Fatalf("accepted %d, open %d: %v; want %d and %d", st.Accepted, st.Open, st.ByName(), accepted, open)
		}
		time.Sleep(time.Millisecond)
	}
}

// client is a connection with the words that the tests use.
type client struct {
	t *testing.T
	*net.TCPConn
	r *bufio.Reader
}

func dial(t *testing.T, s *Server) *client {
	t.Helper()
	c, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(bound))
	t.Cleanup(func() { _ = c.Close() })
	return &client{t, c.(*net.TCPConn), bufio.NewReader(c)}
}

// say writes p; where the server has reset the connection, reading tells.
func (c *client) say(p string) { _, _ = io.WriteString(c, p) }

// hear reads n bytes.
func (c *client) hear(n int) {
	c.t.Helper()
	if _, err := io.CopyN(io.Discard, c.r, int64(n)); err != nil {
		c.t.Errorf("%d bytes of the reply: %v", n, err)
	}
}

// eof and aborted read to the end, which has to be of that kind.
func (c *client) eof() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.r); err != nil {
		c.t.Errorf("reading to the end: %v, want EOF", err)
	}
}

func (c *client) aborted() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.r); !errors.Is(err, unix.ECONNRESET) {
		c.t.Errorf("reading to the end: %v, want %v", err, unix.ECONNRESET)
	}
}

// abort closes by RST.
func (c *client) abort() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// reply reads a reply to a request with method, to the end of its body.
func (c *client) reply(method string) *http.Response {
	c.t.Helper()
	r, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading a reply: %v", err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatalf("reading a body: %v", err)
	}
	want := "lastack\n"
	if method == http.MethodHead {
		want = ""
	}
	if r.StatusCode != 200 || string(b) != want {
		c.t.Errorf("status %d, body %q", r.StatusCode, b)
	}
	return r
}
