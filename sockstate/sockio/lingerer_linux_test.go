package sockio

import (
	"net"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// Signals do not end the wait of a close that lingers: the runtime's own come at any time.
func TestLingerUnderSignals(t *testing.T) {
	for name, f := range map[string]newLoop{"epoll": NewEpoll, "uring": openUring} {
		t.Run(name, func(t *testing.T) {
			if name == "uring" {
				needRing(t)
			}
			r, _ := stuffed(t, f, 1)
			r.loop.SetLinger(0, 1)
			began := clock.Now()
			r.loop.Close(0, true)
			stop, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				for clock := time.NewTicker(20 * time.Millisecond); ; {
					select {
					case <-stop:
						clock.Stop()
						return
					case <-clock.C:
						signalThreads(t)
					}
				}
			}()
			c := r.want(OpClose, 0, 0)
			close(stop)
			<-ended
			wantSecond(t, c.At-began)
		})
	}
}

// signalThreads sends each thread of this process the signal by which the runtime preempts.
func signalThreads(t *testing.T) {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Error(err)
	}
	for _, e := range threads {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG) // it may have ended
		}
	}
}

// The probe of io_uring leaves nothing to the thread that asked for it: the end of a ring ends waits, some time later.
func TestLingerAfterProbe(t *testing.T) {
	needRing(t)
	runtime.LockOSThread() // the thread ends with the test
	p := newPeer(t, loopbacks["IPv4"])
	conn, err := net.Dial("tcp", p.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = p.accept() // and reads nothing
	f, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_ = conn.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close() // so fd has the last reference
	linger := newLinger(1)
	if e := setsockopt(int32(fd), &linger); e != 0 {
		t.Fatal(e)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for full := make([]byte, 1<<20); err == nil; {
		_, err = unix.Write(fd, full)
	}
	if err := ProbeRing(); err != nil {
		t.Fatal(err)
	}
	began := clock.Now()
	if e := blockingClose(fd); e != 0 {
		t.Fatal(e)
	}
	wantSecond(t, clock.Now()-began)
}

// wantSecond wants the second of SO_LINGER to have passed.
func wantSecond(t *testing.T, ns int64) {
	t.Helper()
	if took := time.Duration(ns); took < 900*time.Millisecond {
		t.Errorf("close took %v; want the second that it lingers", took)
	}
}
