package sockstate

import (
	"fmt"
	"strconv"
	"strings"
)

// PortRange is an inclusive range of ports. The zero value is none.
type PortRange struct {
	Lo, Hi uint16
}

// IsZero reports whether r is the zero value.
func (r PortRange) IsZero() bool { return r == PortRange{} }

// String is what ParsePortRange reads; empty for the zero value.
func (r PortRange) String() string {
	if r.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d-%d", r.Lo, r.Hi)
}

// MarshalText implements encoding.TextMarshaler with String.
func (r PortRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParsePortRange.
func (r *PortRange) UnmarshalText(b []byte) (err error) {
	*r, err = ParsePortRange(string(b))
	return err
}

// ParsePortRange reads LO-HI.
func ParsePortRange(s string) (PortRange, error) {
	lo, hi, ok := strings.Cut(s, "-")
	l, err1 := strconv.ParseUint(lo, 10, 16)
	h, err2 := strconv.ParseUint(hi, 10, 16)
	if !ok || err1 != nil || err2 != nil || l < 1 || l > h {
		return PortRange{}, fmt.Errorf("%q is not a range of ports: want LO-HI, like 20000-29999, within 1 to 65535", s)
	}
	return PortRange{uint16(l), uint16(h)}, nil
}
