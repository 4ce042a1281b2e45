package exchange

import (
	"slices"
	"strconv"
	"strings"

	"lastack/sockstate"
)

const agent = "lastack"

// AppendRequest appends a GET for path to dst. host is the authority of the target
// ("10.0.0.1:80"). headers are lines that passed [CheckHeaders]; a Host or
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

// httpReply is the server's reply to every valid request, without the body for a HEAD. It has
// no Date: its bytes are built once, and a server without a clock may omit it (RFC 9110, section 6.6.1).
func httpReply(close bool) []byte {
	return reply("200 OK", close, body)
}

func reply(status string, close bool, body string) []byte {
	head := "HTTP/1.1 " + status + "\r\nServer: " + agent + "\r\nContent-Type: text/plain\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	return append(appendConnection([]byte(head), close), body...)
}

var continueReply = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// errorReply is the server's reply to an invalid or unsupported request.
func errorReply(e framingError) []byte {
	status := "400 Bad Request"
	switch e {
	case errHeaderTooLarge:
		status = "431 Request Header Fields Too Large" // RFC 6585, section 5
	case errTargetTooLarge:
		status = "414 URI Too Long"
	case errVersion:
		status = "505 HTTP Version Not Supported"
	}
	return reply(status, true, e.Error()+"\n")
}

func appendConnection(dst []byte, close bool) []byte {
	if close {
		return append(dst, "Connection: close\r\n\r\n"...)
	}
	return append(dst, "Connection: keep-alive\r\n\r\n"...)
}

func hasField(headers []string, name string) bool {
	return slices.ContainsFunc(headers, func(h string) bool {
		n, _, _ := strings.Cut(h, ":")
		return strings.EqualFold(n, name)
	})
}

// longestName bounds the printed name of a header without a colon: long enough for common names, too short to
// print a credential of 128 bits.
const longestName = 20

// HeaderName is the printable part of a header, valid or not: its name, or its first word and "...". The rest may be a secret.
func HeaderName(s string) string {
	name, _, ok := strings.Cut(s, ":")
	if i := strings.IndexAny(name, " \t=\r\n"); i >= 0 {
		return name[:i] + " ..."
	}
	if !ok && len(name) > longestName {
		return name[:longestName] + " ..."
	}
	return name
}

// CheckHeaders checks "Name: value" lines for use in one request. The error is a *sockstate.ValueError.
func CheckHeaders(headers []string) error {
	for i, h := range headers {
		if err := checkHeader(h); err != nil {
			return err
		}
		if hasField(headers[:i], "Host") && hasField(headers[i:i+1], "Host") {
			return sockstate.BadValue("header", `"Host"`, "given twice: a request has one (RFC 9112, section 3.2)")
		}
	}
	return nil
}

// checkHeader checks a "Name: value" line (RFC 9110, section 5) for use in a
// request. It refuses the fields that frame a message or control the connection: lastack
// sets those itself. The error is a *sockstate.ValueError.
func checkHeader(s string) error {
	bad := func(reason string) error {
		return sockstate.BadValue("header", strconv.Quote(HeaderName(s)), "%s", reason)
	}
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
