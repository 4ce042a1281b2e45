package sockio

import (
	"testing"
	"unsafe"
)

// A loop may have a million slots: what each costs is not to grow unnoticed.
func TestBytesPerSlot(t *testing.T) {
	for _, x := range []struct {
		what      string
		got, want uintptr
	}{
		{"epoll's socket", unsafe.Sizeof(epollSock{}), 16},
		{"a slot's timer", unsafe.Sizeof(timers{}.nodeOf[0]), 4},
		{"a timer that is set", unsafe.Sizeof(timerNode{}), 24},
	} {
		if x.got != x.want {
			t.Errorf("%s takes %d bytes, want %d", x.what, x.got, x.want)
		}
	}
}
