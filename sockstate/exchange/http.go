package exchange

// replyParser finds the end of an HTTP/1.1 response (RFC 9112) in bytes that
// arrive in pieces, and keeps no byte of it: 16 bytes without a pointer, so that
// every connection can have one in a flat array. The zero value is ready for the
// reply to a GET.
//
// It reads a subset of what net/http's ReadResponse reads, to the same byte, and
// refuses the rest with a [framingError] rather than guess where a message ends:
// both Content-Length and Transfer-Encoding, more than one Content-Length, folded
// header lines, spaces before a colon, transfer codings other than chunked, bare LF
// in a chunked body, 101 Switching Protocols. A bare LF ends a header line. HTTP/1.2 and above are read as HTTP/1.1
// (RFC 9110, section 2.5).
type replyParser struct{ f framer }

// Feed consumes from p what belongs to the response: n bytes. It returns where an
// interim response (1xx) ends, see Interim; the rest is for another Feed. done says that
// the response is complete; p[n:]
// then belongs to whatever follows, and Feed consumes nothing until Reset. A body
// that ends with the connection is never done, see EOF. An error is a
// framingError, and stays until Reset; n then has no meaning.
func (r *replyParser) Feed(p []byte) (n int, done bool, err error) {
	if r.f.state == stStart {
		r.f.state = stVersion
	}
	return r.f.feed(p)
}

// EOF tells the parser that the connection ended, and reports whether the response
// is complete: it was already, or its body ends with the connection.
func (r *replyParser) EOF() (complete bool) { return r.f.eof() }

// Interim reports whether what Feed consumed last was the end of an interim response.
func (r *replyParser) Interim() bool { return r.f.flags&flagInterim != 0 && r.f.begins() }

// Status is the status code, from 100 to 599, valid when the response is complete.
func (r *replyParser) Status() int { return int(r.f.status) }

// KeepAlive reports whether the server leaves the connection open for another
// request; valid when the response is complete.
func (r *replyParser) KeepAlive() bool { return r.f.keepAlive() }

// Reset makes the parser ready for the next reply to a GET.
func (r *replyParser) Reset() { r.f = framer{} }

// requestParser finds the end of an HTTP/1.1 request, as [replyParser] does for a
// response; the zero value is ready. It reads a subset of what net/http's
// ReadRequest reads, but looks no further into the target than whether it begins with [SlowPath], and refuses an HTTP/1.1
// request without a valid Host (RFC 9112, section 3.2). Unlike ReadRequest it ignores empty lines before a request (section 2.2).
type requestParser struct{ f framer }

// Feed consumes from p what belongs to the request; see [replyParser.Feed].
func (r *requestParser) Feed(p []byte) (n int, done bool, err error) {
	if r.f.state == stStart {
		r.f.state, r.f.flags = stMethod, flagRequest
	}
	return r.f.feed(p)
}

// Idle reports whether no byte of the request has been consumed, but for empty lines before it: the client may
// end the connection here without cutting a request.
func (r *requestParser) Idle() bool {
	return r.f.state == stStart || r.f.state == stBlank || r.f.begins()
}

// Awaited reports, once, whether the client waits for 100 (Continue) before it sends the body
// (RFC 9110, section 10.1.1): it has said so, and sent none of it.
func (r *requestParser) Awaited() bool {
	if r.f.flags&(flagExpect|flagHTTP10) != flagExpect || r.f.state != stBody && r.f.state != stChunkSize {
		return false
	}
	r.f.flags &^= flagExpect
	return true
}

// Head reports whether the method is HEAD: the reply must have no body.
func (r *requestParser) Head() bool { return r.f.flags&flagHead != 0 }

// SlowPath is what the target of a request begins with that a server may take its time for.
const SlowPath = "/slow"

// Slow reports whether the target begins with SlowPath; valid when the request is complete.
func (r *requestParser) Slow() bool { return r.f.flags&flagSlow != 0 }

// KeepAlive reports whether the client wants to send another request on the
// connection; valid when the request is complete.
func (r *requestParser) KeepAlive() bool { return r.f.keepAlive() }

// Reset makes the parser ready for the next request.
func (r *requestParser) Reset() { r.f = framer{} }

// maxHeader bounds the bytes of a message's header section: start line, header and
// trailer fields, those of interim responses, and chunk extensions four times.
const maxHeader = 64<<10 - 1

// framingError says why a message was refused. The values are constants, so that
// refusing does not allocate.
type framingError uint8

// Why a message was refused.
const (
	errHeaderTooLarge framingError = 1 + iota
	errStartLine
	errVersion
	errStatusCode
	errUpgrade
	errField
	errFolded
	errLineEnd
	errLength
	errLengthRepeated
	errLengthAndCoding
	errCoding
	errTrailer
	errHost
	errChunk
	errTargetTooLarge
	errStatusRange
	errNotHTTP
	errTLS
	errSSH
	errHTTP2
	errAfterInterim

	numFramingErrors = int(errAfterInterim) + 1
)

var framingErrors = [numFramingErrors]string{
	errHeaderTooLarge:  "HTTP header section longer than 64 KiB",
	errStartLine:       "malformed HTTP start line",
	errVersion:         "not HTTP/1",
	errStatusCode:      "malformed HTTP status code",
	errUpgrade:         "101 Switching Protocols, which was not asked for",
	errField:           "malformed HTTP header field",
	errFolded:          "folded HTTP header field",
	errLineEnd:         "CR without LF, or LF without CR, in an HTTP message",
	errLength:          "malformed Content-Length",
	errLengthRepeated:  "more than one Content-Length",
	errLengthAndCoding: "both Content-Length and Transfer-Encoding",
	errCoding:          "Transfer-Encoding other than a single chunked, or in HTTP/1.0",
	errTrailer:         "Trailer names a field that frames the message",
	errHost:            "no valid Host, or more than one",
	errChunk:           "malformed chunk",
	errTargetTooLarge:  "HTTP request target longer than 64 KiB",
	errStatusRange:     "HTTP status code outside 100 to 599",
	errNotHTTP:         "not HTTP",
	errTLS:             "TLS, not plain HTTP",
	errSSH:             "SSH, not HTTP",
	errHTTP2:           "an HTTP/2 frame, not HTTP/1.1",
	errAfterInterim:    "what came after an interim reply (1xx) is no reply: an interim one has no body, and a final status is 200 or above",
}

func (e framingError) Error() string { return framingErrors[e] }
