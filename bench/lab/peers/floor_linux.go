package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// floorConfig configures serialFloor.
type floorConfig struct {
	// workloadNamed is one of Workloads without HTTP.
	Workload workload
	// Threads is at least 1. Each is pinned to one of the process's CPUs, in turn.
	Threads int
	// Duration ends the run, or Lifecycles by all threads together; one of the two is set.
	Duration   time.Duration
	Lifecycles int64
	// Namespace is where the sockets are; nil is the process's own.
	Namespace *netns.NS
}

// floorMain runs a floor as the arguments say and writes the floorResult as JSON. It is a process of
// its own to have CPU time of its own.
func floorMain(args []string, stdout io.Writer) error {
	if len(args) != 3 {
		return fmt.Errorf("%s: want WORKLOAD THREADS SECONDS, got %q", floorFlag, args)
	}
	w, err := workloadNamed(args[0])
	if err != nil {
		return err
	}
	var threads, seconds int
	if _, err := fmt.Sscan(args[1]+" "+args[2], &threads, &seconds); err != nil {
		return err
	}
	r, err := serialFloor(floorConfig{Workload: w, Threads: threads, Duration: load{Seconds: seconds}.duration()})
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(r)
}

// serialFloor makes connections on loopback without waiting. Each thread has its own listener
// and is both ends, with blocking sockets that never block, as the kernel handles each segment
// within the call that sends it:
//
//	socket, [bind source], connect, accept4, [send, recv, send, recv], [SO_LINGER 0], close, close
//
// No descriptor is polled, no thread wakes another and nothing is recorded: what is
// left is the kernel's own work for a connection's life on this machine. A load
// generator that keeps more than one connection open cannot be faster for long.
//
// It needs no privilege beyond FloorConfig.Namespace's. The error is an *os.SyscallError
// of the first call that failed.
func serialFloor(c floorConfig) (floorResult, error) {
	if c.Workload.HTTP || c.Threads < 1 || (c.Duration <= 0) == (c.Lifecycles <= 0) {
		return floorResult{}, fmt.Errorf("serial floor of %q on %d threads for %v or %d lifecycles: want a workload without HTTP, threads, and one end",
			c.Workload.Name, c.Threads, c.Duration, c.Lifecycles)
	}
	cpus, err := sockio.AllowedCPUs()
	if err != nil {
		return floorResult{}, err
	}
	threads := make([]floorThread, c.Threads)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range threads {
		t := &threads[i]
		t.workload, t.number, t.cpu = c.Workload, i, cpus[i%len(cpus)]
		t.lifecycles = share(c.Lifecycles, c.Threads, i)
		if c.Duration > 0 {
			t.lifecycles = math.MaxInt64
		}
		ready.Add(1)
		done.Go(func() {
			t.err = netns.OnOwnThread(func() error {
				err := t.open(c.Namespace)
				ready.Done()
				if err != nil {
					return err
				}
				defer unix.Close(t.listener)
				<-start
				if c.Duration > 0 {
					t.until = time.Now().Add(c.Duration)
				}
				return t.loop()
			})
		})
	}
	ready.Wait()
	began := time.Now()
	close(start)
	done.Wait()
	took := time.Since(began)

	var r floorResult
	var errs []error
	for i := range threads {
		r.Lifecycles += threads[i].done
		errs = append(errs, threads[i].err)
	}
	r.PerSecond = float64(r.Lifecycles) / max(took.Seconds(), 1e-6)
	return r, errors.Join(errs...)
}

// floorThread is one thread. It writes its count after its loop, so that threads do not share
// a cache line.
type floorThread struct {
	workload    workload
	number, cpu int
	listener    int
	server      unix.RawSockaddrInet4
	lifecycles  int64
	until       time.Time // or zero
	done        int64
	err         error
}

// share is the i-th of n parts of total, which may be 0.
func share(total int64, n, i int) int64 {
	part := total / int64(n)
	if int64(i) < total%int64(n) {
		part++
	}
	return part
}

// open pins the calling thread and listens.
func (t *floorThread) open(ns *netns.NS) error {
	if err := sockio.SetAffinity(t.cpu); err != nil {
		return err
	}
	if err := ns.Enter(); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	t.listener = fd
	port, err := listenAnywhere(fd)
	if err != nil {
		unix.Close(fd)
		return err
	}
	t.server = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	// In network byte order, wherever that is.
	p := (*[2]byte)(unsafe.Pointer(&t.server.Port))
	p[0], p[1] = byte(port>>8), byte(port)
	return nil
}

func listenAnywhere(fd int) (port int, err error) {
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, 16); err != nil {
		return 0, os.NewSyscallError("listen", err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return sa.(*unix.SockaddrInet4).Port, nil
}

// checkEvery is the number of lifecycles between two readings of the clock.
const checkEvery = 64

// loop is the floor itself. It calls the kernel without the wrappers of package unix, which
// convert addresses on every call; with Syscall and not RawSyscall, as a segment that
// ksoftirqd has to handle makes even these sockets wait.
func (t *floorThread) loop() error {
	var (
		exchange = t.workload.Exchange != "none"
		reset    = t.workload.Close == "client:rst"
		linger   = unix.Linger{Onoff: 1}
		on       = int32(1)
		source   = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 1, byte(t.number), 0}}
		b        byte
	)
	const addrLen = unsafe.Sizeof(source)
	for n := int64(0); ; n++ {
		if n == t.lifecycles || !t.until.IsZero() && n%checkEvery == 0 && !time.Now().Before(t.until) {
			t.done = n
			return nil
		}
		c, _, e := unix.Syscall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if e != 0 {
			return os.NewSyscallError("socket", e)
		}
		if !reset {
			// Otherwise bind takes the port for all destinations (inet_csk_get_port).
			_, _, e = unix.Syscall6(unix.SYS_SETSOCKOPT, c, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
			if e != 0 {
				return failed("setsockopt IP_BIND_ADDRESS_NO_PORT", e, c)
			}
			source.Addr[3] = byte(n%sourceAddrs) + 1
			if _, _, e = unix.Syscall(unix.SYS_BIND, c, uintptr(unsafe.Pointer(&source)), addrLen); e != 0 {
				return failed("bind", e, c)
			}
		}
		if _, _, e = unix.Syscall(unix.SYS_CONNECT, c, uintptr(unsafe.Pointer(&t.server)), addrLen); e != 0 {
			return failed("connect", e, c)
		}
		s, _, e := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(t.listener), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
		if e != 0 {
			return failed("accept4", e, c)
		}
		if exchange {
			for _, ends := range [2][2]uintptr{{c, s}, {s, c}} {
				if _, _, e = unix.Syscall6(unix.SYS_SENDTO, ends[0], uintptr(unsafe.Pointer(&b)), 1, 0, 0, 0); e != 0 {
					return failed("send", e, c, s)
				}
				if _, _, e = unix.Syscall6(unix.SYS_RECVFROM, ends[1], uintptr(unsafe.Pointer(&b)), 1, 0, 0, 0); e != 0 {
					return failed("recv", e, c, s)
				}
			}
		}
		if reset {
			_, _, e = unix.Syscall6(unix.SYS_SETSOCKOPT, c, unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
			if e != 0 {
				return failed("setsockopt SO_LINGER", e, c, s)
			}
		}
		unix.Close(int(c))
		unix.Close(int(s))
	}
}

// failed closes all sockets and names the failed call.
func failed(call string, e unix.Errno, open ...uintptr) error {
	for _, fd := range open {
		unix.Close(int(fd))
	}
	return os.NewSyscallError(call, e)
}
