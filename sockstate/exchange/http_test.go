package exchange

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// verdict is what a parser makes of some bytes and the end of the connection after them.
type verdict struct {
	Err      error
	Complete bool
	Consumed int
	Status   int // or 1 for the method HEAD
	Keep     bool
	Slow     bool
	Interim  int
}

// parser is what the tests need of both.
type parser interface {
	Feed([]byte) (int, bool, error)
}

// feed hands data over in pieces that end at cut(rest).
func feed(t testing.TB, p parser, data []byte, cut func(rest int) int) (v verdict) {
	t.Helper()
	for v.Consumed < len(data) {
		rest := data[v.Consumed:]
		piece := rest[:cut(len(rest))]
		n, done, err := p.Feed(piece)
		if r, ok := p.(*replyParser); ok && r.Interim() {
			v.Interim++
			v.Consumed += n
			continue
		}
		if err != nil {
			if _, again, err2 := p.Feed(piece); again || err2 != err {
				t.Errorf("Feed after the error %v: %v, %v", err, again, err2)
			}
			return verdict{Err: err}
		}
		v.Consumed += n
		if r, ok := p.(*requestParser); ok {
			r.Awaited() // which changes nothing of what follows
		}
		if done {
			if n, done, err := p.Feed(rest); n != 0 || !done || err != nil {
				t.Errorf("Feed after the end: %d, %v, %v", n, done, err)
			}
			v.Complete = true
			return v
		}
		if n != len(piece) {
			t.Fatalf("Feed consumed %d of %d bytes, not done", n, len(piece))
		}
	}
	return v
}

func whole(n int) int { return n }

func bytewise(int) int { return 1 }

func readReply(t testing.TB, data []byte, cut func(int) int) verdict {
	t.Helper()
	var p replyParser
	v := feed(t, &p, data, cut)
	if v.Err == nil {
		v.Complete = p.EOF()
	}
	if v.Complete {
		v.Status, v.Keep = p.Status(), p.KeepAlive()
	}
	return v
}

func readRequest(t testing.TB, data []byte, cut func(int) int) verdict {
	t.Helper()
	var p requestParser
	v := feed(t, &p, data, cut)
	if v.Complete {
		v.Keep, v.Slow = p.KeepAlive(), p.Slow()
		if p.Head() {
			v.Status = 1
		}
	}
	return v
}

func TestReply(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name, data, rest string
		want             verdict // Consumed is len(data)
	}{
		{name: "length", data: ok + "Content-Length: 5\r\n\r\nhello", rest: "HTTP", want: verdict{Status: 200, Keep: true}},
		{name: "length zero", data: ok + "content-length:0\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "length in spaces", data: ok + "Content-Length: \t 1 \t\r\n\r\nx", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "bare LF", data: "HTTP/1.1 404 Not Found\nContent-Length: 1\n\nx", rest: "x", want: verdict{Status: 404, Keep: true}},
		{name: "no reason", data: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "empty reason", data: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "close", data: ok + "Connection: close\r\nContent-Length: 0\r\n\r\n", want: verdict{Status: 200}},
		{name: "close in a list", data: ok + "Connection: foo ,CLOSE , keep-alive\r\nContent-Length: 0\r\n\r\n", want: verdict{Status: 200}},
		{name: "close in two words", data: ok + "Connection: close it\r\nContent-Length: 0\r\n\r\n", want: verdict{Status: 200, Keep: true}},
		{name: "closed", data: ok + "Connection: closed\r\nContent-Length: 0\r\n\r\n", want: verdict{Status: 200, Keep: true}},
		{name: "HTTP/1.0", data: "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", want: verdict{Status: 200}},
		{name: "HTTP/1.0 kept", data: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", want: verdict{Status: 200, Keep: true}},
		{name: "HTTP/1.3", data: "HTTP/1.3 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "Host in a reply", data: ok + "Host: a b\r\nHost: c\r\nContent-Length: 0\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "until EOF", data: ok + "\r\nhello", want: verdict{Status: 200}},
		{name: "until EOF, empty", data: ok + "Connection: keep-alive\r\n\r\n", want: verdict{Status: 200}},
		{name: "204", data: "HTTP/1.1 204 No Content\r\n\r\n", rest: "x", want: verdict{Status: 204, Keep: true}},
		{name: "304 with length", data: "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", rest: "x", want: verdict{Status: 304, Keep: true}},
		{name: "interim", data: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nConnection: close\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", rest: "x", want: verdict{Status: 200, Keep: true, Interim: 2}},
		{name: "chunked", data: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0A\r\n0123456789\r\n0\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "chunked, case", data: ok + "transfer-encoding:CHUNKED \r\n\r\n0\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "padded chunk", data: ok + "Transfer-Encoding: chunked\r\n\r\n1   \r\nx\r\n000\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "chunk extension", data: ok + "Transfer-Encoding: chunked\r\n\r\n1;a=\"b;c\"\r\nx\r\n0;z\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "trailers", data: ok + "Trailer: A, B\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nContent-Length: 9\r\n\r\n", rest: "x", want: verdict{Status: 200, Keep: true}},
		{name: "largest length", data: ok + "Content-Length: 9223372036854775807\r\n\r\nx", want: verdict{}},
		{name: "cut in the header", data: ok + "Content-Le", want: verdict{}},
		{name: "cut before the last LF", data: ok + "\r", want: verdict{}},
		{name: "cut in the body", data: ok + "Content-Length: 2\r\n\r\nx", want: verdict{}},
		{name: "cut in a chunk", data: ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nx", want: verdict{}},
		{name: "cut in the trailers", data: ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n", want: verdict{}},
		{name: "nothing", data: "", want: verdict{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Complete = tt.want.Status != 0
			tt.want.Consumed = len(tt.data)
			data := []byte(tt.data + tt.rest)
			for _, cut := range []func(int) int{whole, bytewise} {
				if diff := cmp.Diff(tt.want, readReply(t, data, cut)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
			againstReadResponse(t, data)
		})
	}
}

func TestReplyRefused(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name, data string
		want       framingError
	}{
		{"SSH", "SSH-2.0-OpenSSH_9.6\r\n", errSSH},
		{"almost SSH", "SSHD\r\n", errNotHTTP},
		{"TLS alert", "\x15\x03\x01\x00\x02\x02\x46", errTLS},
		{"TLS handshake", "\x16\x03\x03\x00\x7a\x02", errTLS},
		{"almost TLS", "\x15\x04\x01", errNotHTTP},
		{"HTTP/2 settings", "\x00\x00\x12\x04\x00\x00\x00\x00\x00", errHTTP2},
		{"HTTP/2 goaway", "\x00\x00\x08\x07\x00\x00\x00\x00\x00", errHTTP2},
		{"almost HTTP/2", "\x00\x00\x08\x01\x00\x00\x00\x00\x00", errNotHTTP},
		{"SMTP", "220 mail ESMTP\r\n", errNotHTTP},
		{"ICY", "ICY 200 OK\r\n", errNotHTTP},
		{"RTSP", "RTSP/1.0 400 Bad Request\r\n", errNotHTTP},
		{"HTTP alone", "HTTP\r\n", errNotHTTP},
		{"HTTP/x", "HTTP/x 200\r\n", errNotHTTP},
		{"HTTP/1.x", "HTTP/1.x 200\r\n", errNotHTTP},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", errVersion},
		{"HTTP/1.10", "HTTP/1.10 200 OK\r\n\r\n", errStartLine},
		{"lower case", "http/1.1 200 OK\r\n\r\n", errNotHTTP},
		{"empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", errNotHTTP},
		{"no space", "HTTP/1.1200 OK\r\n\r\n", errStartLine},
		{"two spaces", "HTTP/1.1  200 OK\r\n\r\n", errStatusCode},
		{"two digits", "HTTP/1.1 20 OK\r\n\r\n", errStatusCode},
		{"four digits", "HTTP/1.1 2000 OK\r\n\r\n", errStatusCode},
		{"099", "HTTP/1.1 099 OK\r\n\r\n", errStatusRange},
		{"000", "HTTP/1.1 000 OK\r\n\r\n", errStatusRange},
		{"600", "HTTP/1.1 600 OK\r\n\r\n", errStatusRange},
		{"999", "HTTP/1.1 999 OK\r\n\r\n", errStatusRange},
		{"signed", "HTTP/1.1 +20 OK\r\n\r\n", errStatusCode},
		{"101", "HTTP/1.1 101 Switching Protocols\r\n\r\n", errUpgrade},
		{"control in the reason", "HTTP/1.1 200 \x01\r\n\r\n", errField},
		{"CR alone", "HTTP/1.1 200 OK\rX", errLineEnd},
		{"CR alone in a value", ok + "A: b\rC: d\r\n\r\n", errLineEnd},
		{"CR CR LF", ok + "A: b\r\r\n\r\n", errLineEnd},
		{"NUL in a value", ok + "A: \x00\r\n\r\n", errField},
		{"folded", ok + "A: b\r\n c\r\n\r\n", errFolded},
		{"folded length", ok + "Content-Length:\r\n 1\r\n\r\n", errLength},
		{"folded at once", ok + "\tA: b\r\n\r\n", errFolded},
		{"no colon", ok + "A\r\n\r\n", errField},
		{"no name", ok + ": b\r\n\r\n", errField},
		{"space before the colon", ok + "Content-Length : 1\r\n\r\nx", errField},
		{"length empty", ok + "Content-Length: \r\n\r\n", errLength},
		{"length negative", ok + "Content-Length: -1\r\n\r\n", errLength},
		{"length signed", ok + "Content-Length: +1\r\n\r\n", errLength},
		{"length hexadecimal", ok + "Content-Length: 0x1\r\n\r\n", errLength},
		{"length list", ok + "Content-Length: 1, 1\r\n\r\n", errLength},
		{"length in two words", ok + "Content-Length: 1 1\r\n\r\n", errLength},
		{"length overflow", ok + "Content-Length: 9223372036854775808\r\n\r\n", errLength},
		{"length far overflow", ok + "Content-Length: 100000000000000000000000\r\n\r\n", errLength},
		{"two lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", errLengthRepeated},
		{"one length twice", ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", errLengthRepeated},
		{"length and chunked", ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", errLengthAndCoding},
		{"chunked and length", ok + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", errLengthAndCoding},
		{"gzip", ok + "Transfer-Encoding: gzip\r\n\r\n", errCoding},
		{"gzip, chunked", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", errCoding},
		{"chunked, empty", ok + "Transfer-Encoding: chunked,\r\n\r\n", errCoding},
		{"chunked twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", errCoding},
		{"identity", ok + "Transfer-Encoding: identity\r\n\r\n", errCoding},
		{"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", errCoding},
		{"trailer that frames", ok + "Trailer: A, Content-Length\r\n\r\n", errTrailer},
		{"chunk empty", chunked + "\r\n", errChunk},
		{"chunk negative", chunked + "-1\r\n", errChunk},
		{"chunk prefixed", chunked + "0x1\r\n", errChunk},
		{"chunk with bare LF", chunked + "1\nx\r\n0\r\n\r\n", errChunk},
		{"chunk without CRLF", chunked + "1\r\nxy\r\n", errChunk},
		{"chunk overflow", chunked + "8000000000000000\r\n", errChunk},
		{"chunk of 17 digits", chunked + "00000000000000001\r\n", errChunk},
		{"chunk space before extension", chunked + "1 ;a\r\n", errChunk},
		{"LF in a chunk extension", chunked + "1;a\n\r\n", errChunk},
		{"CR in a chunk extension", chunked + "1;a\rb\r\n", errChunk},
		{"long chunk extension", chunked + "1;" + strings.Repeat("a", 300) + "\r\n", errChunk},
		{"many chunk extensions", chunked + strings.Repeat("1;"+strings.Repeat("a", 200)+"\r\nx\r\n", 90), errHeaderTooLarge},
		{"bare LF after the last chunk", chunked + "0\r\n\n", errLineEnd},
		{"bare LF in the trailers", chunked + "0\r\nA: b\n\r\n", errLineEnd},
		{"folded trailer", chunked + "0\r\nA: b\r\n c\r\n\r\n", errFolded},
		{"header too large", ok + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 70), errHeaderTooLarge},
		{"100 with a body", "HTTP/1.1 100 X\r\nContent-Length: 5\r\n\r\nhello", errAfterInterim},
		{"100 with a body of HTTP's first letter", "HTTP/1.1 100 X\r\n\r\nHello", errAfterInterim},
		{"100 with a body like TLS", "HTTP/1.1 100 X\r\n\r\n\x15", errAfterInterim},
		{"100, then another version", "HTTP/1.1 100 X\r\n\r\nHTTP/2.0 200 OK\r\n", errVersion},
		{"endless interim replies", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 3000), errHeaderTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, cut := range []func(int) int{whole, bytewise} {
				if v := readReply(t, []byte(tt.data), cut); v.Err != tt.want {
					t.Errorf("got %v, want %v", v.Err, tt.want)
				}
			}
		})
	}
}

// The bound on the header is on the byte.
func TestHeaderBound(t *testing.T) {
	const begin, end = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: ", "\r\n\r\n"
	fits := begin + strings.Repeat("b", maxHeader-len(begin)-len(end)) + end
	if v := readReply(t, []byte(fits), whole); !v.Complete || v.Consumed != maxHeader {
		t.Errorf("%d bytes: %+v", len(fits), v)
	}
	longer := begin + "b" + fits[len(begin):]
	if v := readReply(t, []byte(longer), whole); v.Err != errHeaderTooLarge {
		t.Errorf("%d bytes: %v, want %v", len(longer), v.Err, errHeaderTooLarge)
	}
}

func TestRequest(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: x\r\n"
	tests := []struct {
		name, data, rest string
		want             verdict
	}{
		{name: "GET", data: get + "\r\n", rest: "GET", want: verdict{Keep: true}},
		{name: "bare LF", data: "GET /a?b=%zz HTTP/1.1\nhost: x\n\n", rest: "x", want: verdict{Keep: true}},
		{name: "absolute", data: "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", want: verdict{Keep: true}},
		{name: "slow", data: "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", want: verdict{Keep: true, Slow: true}},
		{name: "slower", data: "GET /slower/x?y HTTP/1.1\r\nHost: x\r\n\r\n", want: verdict{Keep: true, Slow: true}},
		{name: "almost slow", data: "GET /slo HTTP/1.1\r\nHost: x\r\n\r\n", want: verdict{Keep: true}},
		{name: "slow elsewhere", data: "GET /x/slow HTTP/1.1\r\nHost: x\r\n\r\n", want: verdict{Keep: true}},
		{name: "asterisk", data: "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", want: verdict{Keep: true}},
		{name: "HEAD", data: "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", want: verdict{Status: 1, Keep: true}},
		{name: "HEADER", data: "HEADER / HTTP/1.1\r\nHost: x\r\n\r\n", want: verdict{Keep: true}},
		{name: "close", data: get + "Connection: close\r\n\r\n", want: verdict{}},
		{name: "HTTP/1.0", data: "GET / HTTP/1.0\r\n\r\n", want: verdict{}},
		{name: "HTTP/1.0 kept", data: "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", want: verdict{Keep: true}},
		{name: "HTTP/1.3", data: "GET / HTTP/1.3\r\nHost: x\r\n\r\n", want: verdict{Keep: true}},
		{name: "HTTP/1.9 closing", data: "GET / HTTP/1.9\r\nHost: x\r\nConnection: close\r\n\r\n", want: verdict{}},
		{name: "Host with a port", data: "GET / HTTP/1.1\r\nHost:\t a-b.example:80 \t\r\n\r\n", want: verdict{Keep: true}},
		{name: "Host IPv6", data: "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]:80\r\n\r\n", want: verdict{Keep: true}},
		{name: "Host empty", data: "GET / HTTP/1.1\r\nHost:\r\n\r\n", want: verdict{Keep: true}},
		{name: "Host blank", data: "GET / HTTP/1.1\r\nHost: \r\n\r\n", want: verdict{Keep: true}},
		{name: "empty lines first", data: "\r\n\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", rest: "\r\n", want: verdict{Keep: true}},
		{name: "Expect", data: "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nab", want: verdict{Keep: true}},
		{name: "Expect without a body", data: "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", want: verdict{Keep: true}},
		{name: "length", data: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", rest: "x", want: verdict{Keep: true}},
		{name: "chunked", data: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n", rest: "x", want: verdict{Keep: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Complete = true
			tt.want.Consumed = len(tt.data)
			data := []byte(tt.data + tt.rest)
			for _, cut := range []func(int) int{whole, bytewise} {
				if diff := cmp.Diff(tt.want, readRequest(t, data, cut)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
			againstReadRequest(t, data)
		})
	}
}

func TestRequestRefused(t *testing.T) {
	tests := []struct {
		name, data string
		want       framingError
	}{
		{"CR first", "\rGET / HTTP/1.1\r\n", errStartLine},
		{"not a version", "GET / FTP/1.1\r\n", errStartLine},
		{"HTTP/x", "GET / HTTP/x\r\n", errStartLine},
		{"HTTP/1.x", "GET / HTTP/1.x\r\n", errStartLine},
		{"HTTP/3.0", "GET / HTTP/3.0\r\n\r\n", errVersion},
		{"HTTP/1.10", "GET / HTTP/1.10\r\n\r\n", errStartLine},
		{"HTTP/1.2 without Host", "GET / HTTP/1.2\r\n\r\n", errHost},
		{"folded", "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", errFolded},
		{"bare CR", "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", errLineEnd},
		{"space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", errField},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", errLengthRepeated},
		{"bad length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", errLength},
		{"target too large", "GET /" + strings.Repeat("a", 70_000), errTargetTooLarge},
		{"header too large", "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 70_000), errHeaderTooLarge},
		{"endless empty lines", strings.Repeat("\r\n", 40_000), errHeaderTooLarge},
		{"no method", " / HTTP/1.1\r\n", errStartLine},
		{"no target", "GET  HTTP/1.1\r\n", errStartLine},
		{"HTTP/0.9", "GET /\r\n", errStartLine},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errVersion},
		{"TLS", "\x16\x03\x01\x02\x00\x01", errStartLine},
		{"space after the version", "GET / HTTP/1.1 \r\n", errStartLine},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", errHost},
		{"Host in two words", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", errHost},
		{"Host with a tab", "GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n", errHost},
		{"Host with a control character", "GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n", errHost},
		{"Host with a path", "GET / HTTP/1.1\r\nHost: a/\r\n\r\n", errHost},
		{"Host with a query", "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", errHost},
		{"Host with a fragment", "GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", errHost},
		{"Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", errHost},
		{"Host with a second", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", errHost},
		{"Host that is not ASCII", "GET / HTTP/1.1\r\nHost: \u00e4\r\n\r\n", errHost},
		{"Host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", errHost},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", errHost},
		{"length and chunked", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", errLengthAndCoding},
		{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", errCoding},
		{"endless target", "GET /" + strings.Repeat("a", 70000), errTargetTooLarge},
		{"endless method", strings.Repeat("A", 70000), errHeaderTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, cut := range []func(int) int{whole, bytewise} {
				if v := readRequest(t, []byte(tt.data), cut); v.Err != tt.want {
					t.Errorf("got %v, want %v", v.Err, tt.want)
				}
			}
		})
	}
}

func TestRequestIdle(t *testing.T) {
	var p requestParser
	step := func(in string, idle, done bool) {
		t.Helper()
		if _, got, err := p.Feed([]byte(in)); got != done || err != nil {
			t.Errorf("after %q: done %v, error %v", in, got, err)
		}
		if p.Idle() != idle {
			t.Errorf("after %q: idle %v", in, p.Idle())
		}
	}
	step("", true, false)
	step("P", false, false)
	step("UT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", false, false)
	step("x", false, false)
	step("y", false, true)
	p.Reset()
	step("", true, false)
}

// A client that waits for 100 (Continue) is told once, and only one that waits.
func TestRequestAwaited(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: x\r\n"
	for _, tt := range []struct {
		name, data string
		want       bool
	}{
		{"length", post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", true},
		{"chunked", post + "Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n", true},
		{"in a list", post + "Expect: x, 100-continue\r\nContent-Length: 2\r\n\r\n", true},
		{"not asked", post + "Content-Length: 2\r\n\r\n", false},
		{"something else", post + "Expect: 101-continue\r\nContent-Length: 2\r\n\r\n", false},
		{"header not over", post + "Expect: 100-continue\r\nContent-Length: 2\r\n", false},
		{"some of the body has come", post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\na", false},
		{"no body", post + "Expect: 100-continue\r\n\r\n", false},
		{"empty body", post + "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", false},
		{"HTTP/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", false},
	} {
		var p requestParser
		if _, _, err := p.Feed([]byte(tt.data)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := p.Awaited(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if p.Awaited() {
			t.Errorf("%s: told twice", tt.name)
		}
	}
}

// againstReadResponse fails where the parser completes what ReadResponse does not,
// or elsewhere, or does not complete what it accepts.
func againstReadResponse(t testing.TB, data []byte) {
	t.Helper()
	got := readReply(t, data, whole)
	if got.Err != nil {
		return
	}
	src := bytes.NewReader(data)
	r := bufio.NewReaderSize(src, 1<<17)
	var want verdict
	for {
		resp, err := http.ReadResponse(r, nil)
		if err == nil && resp.StatusCode/100 == 1 {
			continue
		}
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		if err == nil {
			want = verdict{Complete: true, Consumed: len(data) - src.Len() - r.Buffered(), Status: resp.StatusCode, Keep: !resp.Close}
		}
		break
	}
	if !got.Complete {
		got = verdict{}
	}
	got.Interim = 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q: -ReadResponse +replyParser:\n%s", data, diff)
	}
}

func againstReadRequest(t testing.TB, data []byte) {
	t.Helper()
	got := readRequest(t, data, whole)
	if got.Err != nil {
		return
	}
	blank := len(data) - len(bytes.TrimLeft(data, "\r\n")) // which ReadRequest does not ignore
	src := bytes.NewReader(data[blank:])
	r := bufio.NewReaderSize(src, 1<<17)
	req, err := http.ReadRequest(r)
	if _, target := errors.AsType[*url.Error](err); target {
		return
	}
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	var want verdict
	if err == nil {
		want = verdict{Complete: true, Consumed: len(data) - src.Len() - r.Buffered(), Keep: !req.Close, Slow: strings.HasPrefix(req.RequestURI, SlowPath)}
		if req.Method == http.MethodHead {
			want.Status = 1
		}
	}
	if !got.Complete {
		got = verdict{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q: -ReadRequest +requestParser:\n%s", data, diff)
	}
}

// Messages put together from the fragments that framing depends on reach further
// than what a fuzzer finds by itself.
func TestAgainstTheStandardLibrary(t *testing.T) {
	first := [2][]string{
		{"HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 204 No Content", "HTTP/1.1 304", "HTTP/1.1 100 Continue", "HTTP/1.1 500 ", "HTTP/1.3 200 OK"},
		{"GET / HTTP/1.1", "HEAD / HTTP/1.1", "POST /a HTTP/1.1", "POST / HTTP/1.0", "GET /slow HTTP/1.1", "GET /slo HTTP/1.0", "PUT /slower?x HTTP/1.1", "GET / HTTP/1.3"},
	}
	fragments := []string{
		"Host: x", "Host: a b", "Content-Length: 5", "Content-Length: 0", "Content-Length:5 ", "content-length: 05", "Content-Length: 1_0",
		"Content-Length", "Content-Lengthy: 3", "Transfer-Encoding: chunked", "Transfer-Encoding: x,chunked", "TRANSFER-ENCODING:  Chunked",
		"Transfer-Encoding", "Connection: close", "Connection: keep-alive", "Connection: a, close", "Connection: close\t,b", "Connection:", "Connection: x close",
		"Connection: keep-alive, x", "Trailer: A", "Trailer: B,content-length", "Expect: 100-continue", "Expect:", "EXPECT: x, 100-Continue", " folded", "\tfolded", "A : b", ": b", "A: b\r", "A: \x7f", "Con: x",
	}
	bodies := []string{
		"", "hello", "5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\nA: b\r\n\r\n", "5;x\r\nhello\r\n0;y\r\n\r\n", "5\nhello\n0\n\n", "0\r\n\r\n", "0\r\n",
		"00\r\nA: b\n\n\r\n\r\n", "5\r\nhello", "ffffffffffffffff\r\n", "5 ;x\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "0\r\nTransfer-Encoding: x\r\nA: \r\n\r\nrest",
	}
	ends := []string{"\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"}
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	complete := 0
	for range 60000 {
		kind := r.IntN(2)
		msg := pick(first[kind]) + pick(ends[:5])
		if kind == 1 {
			msg += "Host: x\r\n"
		}
		for range r.IntN(4) {
			msg += pick(fragments) + pick(ends)
		}
		msg += pick(ends[:5]) + pick(bodies)
		if r.IntN(4) == 0 {
			msg += pick(bodies)
		}
		if r.IntN(20) == 0 {
			msg = msg[:r.IntN(len(msg)+1)]
		}
		data := []byte(msg)
		if kind == 0 {
			againstReadResponse(t, data)
			v := readReply(t, data, whole)
			if diff := cmp.Diff(v, readReply(t, data, randomly(r.Uint64()))); diff != "" {
				t.Errorf("%q: -whole +in pieces:\n%s", data, diff)
			}
			if v.Complete {
				complete++
			}
			continue
		}
		againstReadRequest(t, data)
		if readRequest(t, data, whole).Complete {
			complete++
		}
	}
	if complete < 10000 {
		t.Errorf("only %d messages were complete", complete)
	}
}

func randomly(seed uint64) func(int) int {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(n int) int { return 1 + r.IntN(n) }
}

func FuzzReply(f *testing.F) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, s := range []string{
		nginxReply,
		ok + "Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5;x=\"y\"\r\nhello\r\n0\r\nA: b\r\n\r\nHTTP",
		"HTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.0 304 x\nConnection: keep-alive, close\nContent-Length: 5\n\n",
		ok + "Content-Length: 1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\nx",
		ok + "Connection: close\r\nContent-Length : 1\r\nfoo: bar\r\n baz\r\n\r\nx",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 999 x\r\n\r\n",
		"\x15\x03\x01\x00\x02\x02\x46", "SSH-2.0-OpenSSH_9.6\r\n", "\x00\x00\x12\x04\x00\x00\x00\x00\x00", "HTTP/2 200\r\n\r\n",
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		againstReadResponse(t, data)
		want := readReply(t, data, whole)
		for _, cut := range []func(int) int{bytewise, randomly(seed)} {
			if diff := cmp.Diff(want, readReply(t, data, cut)); diff != "" {
				t.Errorf("%q: -whole +in pieces:\n%s", data, diff)
			}
		}
	})
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET",
		"HEAD http://x/?a=%zz HTTP/1.0\nConnection: keep-alive\n\n",
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabcd",
		"GET /slow/path HTTP/1.1\r\nHost: x\r\n\r\n",
		"\r\n\nPOST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/x\r\n\r\n", "GET / HTTP/1.1\r\nExpect: \r\n\r\n",
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		againstReadRequest(t, data)
		want := readRequest(t, data, whole)
		for _, cut := range []func(int) int{bytewise, randomly(seed)} {
			if diff := cmp.Diff(want, readRequest(t, data, cut)); diff != "" {
				t.Errorf("%q: -whole +in pieces:\n%s", data, diff)
			}
		}
	})
}

// A connection embeds a parser; a million of them must not be seen by the collector.
func TestParserSize(t *testing.T) {
	if n := unsafe.Sizeof(replyParser{}); n > 16 {
		t.Errorf("a replyParser takes %d bytes", n)
	}
	if n := unsafe.Sizeof(requestParser{}); n > 16 {
		t.Errorf("a requestParser takes %d bytes", n)
	}
}

func TestParsersDoNotAllocate(t *testing.T) {
	good, bad := []byte(nginxReply), []byte("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")
	var p replyParser
	n := testing.AllocsPerRun(100, func() {
		p.Reset()
		_, _, _ = p.Feed(good)
		p.Reset()
		_, _, _ = p.Feed(bad)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

const nginxReply = "HTTP/1.1 200 OK\r\nServer: nginx/1.26.3\r\nDate: Sat, 21 Nov 2026 10:11:12 GMT\r\n" +
	"Content-Type: text/html\r\nContent-Length: 12\r\nLast-Modified: Sat, 21 Nov 2026 09:00:00 GMT\r\n" +
	"Connection: keep-alive\r\nETag: \"6740f2a0-c\"\r\nAccept-Ranges: bytes\r\n\r\nhello, world"

func BenchmarkReply(b *testing.B) {
	data := []byte(nginxReply)
	var p replyParser
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		p.Reset()
		if _, done, err := p.Feed(data); !done || err != nil {
			b.Fatal(done, err)
		}
	}
}

func BenchmarkReplyChunked(b *testing.B) {
	data := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
		strings.Repeat("1000\r\n"+strings.Repeat("x", 0x1000)+"\r\n", 4) + "0\r\n\r\n")
	var p replyParser
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		p.Reset()
		if _, done, err := p.Feed(data); !done || err != nil {
			b.Fatal(done, err)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	data := AppendRequest(nil, "127.0.0.1:8080", "/", nil, false)
	var p requestParser
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		p.Reset()
		if _, done, err := p.Feed(data); !done || err != nil {
			b.Fatal(done, err)
		}
	}
}
