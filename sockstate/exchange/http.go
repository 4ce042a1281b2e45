package exchange

import "lastack/sockstate"

// replyParser finds the end of an HTTP/1.1 response (RFC 9112) in bytes that arrive
// in pieces, without storing them. It has 16 bytes and no pointer, so every connection
// can have one in a flat array. The zero value is ready for the reply to a GET.
//
// It accepts a subset of what net/http's ReadResponse accepts, to the same byte. It
// refuses the rest with a [framingError] rather than guess where a message ends:
// both Content-Length and Transfer-Encoding, more than one Content-Length, folded
// header lines, spaces before a colon, transfer codings other than chunked, bare LF
// in a chunked body, 101 Switching Protocols. A bare LF ends a header line. It treats
// HTTP/1.2 and above as HTTP/1.1 (RFC 9110, section 2.5).
type replyParser struct{ f framer }

// Feed consumes the n bytes of p that belong to the response. It stops at the end of an
// interim response (1xx), see Interim; the rest is for another Feed. done says that the
// response is complete: p[n:] follows it, and Feed consumes nothing until Reset. A body
// that ends with the connection is never done, see EOF. An error is a framingError and
// stays until Reset; n then has no meaning.
func (r *replyParser) Feed(p []byte) (n int, done bool, err error) {
	if r.f.state == stStart {
		r.f.state = stVersion
	}
	return r.f.feed(p)
}

// EOF tells the parser that the connection ended, and reports whether the response
// is complete: it was already, or its body ends with the connection.
func (r *replyParser) EOF() (complete bool) { return r.f.eof() }

// Interim reports whether Feed stopped at the end of an interim response.
func (r *replyParser) Interim() bool { return r.f.flags&flagInterim != 0 && r.f.begins() }

// Status is the status code, from 100 to 599, valid when the response is complete.
func (r *replyParser) Status() int { return int(r.f.status) }

// KeepAlive reports whether the server leaves the connection open for another
// request; valid when the response is complete.
func (r *replyParser) KeepAlive() bool { return r.f.keepAlive() }

// Reset makes the parser ready for the next reply to a GET.
func (r *replyParser) Reset() { r.f = framer{} }

// requestParser finds the end of an HTTP/1.1 request, as [replyParser] does for a
// response; the zero value is ready. It accepts a subset of what net/http's ReadRequest
// accepts, but of the target it only checks whether it begins with [SlowPath]. It refuses
// an HTTP/1.1 request without a valid Host (RFC 9112, section 3.2). Unlike ReadRequest it
// ignores empty lines before a request (section 2.2).
type requestParser struct{ f framer }

// Feed consumes the bytes of p that belong to the request; see [replyParser.Feed].
func (r *requestParser) Feed(p []byte) (n int, done bool, err error) {
	if r.f.state == stStart {
		r.f.state, r.f.flags = stMethod, flagRequest
	}
	return r.f.feed(p)
}

// Idle reports whether no byte of the request has been consumed, apart from empty lines before it: the client may
// end the connection here without cutting a request.
func (r *requestParser) Idle() bool {
	return r.f.state == stStart || r.f.state == stBlank || r.f.begins()
}

// Awaited reports, once, whether the client waits for 100 (Continue) before it sends the body
// (RFC 9110, section 10.1.1): it has said so and has sent none of the body.
func (r *requestParser) Awaited() bool {
	if r.f.flags&(flagExpect|flagHTTP10) != flagExpect || r.f.state != stBody && r.f.state != stChunkSize {
		return false
	}
	r.f.flags &^= flagExpect
	return true
}

// Head reports whether the method is HEAD: the reply must have no body.
func (r *requestParser) Head() bool { return r.f.flags&flagHead != 0 }

// SlowPath begins the target of a request that the server delays.
const SlowPath = "/slow"

// Slow reports whether the target begins with SlowPath; valid when the request is complete.
func (r *requestParser) Slow() bool { return r.f.flags&flagSlow != 0 }

// KeepAlive reports whether the client wants to send another request on the
// connection; valid when the request is complete.
func (r *requestParser) KeepAlive() bool { return r.f.keepAlive() }

// Reset makes the parser ready for the next request.
func (r *requestParser) Reset() { r.f = framer{} }

// maxHeader bounds the bytes of a message's header section: start line, header and trailer
// fields, those of interim responses, and chunk extensions, counted four times.
const maxHeader = 64<<10 - 1

// framingError says why a message was refused. The values are constants, so that
// refusing does not allocate.
type framingError uint8

// The reasons.
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

// framingErrors are the sentences, and the fault that each is.
var framingErrors = [numFramingErrors]struct {
	text  string
	fault sockstate.Fault
}{
	errHeaderTooLarge:  {"HTTP header section longer than 64 KiB", sockstate.FaultHeaderTooLarge},
	errStartLine:       {"malformed HTTP start line", sockstate.FaultBadStatusLine},
	errVersion:         {"not HTTP/1", sockstate.FaultBadVersion},
	errStatusCode:      {"malformed HTTP status code", sockstate.FaultBadStatusLine},
	errUpgrade:         {"101 Switching Protocols, without a request to upgrade", sockstate.FaultUpgrade},
	errField:           {"malformed HTTP header field", sockstate.FaultBadHeader},
	errFolded:          {"folded HTTP header field", sockstate.FaultBadHeader},
	errLineEnd:         {"CR without LF, or LF without CR, in an HTTP message", sockstate.FaultBadHeader},
	errLength:          {"malformed Content-Length", sockstate.FaultBadLength},
	errLengthRepeated:  {"more than one Content-Length", sockstate.FaultConflictingLength},
	errLengthAndCoding: {"both Content-Length and Transfer-Encoding", sockstate.FaultConflictingLength},
	errCoding:          {"Transfer-Encoding other than a single chunked, or in HTTP/1.0", sockstate.FaultBadCoding},
	errTrailer:         {"Trailer names a field that frames the message", sockstate.FaultBadHeader},
	errHost:            {"no valid Host, or more than one", sockstate.FaultBadHeader},
	errChunk:           {"malformed chunk", sockstate.FaultBadChunk},
	errTargetTooLarge:  {"HTTP request target longer than 64 KiB", sockstate.FaultHeaderTooLarge},
	errStatusRange:     {"HTTP status code outside 100 to 599", sockstate.FaultBadStatus},
	errNotHTTP:         {"not HTTP", sockstate.FaultNotHTTP},
	errTLS:             {"TLS, not plain HTTP", sockstate.FaultTLS},
	errSSH:             {"SSH, not HTTP", sockstate.FaultSSH},
	errHTTP2:           {"an HTTP/2 frame, not HTTP/1.1", sockstate.FaultHTTP2},
	errAfterInterim:    {"no reply after an interim reply (1xx): an interim reply has no body, and a final status is 200 or above", sockstate.FaultBadStatusLine},
}

func (e framingError) Error() string { return framingErrors[e].text }
