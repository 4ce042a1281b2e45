package sockdiag

import (
	"net/netip"
	"testing"

	"lastack/sockstate"
	"lastack/sockstate/socktest"
)

func TestFind(t *testing.T) {
	ns := socktest.NewNamespace(t)
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		target := socktest.Listen(t, ns, addr, false)
		conn := openConn(t, ns)
		client, server := target.Pair()
		ends := sockstate.Tuple{
			Local:  client.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort(),
			Remote: target.Addr,
		}
		find := func(of sockstate.Tuple) (state sockstate.State) {
			t.Helper()
			s, ok, err := conn.Find(of)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return 0
			}
			if s.Tuple != of {
				t.Errorf("found %v, want %v", s.Tuple, of)
			}
			return s.State
		}
		back := sockstate.Tuple{Local: ends.Remote, Remote: ends.Local}
		if c, s := find(ends), find(back); c != sockstate.Established || s != sockstate.Established {
			t.Errorf("open: %v and %v", c, s)
		}
		// Nothing is there but a listener, or nothing at all.
		other := netip.AddrPortFrom(ends.Local.Addr(), ends.Local.Port()^1)
		if s := find(sockstate.Tuple{Local: ends.Remote, Remote: other}); s != 0 {
			t.Errorf("beside it: %v", s)
		}
		if s := find(sockstate.Tuple{Local: other, Remote: ends.Remote}); s != 0 {
			t.Errorf("beside the client: %v", s)
		}
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Read(make([]byte, 1)); err == nil {
			t.Error("read after close: no EOF")
		}
		if s := find(back); s != sockstate.CloseWait {
			t.Errorf("half closed: the server is %v", s)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		until(t, conn, &sockstate.Filter{Servers: []netip.AddrPort{target.Addr}}, func(*sockstate.Census) bool { return find(ends) == sockstate.TimeWait })
		if s := find(back); s != 0 {
			t.Errorf("closed: the server is %v", s)
		}
	}
}
