package exchange

import (
	"errors"
	"io"
	"strings"
	"testing"

	"lastack/sockstate"
)

func TestFaults(t *testing.T) {
	seen := make(map[string]bool)
	for f := sockstate.NoFault + 1; int(f) < sockstate.NumFaults; f++ {
		if f.String() == "" || seen[f.String()] {
			t.Errorf("fault %d is called %q", f, f)
		}
		seen[f.String()] = true
	}
	for e := errHeaderTooLarge; int(e) < numFramingErrors; e++ {
		if e.Error() == "" || FaultOf(e) == sockstate.NoFault {
			t.Errorf("framing error %d: %q, fault %v", e, e, FaultOf(e))
		}
	}
	for _, tt := range []struct {
		err  error
		want sockstate.Fault
	}{
		{ErrSurplus, sockstate.FaultSurplus}, {ErrEarly, sockstate.FaultEarlyReply}, {ErrStatus, sockstate.NoFault}, {io.EOF, sockstate.NoFault}, {nil, sockstate.NoFault},
	} {
		if got := FaultOf(tt.err); got != tt.want {
			t.Errorf("FaultOf(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestExample(t *testing.T) {
	for _, tt := range []struct {
		err      error
		in, want string
	}{
		{errSSH, "SSH-2.0-OpenSSH_9.6\r\nmore", `SSH, not HTTP: it begins "SSH-2.0-OpenSSH_9.6"`},
		{errTLS, "\x15\x03\x01\x00\x02\x02\x46", `TLS, not plain HTTP: it begins "\x15\x03\x01\x00\x02\x02F"`},
		{errNotHTTP, "\x1b[31m\u202e\xff", `not HTTP: it begins "\x1b[31m\u202e\xff"`},
		{errNotHTTP, "220 " + strings.Repeat("x", 100), `not HTTP: it begins "220 ` + strings.Repeat("x", 44) + `" and more`},
		{errStatusRange, "HTTP/1.1 999 OK\r\nSet-Cookie: secret\r\n", `HTTP status code outside 100 to 599: it begins "HTTP/1.1 999 OK"`},
		{errField, "HTTP/1.1 200 OK\r\nSet-Cookie: secret\x00\r\n", "malformed HTTP header field"},
		{errLengthRepeated, "HTTP/1.1 200 OK", "more than one Content-Length"},
		{ErrSurplus, "secret", "bytes after the end of the reply"},
		{errors.New("x"), "y", "x"},
	} {
		if got := Example(tt.err, []byte(tt.in)); got != tt.want {
			t.Errorf("Example(%v, %q) = %s, want %s", tt.err, tt.in, got, tt.want)
		}
	}
}
