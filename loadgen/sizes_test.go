package loadgen

import (
	"testing"
	"unsafe"
)

// A load may have a million connections: what each costs is not to grow unnoticed.
func TestBytesPerConnection(t *testing.T) {
	if got := unsafe.Sizeof(conn{}); got != 24 {
		t.Errorf("a connection takes %d bytes, want 24", got)
	}
	if got := unsafe.Sizeof(request{}); got > 32 {
		t.Errorf("its exchange takes %d bytes, want at most 32", got)
	}
}
