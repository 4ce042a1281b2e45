package server

import (
	"testing"
	"unsafe"
)

// A server may hold a million connections: what each costs is not to grow unnoticed.
func TestBytesPerConnection(t *testing.T) {
	if got := unsafe.Sizeof(conn{}); got != 5 {
		t.Errorf("a connection takes %d bytes, want 5", got)
	}
	if got := unsafe.Sizeof(requestState{}); got != 32 {
		t.Errorf("its exchange takes %d bytes, want 32", got)
	}
}
