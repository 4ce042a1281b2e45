package sockdiag

import (
	"errors"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// Listeners calls each for every listener of the namespace, in a Socket that it reuses. It receives nothing
// but them, however many connections there are.
func (c *Conn) Listeners(each func(*Socket)) error {
	const listeners = 1 << sockstate.Listen
	c.seen = 0
	if err := c.walk(afInet, listeners, nil, each); err != nil || c.compat {
		return err
	}
	if err := c.walk(afInet6, listeners, nil, each); err != nil && !errors.Is(err, unix.ENOENT) { // without IPv6 there is no handler
		return err
	}
	return nil
}
