package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// offloadsOff has the kernel complete the checksum of each packet that leaves by a link of the calling thread's namespace, and split large
// ones before it. Without checksum offload there is no segmentation offload either (netdev_fix_features).
func offloadsOff(link string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	// struct ethtool_value
	value := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_STXCSUM}
	// struct ifreq
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [24 - unsafe.Sizeof(uintptr(0))]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], link)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(&value)
	if errno != 0 {
		return fmt.Errorf("turn off checksum offload of %s: %w", link, errno)
	}
	return nil
}
