package expose

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// mostConnections bounds the scrapers at a time, mostHead the bytes of a request.
	mostConnections = 16
	mostHead        = 16 << 10
	// idleAtMost is how long a connection may wait for its next request, readLimit how long that may take to come, and writeLimit its answer.
	idleAtMost = 2 * time.Minute
	readLimit  = 10 * time.Second
	writeLimit = 10 * time.Second
)

// Listener answers scrapes until it is closed.
type Listener struct {
	listener net.Listener
	figures  *Figures
	ended    sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// Listen listens on an address for scrapes of the figures. Close must be called.
func Listen(addr netip.AddrPort, f *Figures) (*Listener, error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	s := &Listener{listener: l, figures: f, conns: make(map[net.Conn]struct{})}
	s.ended.Go(s.accept)
	return s, nil
}

// Addr is the address, with its port.
func (s *Listener) Addr() netip.AddrPort {
	if a, ok := s.listener.Addr().(*net.TCPAddr); ok {
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// Close ends all connections and goroutines.
func (s *Listener) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close() // a scraper hears of it by its connection
	}
	s.mu.Unlock()
	_ = s.listener.Close() // it is open
	s.ended.Wait()
}

func (s *Listener) accept() {
	for {
		c, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // no descriptor is left: the load may have them
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if !s.keep(c) {
			_ = c.Close() // one too many
			continue
		}
		s.ended.Go(func() {
			defer s.drop(c)
			s.serve(c)
		})
	}
}

func (s *Listener) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= mostConnections {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Listener) drop(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	_ = c.Close() // the other side hears of it
}

// serve answers the requests of a connection. An error of it ends the connection.
func (s *Listener) serve(c net.Conn) {
	r := bufio.NewReaderSize(c, mostHead)
	for {
		_ = c.SetDeadline(time.Now().Add(idleAtMost)) // fails only if it is closed
		if _, err := r.Peek(1); err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(readLimit))
		q, err := readRequest(r)
		if errors.Is(err, errRequest) {
			q = request{status: "400 Bad Request", close: true}
		} else if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(writeLimit))
		if _, err := c.Write(s.reply(&q)); err != nil || q.close {
			return
		}
	}
}

// request is what matters of a request.
type request struct {
	status   string // of a refusal; empty: it gets the figures
	head     bool   // HEAD
	close    bool
	protobuf bool
}

// errRequest says that a request is none of HTTP/1, or too long.
var errRequest = errors.New("not a request")

// readRequest reads a request without a body.
func readRequest(r *bufio.Reader) (q request, err error) {
	first, err := readLine(r)
	if err != nil {
		return q, err
	}
	method, rest, _ := strings.Cut(first, " ")
	path, version, ok := strings.Cut(rest, " ")
	if !ok || !strings.HasPrefix(version, "HTTP/1.") || !strings.HasPrefix(path, "/") {
		return q, errRequest
	}
	path, _, _ = strings.Cut(path, "?")
	q.close = version == "HTTP/1.0"
	for n := len(first); ; {
		line, err := readLine(r)
		switch n += len(line); {
		case errors.Is(err, io.EOF):
			return q, io.ErrUnexpectedEOF
		case err != nil:
			return q, err
		case n > mostHead:
			return q, errRequest
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return q, errRequest
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "accept":
			q.protobuf = prefersProtobuf(value)
		case "connection":
			q.close = q.close || strings.EqualFold(value, "close")
		case "content-length", "transfer-encoding":
			q.close = true // its body stays unread
		}
	}
	q.head = method == "HEAD"
	switch {
	case method != "GET" && method != "HEAD":
		q.status = "405 Method Not Allowed"
	case path == "/":
		q.status = "302 Found"
	case path != Path:
		q.status = "404 Not Found"
	}
	return q, nil
}

// readLine reads a line without its end.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errRequest
	}
	return string(bytes.TrimRight(line, "\r\n")), err
}

// Path is where the figures are.
const Path = "/metrics"

// reply is the answer to a request.
func (s *Listener) reply(q *request) []byte {
	body, kind, status, more := []byte(q.status+"\n"), "text/plain", q.status, ""
	switch {
	case status == "":
		status, kind = "200 OK", textType
		if q.protobuf {
			kind = protobufType
		}
		body = s.figures.exposition(q.protobuf)
	case strings.HasPrefix(status, "302"):
		more = "Location: " + Path + "\r\n"
	case strings.HasPrefix(status, "405"):
		more = "Allow: GET, HEAD\r\n"
	}
	if q.close {
		more += "Connection: close\r\n"
	}
	b := fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n", status, kind, len(body), more)
	if q.head {
		return b
	}
	return append(b, body...)
}

// prefersProtobuf reports whether an Accept header wants protobuf at least as much as text (RFC 9110, section 12.5.1).
func prefersProtobuf(accept string) bool {
	protobuf, text := 0.0, 0.0
	for one := range strings.SplitSeq(accept, ",") {
		kind, params, _ := strings.Cut(one, ";")
		q, family, delimited := 1.0, "", false
		for p := range strings.SplitSeq(params, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
			switch strings.ToLower(name) {
			case "q":
				if v, err := strconv.ParseFloat(value, 64); err == nil {
					q = v
				}
			case "proto":
				family = value
			case "encoding":
				delimited = value == "delimited"
			}
		}
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "application/vnd.google.protobuf":
			if family == "io.prometheus.client.MetricFamily" && delimited {
				protobuf = max(protobuf, q)
			}
		case "text/plain", "text/*", "*/*", "application/openmetrics-text":
			text = max(text, q)
		}
	}
	return protobuf > 0 && protobuf >= text
}
