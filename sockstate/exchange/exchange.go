package exchange

import (
	"fmt"
	"strconv"
	"strings"

	"lastack/sockstate"
)

// Kind is the protocol.
type Kind uint8

// The protocols.
const (
	None Kind = iota
	Echo
	HTTP
)

// Spec is what a connection exchanges; the zero value is nothing.
type Spec struct {
	Kind Kind
	// Request and Response are how many bytes the two ends of an echo send, at least 1 each.
	Request, Response int
	// Path is the request target of HTTP, starting with a slash.
	Path string
}

// maxEcho bounds the sizes of an echo, in bytes.
const maxEcho = 1 << 30

// help lists what Parse accepts.
const help = "none, echo:REQ,RESP (bytes, 1 to 1073741824) or http:/path"

// size reads a whole number of bytes, which may end in k or M; 0 is none.
func size(s string) int {
	unit := uint64(1)
	if digits, thousands := strings.CutSuffix(s, "k"); thousands {
		s, unit = digits, 1e3
	} else if digits, millions := strings.CutSuffix(s, "M"); millions {
		s, unit = digits, 1e6
	}
	// ParseUint: digits only, no sign.
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n*unit > maxEcho {
		return 0
	}
	return int(n * unit)
}

// Parse parses the format of Spec.String.
func Parse(s string) (Spec, error) {
	if s == "none" {
		return Spec{}, nil
	}
	kind, arg, _ := strings.Cut(s, ":")
	switch kind {
	case "echo":
		req, resp, ok := strings.Cut(arg, ",")
		if !ok {
			break
		}
		n, m := size(req), size(resp)
		if n < 1 || m < 1 || n > maxEcho || m > maxEcho {
			break
		}
		return Spec{Kind: Echo, Request: n, Response: m}, nil
	case "http":
		switch {
		case strings.HasPrefix(arg, "//"):
			return Spec{}, sockstate.BadValue("", fmt.Sprintf("exchange %q", s), "a server's address is not a path: want http:/path, and the address as TARGET")
		case strings.Contains(arg, "#"):
			return Spec{}, sockstate.BadValue("", fmt.Sprintf("exchange %q", s), "a #fragment is not sent to a server: leave it out")
		}
		if !strings.HasPrefix(arg, "/") || strings.ContainsFunc(arg, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			break
		}
		return Spec{Kind: HTTP, Path: arg}, nil
	}
	return Spec{}, sockstate.BadValue("", fmt.Sprintf("unknown exchange %q", s), "want %s", help)
}

func (s Spec) String() string {
	switch s.Kind {
	case Echo:
		return fmt.Sprintf("echo:%d,%d", s.Request, s.Response)
	case HTTP:
		return "http:" + s.Path
	}
	return "none"
}

// MarshalText implements encoding.TextMarshaler with String.
func (s Spec) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with Parse.
func (s *Spec) UnmarshalText(b []byte) (err error) {
	*s, err = Parse(string(b))
	return err
}
