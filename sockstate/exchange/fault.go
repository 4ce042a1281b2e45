package exchange

import (
	"errors"
	"fmt"
	"strconv"

	"lastack/sockstate"
)

var framingFaults = [numFramingErrors]sockstate.Fault{
	ErrHeaderTooLarge:  sockstate.FaultHeaderTooLarge,
	ErrStartLine:       sockstate.FaultBadStatusLine,
	ErrVersion:         sockstate.FaultBadVersion,
	ErrStatusCode:      sockstate.FaultBadStatusLine,
	ErrUpgrade:         sockstate.FaultUpgrade,
	ErrField:           sockstate.FaultBadHeader,
	ErrFolded:          sockstate.FaultBadHeader,
	ErrLineEnd:         sockstate.FaultBadHeader,
	ErrLength:          sockstate.FaultBadLength,
	ErrLengthRepeated:  sockstate.FaultConflictingLength,
	ErrLengthAndCoding: sockstate.FaultConflictingLength,
	ErrCoding:          sockstate.FaultBadCoding,
	ErrTrailer:         sockstate.FaultBadHeader,
	ErrHost:            sockstate.FaultBadHeader,
	ErrChunk:           sockstate.FaultBadChunk,
	ErrTargetTooLarge:  sockstate.FaultHeaderTooLarge,
	ErrStatusRange:     sockstate.FaultBadStatus,
	ErrNotHTTP:         sockstate.FaultNotHTTP,
	ErrTLS:             sockstate.FaultTLS,
	ErrSSH:             sockstate.FaultSSH,
	ErrHTTP2:           sockstate.FaultHTTP2,
	ErrAfterInterim:    sockstate.FaultBadStatusLine,
}

// FaultOf is what an error of Client.Received stands for; NoFault for ErrStatus, and for an error that is not this package's.
func FaultOf(err error) sockstate.Fault {
	if f, ok := errors.AsType[FramingError](err); ok {
		return framingFaults[f]
	}
	switch {
	case errors.Is(err, ErrSurplus):
		return sockstate.FaultSurplus
	case errors.Is(err, ErrEarly):
		return sockstate.FaultEarlyReply
	}
	return sockstate.NoFault
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
	case sockstate.FaultNotHTTP, sockstate.FaultTLS, sockstate.FaultSSH, sockstate.FaultHTTP2, sockstate.FaultBadVersion, sockstate.FaultBadStatusLine, sockstate.FaultBadStatus:
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
