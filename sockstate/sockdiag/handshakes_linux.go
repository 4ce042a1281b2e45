package sockdiag

import (
	"errors"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// Handshakes counts the handshakes that have begun and are not complete (NEW_SYN_RECV) at the servers' ports, those
// of other loads too. It receives nothing but them, however many connections there are.
func (c *Conn) Handshakes(f *sockstate.Filter) (n int, err error) {
	const begun = 1<<sockstate.SynRecv | 1<<sockstate.NewSynRecv
	ports := portRanges(f.Servers)
	count := func(*Socket) { n++ }
	if err := c.walk(afInet, begun, ports, count); err != nil || c.compat {
		return n, err
	}
	if err := c.walk(afInet6, begun, ports, count); err != nil && !errors.Is(err, unix.ENOENT) { // without IPv6 there is no handler
		return n, err
	}
	return n, nil
}
