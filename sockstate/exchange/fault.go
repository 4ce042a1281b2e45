package exchange

import (
	"errors"
	"fmt"
	"strconv"
)

// Fault is what was wrong with a reply, or with bytes that are none: a small closed set, to count by.
type Fault uint8

// The faults.
const (
	NoFault           Fault = iota
	NotHTTP                 // it does not begin as HTTP does
	TLS                     // it begins as TLS does
	SSH                     // as SSH does
	HTTP2                   // as HTTP/2 does
	BadVersion              // HTTP, but neither 1.1 nor 1.0
	BadStatusLine           // the status line is malformed, or missing after an interim reply
	BadStatus               // the status code is outside 100 to 599
	Upgrade                 // 101, which was not asked for
	BadHeader               // a header line is malformed, folded, or ends wrongly
	HeaderTooLarge          // the header section is longer than MaxHeader
	BadLength               // Content-Length is malformed
	ConflictingLength       // several Content-Lengths, or one beside Transfer-Encoding
	BadCoding               // a Transfer-Encoding other than chunked
	BadChunk                // a chunk is malformed
	Surplus                 // more bytes than the last reply has
	EarlyReply              // bytes before the next request was sent

	NumFaults = int(EarlyReply) + 1
)

var faultNames = [NumFaults]string{
	"", "not_http", "tls", "ssh", "http2", "bad_version", "bad_status_line", "bad_status", "upgrade", "bad_header", "header_too_large",
	"bad_length", "conflicting_length", "bad_coding", "bad_chunk", "surplus", "early_reply",
}

func (f Fault) String() string { return faultNames[f] }

var framingFaults = [numFramingErrors]Fault{
	ErrHeaderTooLarge:  HeaderTooLarge,
	ErrStartLine:       BadStatusLine,
	ErrVersion:         BadVersion,
	ErrStatusCode:      BadStatusLine,
	ErrUpgrade:         Upgrade,
	ErrField:           BadHeader,
	ErrFolded:          BadHeader,
	ErrLineEnd:         BadHeader,
	ErrLength:          BadLength,
	ErrLengthRepeated:  ConflictingLength,
	ErrLengthAndCoding: ConflictingLength,
	ErrCoding:          BadCoding,
	ErrTrailer:         BadHeader,
	ErrHost:            BadHeader,
	ErrChunk:           BadChunk,
	ErrTargetTooLarge:  HeaderTooLarge,
	ErrStatusRange:     BadStatus,
	ErrNotHTTP:         NotHTTP,
	ErrTLS:             TLS,
	ErrSSH:             SSH,
	ErrHTTP2:           HTTP2,
	ErrAfterInterim:    BadStatusLine,
}

// FaultOf is what an error of Client.Received stands for; NoFault for ErrStatus, and for an error that is not this package's.
func FaultOf(err error) Fault {
	if f, ok := errors.AsType[FramingError](err); ok {
		return framingFaults[f]
	}
	switch {
	case errors.Is(err, ErrSurplus):
		return Surplus
	case errors.Is(err, ErrEarly):
		return EarlyReply
	}
	return NoFault
}

// exampleBytes bounds what an example quotes.
const exampleBytes = 48

// Example is err's sentence and, where the reply's beginning tells what it is, that beginning, quoted. It quotes
// no header fields: they may hold secrets.
func Example(err error, p []byte) string {
	if errors.Is(err, ErrAfterInterim) {
		return err.Error() // p may begin with the interim one
	}
	switch FaultOf(err) {
	case NotHTTP, TLS, SSH, HTTP2, BadVersion, BadStatusLine, BadStatus:
	default:
		return err.Error()
	}
	return fmt.Sprintf("%v: it begins %s", err, Beginning(p))
}

// Beginning quotes the beginning of p's first line.
func Beginning(p []byte) string {
	for i, c := range p {
		if c == '\r' || c == '\n' {
			p = p[:i]
			break
		}
	}
	more := ""
	if len(p) > exampleBytes {
		p, more = p[:exampleBytes], " and more"
	}
	return strconv.QuoteToASCII(string(p)) + more
}
