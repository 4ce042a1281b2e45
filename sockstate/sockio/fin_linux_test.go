package sockio

import (
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A FIN that is just being received is no data, though poll(2) may say so.
func TestFINIsNoData(t *testing.T) {
	p := newPeer(t, loopbacks["IPv4"])
	ends, done := make(chan *net.TCPConn), make(chan struct{})
	go func() {
		defer close(done)
		for c := range ends {
			_ = c.CloseWrite()
		}
	}()
	runtime.LockOSThread()
	early := 0
	for range 300 {
		c := dialPeer(t, p.addr)
		peer := p.accept()
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		ends <- peer
		err = raw.Control(func(fd uintptr) {
			ready := int16(0)
			for ready == 0 {
				ready = pollNow(int32(fd))
			}
			if ready&unix.POLLRDHUP == 0 {
				early++
				if hasData(int32(fd)) {
					t.Error("SIOCINQ counts the FIN")
				}
				if n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT); n != 0 || err != nil {
					t.Errorf("recv sees %d bytes, %v", n, err)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		reset(c)
		reset(peer)
	}
	close(ends)
	<-done
	t.Logf("%d of 300 FINs were seen before they were marked", early)
}
