package host

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
)

// Probe tries every feature. It needs no privilege: a refusal is an answer too.
// Like ss and nft it may make the kernel load the modules of sock_diag and
// nf_tables. It returns ctx's error.
//
// It tries a user namespace in a child that executes program, normally /proc/self/exe, whose main calls Proof. If program is empty,
// UserNS stays untried.
func Probe(ctx context.Context, program string) (*Features, error) {
	f := &Features{
		NetNS:          tryNetNS(),
		UserNS:         tryUserNS(ctx, program),
		SockDiag:       answer(trySockDiag(), unix.ENOENT),
		SockDestroy:    answer(trySockDestroy(ctx)),
		IOUring:        tryIOUring(),
		BPF:            answer(tryBPF(), unix.EINVAL),
		LocalPortRange: answer(trySockopt("IP_LOCAL_PORT_RANGE", unix.IP_LOCAL_PORT_RANGE, 30999<<16|30000)),
		BindNoPort:     answer(trySockopt("IP_BIND_ADDRESS_NO_PORT", unix.IP_BIND_ADDRESS_NO_PORT, 1)),
		EpollPwait2:    answer(tryEpollPwait2()),
		Packet:         answer(tryPacket()),
		NFTables:       answer(tryNFTables(), unix.EINVAL),
		TCPInfo:        tryTCPInfo(),
		PSI:            answer(tryRead("/proc/pressure/cpu"), unix.ENOENT),
		Slabinfo:       answer(tryRead("/proc/slabinfo"), unix.ENOENT),
	}
	return f, ctx.Err()
}

// trySockDiag opens sock_diag. Open tries a dump of the listeners.
func trySockDiag() error {
	c, err := sockdiag.Open(nil)
	if err != nil {
		return diagStep(err)
	}
	return c.Close()
}

// trySockDestroy destroys an own listener: sock_diag_destroy checks the privilege
// only after it has found the socket.
func trySockDestroy(ctx context.Context) error {
	// The subflow of a Multipath TCP listener, Go's default, cannot be destroyed: EINVAL.
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return step("listen", err)
	}
	defer l.Close()
	c, err := sockdiag.Open(nil)
	if err != nil {
		return diagStep(err)
	}
	defer c.Close()
	own := sockstate.Filter{Servers: []netip.AddrPort{l.Addr().(*net.TCPAddr).AddrPort()}}
	n, err := c.DestroyAll(&own, func(s *sockdiag.Socket) bool { return s.State == sockstate.Listen })
	if err == nil && n == 0 {
		err = &sockdiag.Error{Op: "destroy", Err: unix.ENOENT} // the dump missed the listener
	}
	return diagStep(err)
}

// diagStep names the failed operation. It drops the listener's port and the remedy from sockdiag's
// message, since Judge gives a remedy.
func diagStep(err error) error {
	if e, ok := errors.AsType[*sockdiag.Error](err); ok {
		return step("sock_diag "+e.Op, e.Err)
	}
	return step("sock_diag", err)
}

func tryNFTables() error {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err == nil {
		defer c.Close()
		_, err = c.Execute(netlink.Message{
			Header: netlink.Header{
				Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN,
				Flags: netlink.Request,
			},
			Data: make([]byte, 4), // struct nfgenmsg
		})
	}
	// Drop the library's operation (dial, receive): the name of the request says more.
	if op, ok := errors.AsType[*netlink.OpError](err); ok {
		err = op.Err
	}
	return step("NFT_MSG_GETGEN", err)
}

// tryIOUring uses the probe of --engine auto, which explains each refusal.
func tryIOUring() Feature {
	if err := sockio.ProbeRing(); err != nil {
		f := answer(err, unix.EINVAL)
		if none, ok := errors.AsType[*sockio.NoRingError](err); ok && none.Err == nil {
			f.Answer = sockstate.AnswerUnsupported // operations are missing
		}
		return f
	}
	var params [120]byte // struct io_uring_params
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 2, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return answer(step("io_uring_setup", errno))
	}
	defer unix.Close(int(fd))

	const registerProbe, ops = 8, 256
	var probe [16 + ops*8]byte // struct io_uring_probe and its struct io_uring_probe_op
	_, _, errno = unix.Syscall6(unix.SYS_IO_URING_REGISTER, fd, registerProbe,
		uintptr(unsafe.Pointer(&probe)), ops, 0, 0)
	if errno != 0 {
		return answer(step("io_uring_register(IORING_REGISTER_PROBE)", errno), unix.EINVAL)
	}
	return Feature{Answer: sockstate.AnswerSupported, N: int(probe[0])} // last_op
}

// tryBPF loads "return 0" as a raw tracepoint program, the kind that would trace
// state changes.
func tryBPF() error {
	insns := [2]uint64{0x00b7, 0x0095} // mov64 r0, 0; exit
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		insns = [2]uint64{0xb7 << 56, 0x95 << 56}
	}
	license := [4]byte{'M', 'I', 'T'}
	// The garbage collector does not see pointers stored as integers.
	var pin runtime.Pinner
	pin.Pin(&insns)
	pin.Pin(&license)
	defer pin.Unpin()
	attr := struct { // union bpf_attr for BPF_PROG_LOAD
		progType, insnCount           uint32
		insns, license                uint64
		logLevel, logSize             uint32
		logBuf                        uint64
		kernelVersion, programOptions uint32
	}{
		progType:  unix.BPF_PROG_TYPE_RAW_TRACEPOINT,
		insnCount: uint32(len(insns)),
		insns:     uint64(uintptr(unsafe.Pointer(&insns))),
		license:   uint64(uintptr(unsafe.Pointer(&license))),
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return step("bpf(BPF_PROG_LOAD)", errno)
	}
	return unix.Close(int(fd))
}

// withTCPSocket calls f with a TCP socket that is neither bound nor connected.
func withTCPSocket(f func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return step("socket", err)
	}
	return errors.Join(f(fd), step("close", unix.Close(fd)))
}

func trySockopt(name string, option, value int) error {
	return withTCPSocket(func(fd int) error {
		return step("setsockopt("+name+")", unix.SetsockoptInt(fd, unix.IPPROTO_IP, option, value))
	})
}

// tryTCPInfo gets the length of the kernel's struct, which
// unix.GetsockoptTCPInfo does not return.
func tryTCPInfo() Feature {
	var buf [1024]byte
	size := uint32(len(buf))
	err := withTCPSocket(func(fd int) error {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
			uintptr(unsafe.Pointer(&buf)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return step("getsockopt(TCP_INFO)", errno)
		}
		return nil
	})
	f := answer(err)
	if f.Answer == sockstate.AnswerSupported {
		f.N = int(size)
	}
	return f
}

func tryEpollPwait2() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return step("epoll_create1", err)
	}
	defer unix.Close(fd)
	var event unix.EpollEvent
	var atOnce [2]int64 // struct __kernel_timespec
	_, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(fd), uintptr(unsafe.Pointer(&event)), 1,
		uintptr(unsafe.Pointer(&atOnce)), 0, 0)
	if errno != 0 {
		return step("epoll_pwait2", errno)
	}
	return nil
}

// tryPacket opens a packet socket of protocol 0, which receives nothing.
func tryPacket() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return step("socket(AF_PACKET)", err)
	}
	return unix.Close(fd)
}

func tryRead(path string) error {
	_, err := os.ReadFile(path)
	return err
}
