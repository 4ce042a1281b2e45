package exchange

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/sockio"
)

const hung = 60 * time.Second

// pair is a Client and a Server on loops of their own, in one goroutine. Each
// connection makes its requests and is reset by the client, which leaves no TIME_WAIT.
type pair struct {
	t              testing.TB
	asker          *Client
	answerer       *Server
	client, server sockio.Loop
	dial           sockio.Dial
	requests       int
	asking         []asking
	answering      []answering
	// What came of it.
	replies, gone, todo int
	early               int // connections that the server did not keep alive
	seen                sockstate.Statuses
	err                 error
}

type asking struct {
	talk ClientConn
	left int
}

type answering struct {
	talk   ServerConn
	closes bool
}

type side func(*sockio.Completion)

func (f side) Complete(c *sockio.Completion) { f(c) }

func newPair(t testing.TB, spec Spec, requests, conns int) *pair {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	ln, err := sockio.Listen(netip.MustParseAddrPort("127.0.0.1:0"), sockio.ListenConfig{Backlog: conns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	p := &pair{
		t:         t,
		asker:     NewClient(ClientConfig{Spec: spec, Host: ln.Addr.String(), PeerCloses: spec.Kind == HTTP}),
		answerer:  NewServer(spec),
		requests:  requests,
		asking:    make([]asking, conns),
		answering: make([]answering, 2*conns),
		dial:      sockio.Dial{Remote: sockio.NewAddr(ln.Addr)},
	}
	loop := func(slots int, s side) sockio.Loop {
		l, err := sockio.NewEpoll(sockio.Config{Slots: slots, Handler: s})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.CloseAll(true); err != nil {
				t.Error(err)
			}
		})
		return l
	}
	p.client, p.server = loop(conns, p.ask), loop(2*conns, p.answer)
	if err := p.server.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pair) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *pair) ask(c *sockio.Completion) {
	k := &p.asking[c.Sock]
	switch {
	case c.Errno != 0:
		p.fail(&sockio.Error{Call: "client's " + c.Op.String(), Errno: c.Errno})
	case c.Op == sockio.OpSend:
		if p.asker.Sent(p.client, c.Sock, &k.talk) {
			p.client.Recv(c.Sock, 64<<10)
		}
	case c.Op == sockio.OpRecv && c.N == 0:
		whole, err := p.asker.EOF(&k.talk, &p.seen)
		if err != nil || !whole {
			p.fail(errors.Join(io.ErrUnexpectedEOF, err))
		}
	case c.Op == sockio.OpRecv:
		whole, err := p.asker.Received(&k.talk, c.Data, &p.seen)
		switch {
		case err != nil:
			p.fail(err)
		case !whole:
			p.client.Recv(c.Sock, 64<<10)
		default:
			p.replied(c.Sock, k)
		}
	case c.Op == sockio.OpClose:
		if p.gone++; p.todo > 0 {
			p.open(c.Sock)
		}
	}
}

func (p *pair) replied(s sockio.Sock, k *asking) {
	p.replies++
	if k.left--; k.left > 0 {
		if !p.asker.KeepAlive(&k.talk) {
			p.fail(errors.New("not kept alive"))
		}
		p.client.Send(s, p.asker.Start(&k.talk, k.left == 1))
		return
	}
	if !p.asker.KeepAlive(&k.talk) {
		p.early++
	}
	p.client.SetLinger(s, 0)
	p.client.Close(s, false)
}

func (p *pair) open(s sockio.Sock) {
	p.todo--
	k := &p.asking[s]
	k.left = p.requests
	p.dial.First = p.asker.Start(&k.talk, k.left == 1)
	p.client.Dial(s, &p.dial)
}

func (p *pair) answer(c *sockio.Completion) {
	if c.Sock < 0 {
		p.fail(&sockio.Error{Call: "accept", Errno: c.Errno})
		return
	}
	k, l := &p.answering[c.Sock], p.server
	switch {
	case c.Op == sockio.OpAccept:
		*k = answering{}
		p.answerer.Expect(&k.talk)
		l.Recv(c.Sock, 64<<10)
	case c.Op == sockio.OpClose:
	case c.Errno != 0:
		if !p.answerer.Idle(&k.talk) {
			p.fail(&sockio.Error{Call: "server's " + c.Op.String(), Errno: c.Errno})
		}
		l.Close(c.Sock, false)
	case c.Op == sockio.OpSend:
		if !p.answerer.Sent(l, c.Sock, &k.talk) {
			return
		}
		p.answerer.Expect(&k.talk)
		l.Recv(c.Sock, 64<<10)
	case c.N == 0:
		l.Close(c.Sock, false)
	default:
		used, whole, err := p.answerer.Received(&k.talk, c.Data)
		switch {
		case err != nil || used != len(c.Data):
			p.fail(errors.Join(errors.New("server read something else"), err))
		case whole:
			k.closes = p.answerer.Reply(l, c.Sock, &k.talk, false)
		default:
			l.Recv(c.Sock, 64<<10)
		}
	}
}

// run makes n connections, as many at once as there are slots.
func (p *pair) run(n int) {
	p.replies, p.gone, p.early, p.todo = 0, 0, 0, n
	for s := range sockio.Sock(min(n, len(p.asking))) {
		p.open(s)
	}
	for end := clock.Now() + int64(hung); p.gone < n; {
		if p.err != nil {
			p.t.Fatal(p.err)
		}
		if clock.Now() > end {
			p.t.Fatalf("%d of %d connections", p.gone, n)
		}
		for _, l := range []sockio.Loop{p.client, p.server} {
			if err := l.Wait(0); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	if p.replies != n*p.requests {
		p.t.Errorf("%d replies on %d connections; want %d each", p.replies, n, p.requests)
	}
}

func TestBothEnds(t *testing.T) {
	tests := []struct {
		spec     string
		requests int
	}{
		{"echo:1,1", 1},
		{"echo:1,1", 7},
		{"echo:100,65536", 3}, // a whole receive buffer
		{"echo:65536,1", 3},
		{"echo:65537,65535", 3},
		{"echo:1000000,3000000", 2},
		{"echo:3000000,1", 2},
		{"http:/", 1},
		{"http:/a?b=c", 5},
	}
	for _, test := range tests {
		t.Run(test.spec, func(t *testing.T) {
			spec, err := Parse(test.spec)
			if err != nil {
				t.Fatal(err)
			}
			const conns = 6
			p := newPair(t, spec, test.requests, 3)
			p.run(conns)
			if want := map[Kind]int{Echo: 0, HTTP: conns}[spec.Kind]; p.early != want {
				t.Errorf("%d connections were closed by the server's word; want %d", p.early, want)
			}
		})
	}
}

func TestNoAllocations(t *testing.T) {
	for _, spec := range []Spec{{Kind: Echo, Request: 1, Response: 1}, {Kind: Echo, Request: 70_000, Response: 70_000}, {Kind: HTTP, Path: "/"}} {
		t.Run(spec.String(), func(t *testing.T) {
			const each = 200
			p := newPair(t, spec, 2, 8)
			p.run(4 * each)
			if n := testing.AllocsPerRun(5, func() { p.run(each) }); n > 0 {
				t.Errorf("%v allocations in %d lifecycles; want none", n, each)
			}
		})
	}
}

func BenchmarkBothEnds(b *testing.B) {
	for _, spec := range []Spec{{Kind: Echo, Request: 1, Response: 1}, {Kind: HTTP, Path: "/"}} {
		b.Run(spec.String(), func(b *testing.B) {
			p := newPair(b, spec, 1, 16)
			p.run(1000)
			b.ReportAllocs()
			b.ResetTimer()
			p.run(b.N)
		})
	}
}

// sends is a Loop that only takes sends.
type sends struct {
	sockio.Loop
	out bytes.Buffer
}

func (l *sends) Send(_ sockio.Sock, p []byte) { l.out.Write(p) }

// Requests that come in one piece are answered one by one, however they are cut.
func TestServerPipelined(t *testing.T) {
	get := string(AppendRequest(nil, "x", "/", nil, false))
	tests := []struct {
		name string
		spec Spec
		in   string
		want string
	}{
		{"echo", Spec{Kind: Echo, Request: 3, Response: 2}, "aaabbbccc", "yyyyyy"},
		{
			"http",
			Spec{Kind: HTTP, Path: "/"},
			get + "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345" + strings.Replace(get, "keep-alive", "close", 1),
			string(httpReply(false)) +
				strings.TrimSuffix(string(httpReply(false)), body) +
				string(httpReply(false)) +
				string(httpReply(true)),
		},
	}
	for _, test := range tests {
		for size := 1; size <= len(test.in); size++ {
			x, c, l := NewServer(test.spec), ServerConn{}, &sends{}
			x.Expect(&c)
			closes := false
			for in := test.in; len(in) > 0; in = in[min(size, len(in)):] {
				for piece := in[:min(size, len(in))]; len(piece) > 0; {
					used, whole, err := x.Received(&c, []byte(piece))
					if err != nil {
						t.Fatal(err)
					}
					if piece = piece[used:]; !whole {
						continue
					}
					closes = x.Reply(l, 0, &c, false)
					for !x.Sent(l, 0, &c) {
					}
					x.Expect(&c)
				}
			}
			if got := l.out.String(); got != test.want {
				t.Fatalf("%s in pieces of %d: sent %q; want %q", test.name, size, got, test.want)
			}
			if want := test.spec.Kind == HTTP; closes != want {
				t.Errorf("%s: closes after the last: %v", test.name, closes)
			}
			if !x.Idle(&c) {
				t.Errorf("%s: not idle after the last", test.name)
			}
		}
	}
}

func TestServerLast(t *testing.T) {
	for _, spec := range []Spec{{Kind: Echo, Request: 1, Response: 1}, {Kind: HTTP, Path: "/"}} {
		for _, last := range []bool{false, true} {
			x, c, l := NewServer(spec), ServerConn{}, &sends{}
			x.Expect(&c)
			if _, whole, err := x.Received(&c, NewClient(ClientConfig{Spec: spec, Host: "x"}).Start(new(ClientConn), true)); !whole || err != nil {
				t.Fatalf("%v: whole %v, error %v", spec, whole, err)
			}
			if closes := x.Reply(l, 0, &c, last); closes != last {
				t.Errorf("%v: last %v closes %v", spec, last, closes)
			}
			if said := strings.Contains(l.out.String(), "Connection: close"); said != (last && spec.Kind == HTTP) {
				t.Errorf("%v: last %v says %q", spec, last, l.out.String())
			}
		}
	}
}

func TestServerRefuses(t *testing.T) {
	x, c := NewServer(Spec{Kind: HTTP, Path: "/"}), ServerConn{}
	x.Expect(&c)
	if _, whole, err := x.Received(&c, []byte("GET / HTTP/1.1\r\n\r\n")); whole || !errors.Is(err, errHost) {
		t.Errorf("whole %v, error %v; want errHost", whole, err)
	}
	none := NewServer(Spec{})
	none.Expect(&c)
	if used, whole, err := none.Received(&c, []byte("abc")); used != 3 || whole || err != nil || !none.Idle(&c) {
		t.Errorf("without an exchange: used %d, whole %v, error %v", used, whole, err)
	}
}

// The replies that a client may meet, in pieces of each size.
func TestClientReceived(t *testing.T) {
	echo, web := Spec{Kind: Echo, Request: 1, Response: 4}, Spec{Kind: HTTP, Path: "/"}
	tests := map[string]struct {
		spec  Spec
		in    string
		eof   bool // before it is whole
		whole bool
		keep  bool
		err   error
		seen  sockstate.Statuses // invalid, 1xx, ... 5xx
	}{
		"echo":                        {echo, "yyyy", false, true, true, nil, sockstate.Statuses{}},
		"echo, too short":             {echo, "yyy", true, false, true, nil, sockstate.Statuses{}},
		"echo, too long":              {echo, "yyyyy", false, true, true, ErrSurplus, sockstate.Statuses{}},
		"http":                        {web, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, true, true, nil, sockstate.Statuses{0, 0, 1, 0, 0, 0}},
		"http, close":                 {web, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false, true, false, nil, sockstate.Statuses{0, 0, 1, 0, 0, 0}},
		"http, not found":             {web, "HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\nno", false, true, true, nil, sockstate.Statuses{0, 0, 0, 0, 1, 0}},
		"http, 503":                   {web, "HTTP/1.1 503 \r\nContent-Length: 2\r\n\r\nno", false, true, true, ErrStatus, sockstate.Statuses{0, 0, 0, 0, 0, 1}},
		"http, chunked":               {web, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, true, true, nil, sockstate.Statuses{0, 0, 1, 0, 0, 0}},
		"http, until EOF":             {web, "HTTP/1.1 200 OK\r\n\r\nok", true, true, false, nil, sockstate.Statuses{0, 0, 1, 0, 0, 0}},
		"http, 500 until EOF":         {web, "HTTP/1.1 500 \r\n\r\nno", true, true, false, ErrStatus, sockstate.Statuses{0, 0, 0, 0, 0, 1}},
		"http, cut":                   {web, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", true, false, true, nil, sockstate.Statuses{}},
		"http, more than its length":  {web, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", false, true, true, ErrSurplus, sockstate.Statuses{0, 0, 1, 0, 0, 0}},
		"http, not HTTP":              {web, "SSH-2.0-x\r\n", false, false, true, errSSH, sockstate.Statuses{}},
		"http, moved":                 {web, "HTTP/1.1 301 \r\nContent-Length: 0\r\n\r\n", false, true, true, nil, sockstate.Statuses{0, 0, 0, 1, 0, 0}},
		"http, 999":                   {web, "HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n", false, false, true, errStatusRange, sockstate.Statuses{1, 0, 0, 0, 0, 0}},
		"http, 099":                   {web, "HTTP/1.1 099 \r\nContent-Length: 0\r\n\r\n", false, false, true, errStatusRange, sockstate.Statuses{1, 0, 0, 0, 0, 0}},
		"http, interim":               {web, "HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 \r\nA: b\r\n\r\nHTTP/1.1 204 \r\n\r\n", false, true, true, nil, sockstate.Statuses{0, 2, 1, 0, 0, 0}},
		"http, interim, then nothing": {web, "HTTP/1.1 100 \r\n\r\n", true, false, true, nil, sockstate.Statuses{0, 1, 0, 0, 0, 0}},
		"http, interim, then TLS":     {web, "HTTP/1.1 100 \r\n\r\n\x15\x03\x01", false, false, true, errAfterInterim, sockstate.Statuses{0, 1, 0, 0, 0, 0}},
		"http, 503 that is malformed": {web, "HTTP/1.1 503\r\nContent-Length: x\r\n\r\n", false, false, true, errLength, sockstate.Statuses{}},
	}
	for name, test := range tests {
		for size := 1; size <= len(test.in); size++ {
			x, c := NewClient(ClientConfig{Spec: test.spec, Host: "x"}), ClientConn{}
			x.Start(&c, false)
			var whole bool
			var err error
			var seen sockstate.Statuses
			in := test.in
			for ; len(in) > 0 && !whole && err == nil; in = in[min(size, len(in)):] {
				whole, err = x.Received(&c, []byte(in[:min(size, len(in))]), &seen)
			}
			if test.eof && !whole && err == nil {
				whole, err = x.EOF(&c, &seen)
			}
			want := test.err
			if errors.Is(want, ErrSurplus) && err == nil && whole && len(in) > 0 {
				want = nil // the surplus is in a piece of its own: nobody reads it as part of the reply
			}
			if whole != test.whole || !errors.Is(err, want) {
				t.Errorf("%s in pieces of %d: whole %v, error %v; want %v, %v", name, size, whole, err, test.whole, want)
			}
			if seen != test.seen {
				t.Errorf("%s in pieces of %d: statuses %v; want %v", name, size, seen, test.seen)
			}
			if test.whole && x.KeepAlive(&c) != test.keep {
				t.Errorf("%s: keep-alive is %v", name, !test.keep)
			}
		}
	}
}

// The standard library's server and client understand ours.
func TestStandardLibrary(t *testing.T) {
	t.Run("their server", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var closed atomic.Int64
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Close {
				closed.Add(1)
			}
			_, _ = io.WriteString(w, r.Header.Get("X-Say"))
		})}
		go func() { _ = srv.Serve(ln) }()
		defer srv.Close()
		x := NewClient(ClientConfig{
			Spec: Spec{Kind: HTTP, Path: "/a"}, Host: ln.Addr().String(),
			Headers: []string{"X-Say: hello"}, PeerCloses: true,
		})
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(hung))
		var c ClientConn
		const n = 3
		for i := range n {
			if _, err := conn.Write(x.Start(&c, i == n-1)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 4096)
			for whole := false; !whole; {
				m, err := conn.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				if whole, err = x.Received(&c, b[:m], new(sockstate.Statuses)); err != nil {
					t.Fatal(err)
				}
			}
			if x.KeepAlive(&c) != (i < n-1) {
				t.Errorf("keep-alive after reply %d: %v", i, x.KeepAlive(&c))
			}
		}
		if m, err := conn.Read(make([]byte, 1)); m != 0 || err != io.EOF {
			t.Errorf("after the last reply: %d bytes, error %v; want EOF", m, err)
		}
		if n := closed.Load(); n != 1 {
			t.Errorf("%d requests asked to close", n)
		}
	})
	t.Run("their client", func(t *testing.T) {
		p := newPair(t, Spec{Kind: HTTP, Path: "/"}, 1, 1)
		done := make(chan error, 1)
		go func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: hung}
			defer client.CloseIdleConnections()
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
				var in io.Reader
				if method == http.MethodPost {
					in = strings.NewReader(strings.Repeat("x", 100_000))
				}
				req, err := http.NewRequest(method, "http://"+p.dial.Remote.AddrPort().String()+"/", in)
				if err != nil {
					done <- err
					return
				}
				resp, err := client.Do(req)
				if err != nil {
					done <- err
					return
				}
				b, err := io.ReadAll(resp.Body)
				want := body
				if method == http.MethodHead {
					want = ""
				}
				if err != nil || string(b) != want || resp.StatusCode != 200 || resp.ContentLength != int64(len(body)) {
					done <- errors.Join(errors.New(method+": "+string(b)), err)
					return
				}
			}
			done <- nil
		}()
		for {
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
				return
			default:
			}
			if err := p.server.Wait(clock.Now() + 1e6); err != nil {
				t.Fatal(err)
			}
			if p.err != nil {
				t.Fatal(p.err)
			}
		}
	})
}

// FuzzClient gives a client any bytes for a reply. What it makes of them does not depend on how they are cut, but that bytes behind
// a reply may be in a piece that nobody reads; and what it refuses has a kind and one line to say.
func FuzzClient(f *testing.F) {
	for _, s := range []string{
		nginxReply, "HTTP/1.1 103 \r\n\r\nHTTP/1.1 404 \r\nContent-Length: 1\r\n\r\nxy", "HTTP/1.1 999 \r\n\r\n", "HTTP/1.0 503 \r\n\r\nno",
		"\x15\x03\x01\x00\x02\x02\x46", "SSH-2.0-\x1b[31m\r\n", "\x00\x00\x12\x04\x00\x00\x00\x00\x00", "HTTP/2 200\r\n\r\n", "220 \xff\u202e",
	} {
		f.Add([]byte(s), uint64(1))
	}
	type came struct {
		Whole bool
		Err   error
		Seen  sockstate.Statuses
		Code  int
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		read := func(cut func(int) int) (v came) {
			x, c := NewClient(ClientConfig{Spec: Spec{Kind: HTTP, Path: "/"}, Host: "x"}), ClientConn{}
			x.Start(&c, false)
			for rest := data; len(rest) > 0 && !v.Whole && v.Err == nil; {
				n := cut(len(rest))
				v.Whole, v.Err = x.Received(&c, rest[:n], &v.Seen)
				rest = rest[n:]
			}
			if !v.Whole && v.Err == nil {
				v.Whole, v.Err = x.EOF(&c, &v.Seen)
			}
			if v.Whole {
				v.Code = x.Status(&c)
			}
			if errors.Is(v.Err, ErrSurplus) {
				v.Err = nil
			}
			return v
		}
		got := read(whole)
		if again := read(randomly(seed)); again != got {
			t.Errorf("%q: whole %+v, in pieces %+v", data, got, again)
		}
		var replies int64
		for class, n := range got.Seen {
			if class > 1 {
				replies += n
			}
		}
		if got.Whole != (replies == 1) || got.Whole && got.Seen[got.Code/100] != 1 {
			t.Errorf("%q: %+v", data, got)
		}
		if got.Err == nil || errors.Is(got.Err, ErrStatus) {
			return
		}
		if s := Example(got.Err, data); FaultOf(got.Err) == sockstate.NoFault || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) || len(s) > 400 {
			t.Errorf("%q: fault %v, example %q", data, FaultOf(got.Err), s)
		}
	})
}

// FuzzServer gives a server any bytes for requests: each is answered with something that net/http reads, or
// the first that is none is refused so.
func FuzzServer(f *testing.F) {
	for _, s := range []string{
		"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD / HTTP/1.0\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
		"HEAD / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00", "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
	} {
		f.Add([]byte(s), uint64(1))
	}
	x := NewServer(Spec{Kind: HTTP, Path: "/"})
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		var c ServerConn
		l, cut := &sends{}, randomly(seed)
		x.Expect(&c)
		hears := func(status int) {
			method := http.MethodGet
			if c.request.Head() && status != http.StatusContinue {
				method = http.MethodHead
			}
			r, err := http.ReadResponse(bufio.NewReader(&l.out), &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%q: %v", data, err)
			}
			b, err := io.ReadAll(r.Body)
			if err != nil || status != 0 && r.StatusCode != status || status == 0 && (r.StatusCode < 400 || !r.Close || r.ContentLength < 1) {
				t.Fatalf("%q: status %d, %d bytes, %v", data, r.StatusCode, len(b), err)
			}
			l.out.Reset()
		}
		for len(data) > 0 {
			n := cut(len(data))
			used, whole, err := x.Received(&c, data[:n])
			switch {
			case err != nil:
				if !x.Refuse(l, 0, &c, err) {
					t.Fatalf("%q: no answer to %v", data, err)
				}
				hears(0)
				return
			case whole:
				x.Reply(l, 0, &c, false)
				hears(200)
				x.Expect(&c)
			case used != n:
				t.Fatalf("%d of %d bytes used", used, n)
			case x.Continue(l, 0, &c):
				hears(http.StatusContinue)
			}
			data = data[used:]
		}
	})
}
