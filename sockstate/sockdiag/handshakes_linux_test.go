package sockdiag

import (
	"net/netip"
	"testing"

	"lastack/sockstate"
	"lastack/sockstate/socktest"
)

// A handshake whose last segment the kernel waits for is seen, IPv4 on a listener of both families included.
func TestHandshakes(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		t.Run(addr, func(t *testing.T) {
			g := socktest.Listen(t, nil, addr, true)
			c, err := Open(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ours := sockstate.Filter{Servers: []netip.AddrPort{netip.MustParseAddrPort(g.Listener.Addr().String())}}
			for _, compat := range []bool{c.compat, false} {
				c.compat = compat
				want := 0
				if n, err := c.Handshakes(&ours); n != want || err != nil {
					t.Errorf("compat %v: %d handshakes, %v; want none", compat, n, err)
				}
			}
			g.Dial(3)
			for _, compat := range []bool{c.compat, false} {
				c.compat = compat
				if n, err := c.Handshakes(&ours); n != 3 || err != nil {
					t.Errorf("compat %v: %d handshakes, %v; want 3", compat, n, err)
				}
			}
		})
	}
}
