package exchange

import (
	"errors"
	"fmt"
	"strconv"

	"lastack/sockstate"
)

// FaultOf classifies an error of Client.Received; NoFault for ErrStatus, and for an error of another package.
func FaultOf(err error) sockstate.Fault {
	if f, ok := errors.AsType[framingError](err); ok {
		return framingErrors[f].fault
	}
	switch {
	case errors.Is(err, ErrSurplus):
		return sockstate.FaultSurplus
	case errors.Is(err, ErrEarly):
		return sockstate.FaultEarlyReply
	}
	return sockstate.NoFault
}

// exampleBytes bounds the bytes that an example quotes.
const exampleBytes = 48

// Example is err's text and, if the reply's beginning shows what it is, that beginning, quoted. It quotes
// no header fields: they may hold secrets.
func Example(err error, p []byte) string {
	if errors.Is(err, errAfterInterim) {
		return err.Error() // p may begin with the interim reply
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
