package expose

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t testing.TB, f *Figures) *Listener {
	t.Helper()
	l, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// What Prometheus is written in can read the answers.
func TestScrape(t *testing.T) {
	l := listen(t, Run(testBuild))
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	const both = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q="
	for _, tt := range []struct{ method, path, accept, status, kind string }{
		{"GET", "/metrics", "", "200 OK", textType},
		{"GET", "/metrics?x=1", "text/plain", "200 OK", textType},
		{"HEAD", "/metrics", "", "200 OK", textType},
		{"GET", "/", "", "200 OK", textType}, // by way of the redirection
		{"GET", "/metrics", both + "0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1", "200 OK", protobufType},
		{"GET", "/metrics", both + "0.3,text/plain;version=0.0.4;q=0.4", "200 OK", textType},
		{"GET", "/metrics", "application/vnd.google.protobuf", "200 OK", textType},
		{"GET", "/metrics", both + "0", "200 OK", textType},
		{"GET", "/other", "", "404 Not Found", "text/plain"},
		{"POST", "/metrics", "", "405 Method Not Allowed", "text/plain"},
	} {
		q, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+l.Addr().String()+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Accept", tt.accept)
		r, err := client.Do(q)
		if err != nil {
			t.Fatalf("%s %s: %v", tt.method, tt.path, err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Body.Close() != nil {
			t.Fatal(err)
		}
		if r.Status != tt.status || r.Header.Get("Content-Type") != tt.kind || (len(body) == 0) != (tt.method == "HEAD") {
			t.Errorf("%s %s, accepting %q: %s, %s, %d bytes; want %s, %s", tt.method, tt.path, tt.accept, r.Status, r.Header.Get("Content-Type"), len(body), tt.status, tt.kind)
		}
	}
}

// What is no request is refused, or ends the connection, and never more than that.
func TestBadRequests(t *testing.T) {
	l := listen(t, Run(testBuild))
	for _, tt := range []struct{ sent, want string }{
		{"GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
		{"GET /metrics HTTP/1.1\nConnection: close\n\n", "HTTP/1.1 200 OK\r\n"},
		{"GET /metrics HTTP/2.0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"\x16\x03\x01\x02\x00\x01\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"GET /metrics HTTP/1.1\r\nno header\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"GET /metrics HTTP/1.1\r\nX: " + strings.Repeat("x", mostHead) + "\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"GET /metrics HTTP/1.1\r\n" + strings.Repeat("X: 0123456789\r\n", mostHead/10) + "\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 Method Not Allowed\r\n"},
		{"GET /metrics HTTP/1.1\r\n", ""},
		{"", ""},
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, tt.sent) // it may be refused before its end
		if tt.want == "" {
			_ = c.(*net.TCPConn).CloseWrite()
		}
		got, err := bufio.NewReader(c).ReadString('\n')
		if got != tt.want {
			t.Errorf("%.60q: %q, %v; want %q", tt.sent, got, err, tt.want)
		}
		_ = c.Close()
	}
}

// deadlined tells the deadlines that are set.
type deadlined struct {
	net.Conn
	set chan time.Duration
}

func (d deadlined) SetDeadline(t time.Time) error {
	d.set <- time.Until(t)
	return nil
}

// A request that has begun has less time than one that has not: slow ones cannot keep the others out for long.
func TestSlowRequest(t *testing.T) {
	near, far := net.Pipe()
	d, ended := deadlined{near, make(chan time.Duration)}, make(chan struct{})
	go func() {
		(&Listener{figures: Run(testBuild)}).serve(d)
		close(ended)
	}()
	if left := <-d.set; left <= readLimit {
		t.Errorf("a connection has %v", left)
	}
	if _, err := io.WriteString(far, "G"); err != nil {
		t.Fatal(err)
	}
	if left := <-d.set; left > readLimit {
		t.Errorf("a request has %v", left)
	}
	_ = far.Close()
	<-ended
}

// A listener that is closed has no connection any more, and no goroutine, although scrapers are there.
func TestClose(t *testing.T) {
	l, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), Run(testBuild))
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for range mostConnections + 4 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	l.Close()
	for _, c := range conns {
		if b, err := io.ReadAll(c); len(b) > 0 {
			t.Errorf("read %q, %v", b, err)
		}
		_ = c.Close()
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("it still listens")
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain;q=0.5, */*\r\n\r\n")
	f.Add("POST / HTTP/1.0\nContent-Length: 1\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		q, err := readRequest(bufio.NewReaderSize(strings.NewReader(s), mostHead))
		if err == nil && q.status == "" && !strings.Contains(s, Path) {
			t.Errorf("%q gets the figures", s)
		}
	})
}
