package exchange

import (
	"fmt"
	"strconv"
	"strings"
)

const agent = "lastack"

// AppendRequest appends a GET for path to dst. host is the authority of the target
// ("10.0.0.1:80"). headers are lines that passed [ParseHeader]; a Host or
// User-Agent among them takes the place of the default. With close set, the
// request asks the server to close after the reply.
func AppendRequest(dst []byte, host, path string, headers []string, close bool) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, path...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	if !hasField(headers, "Host") {
		dst = append(dst, "Host: "...)
		dst = append(dst, host...)
		dst = append(dst, "\r\n"...)
	}
	if !hasField(headers, "User-Agent") {
		dst = append(dst, "User-Agent: "+agent+"\r\n"...)
	}
	for _, h := range headers {
		dst = append(dst, h...)
		dst = append(dst, "\r\n"...)
	}
	return appendConnection(dst, close)
}

// AppendReply appends a reply with body to dst; a status that has no body (1xx,
// 204, 304) gets none.
func AppendReply(dst []byte, status int, body []byte, close bool) []byte {
	dst = AppendReplyHead(dst, status, len(body), close)
	if !bodiless(status) {
		dst = append(dst, body...)
	}
	return dst
}

// AppendReplyHead appends the header section of a reply whose body has the given
// length: the whole reply to a HEAD. It has no Date: the bytes of a reply are
// built once, and lastack stands for a server without a clock (RFC 9110, section 6.6.1).
func AppendReplyHead(dst []byte, status, length int, close bool) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, reason(status)...)
	dst = append(dst, "\r\nServer: "+agent+"\r\n"...)
	if !bodiless(status) {
		dst = append(dst, "Content-Type: text/plain\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(length), 10)
		dst = append(dst, "\r\n"...)
	}
	return appendConnection(dst, close)
}

func appendConnection(dst []byte, close bool) []byte {
	if close {
		return append(dst, "Connection: close\r\n\r\n"...)
	}
	return append(dst, "Connection: keep-alive\r\n\r\n"...)
}

func bodiless(status int) bool { return status/100 == 1 || status == 204 || status == 304 }

// reason is the phrase for the statuses that lastack's server sends; RFC 9112,
// section 4, allows an empty one.
func reason(status int) string {
	switch status {
	case 200:
		return "OK"
	case 204:
		return "No Content"
	case 400:
		return "Bad Request"
	case 404:
		return "Not Found"
	case 500:
		return "Internal Server Error"
	case 503:
		return "Service Unavailable"
	}
	return ""
}

func hasField(headers []string, name string) bool {
	for _, h := range headers {
		if n, _, _ := strings.Cut(h, ":"); strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// HeaderError says what is wrong with a header given by a user.
type HeaderError struct {
	Header string
	Reason string
}

func (e *HeaderError) Error() string {
	return fmt.Sprintf("header %q: %s", e.Header, e.Reason)
}

// ParseHeader checks a "Name: value" line (RFC 9110, section 5) for use in a
// request. It refuses the fields that frame a message or rule the connection, as
// they are lastack's own. The error is a *HeaderError.
func ParseHeader(s string) error {
	bad := func(reason string) error { return &HeaderError{Header: s, Reason: reason} }
	name, value, ok := strings.Cut(s, ":")
	if !ok {
		return bad(`want "Name: value"`)
	}
	if !all(name, classToken) || name == "" {
		return bad("a name has only letters, digits and !#$%&'*+-.^_`|~, and no space before the colon")
	}
	if !all(value, classValue) {
		return bad("a value has no control characters, line ends included")
	}
	for _, own := range []string{"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Trailer", "Expect"} {
		if strings.EqualFold(name, own) {
			return bad(own + " is set by lastack itself: it decides where messages and connections end")
		}
	}
	return nil
}

func all(s string, c uint8) bool {
	for i := range len(s) {
		if class[s[i]]&c == 0 {
			return false
		}
	}
	return true
}
