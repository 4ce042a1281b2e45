package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// newTestNamespace makes a namespace, or skips if the kernel refuses one.
func newTestNamespace(t *testing.T) *NS {
	t.Helper()
	ns, err := New()
	if errors.Is(err, syscall.EPERM) && !hasSysAdmin(t) {
		t.Skipf("CAP_SYS_ADMIN is not in effect: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return ns
}

func TestNamespaceDo(t *testing.T) {
	home, err := Current()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	ns := newTestNamespace(t)
	if ns.ID() == home.ID() {
		t.Fatalf("a new namespace has the ID of the old one, %s", home.ID())
	}

	var inside string
	var names []string
	err = ns.Do(func() error {
		here, err := Current()
		if err != nil {
			return err
		}
		defer here.Close()
		inside = here.ID()
		links, err := net.Interfaces()
		for _, l := range links {
			names = append(names, l.Name)
			if l.Flags&net.FlagUp != 0 {
				t.Errorf("%s is up", l.Name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if inside != ns.ID() {
		t.Errorf("Do ran in %s, want %s", inside, ns.ID())
	}
	if len(names) == 0 || names[0] != "lo" {
		t.Errorf("links of a new namespace: %v, want lo first", names)
	}
}

func TestNamespaceDoReturnsTheError(t *testing.T) {
	ns := newTestNamespace(t)
	want := errors.New("mine")
	for _, n := range []*NS{nil, ns} {
		if err := n.Do(func() error { return want }); err != want {
			t.Errorf("Do of %q returned %v, want %v", n.ID(), err, want)
		}
	}
	if err := ns.Do(func() error { runtime.Goexit(); return nil }); err != errNoReturn {
		t.Errorf("Do of a function that ends its goroutine returned %v, want %v", err, errNoReturn)
	}
}

// No thread that was in a namespace may run other goroutines afterwards.
func TestNamespaceDoesNotLeak(t *testing.T) {
	home, err := Current()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	ns := newTestNamespace(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			err := ns.Do(func() error {
				// A blocking system call makes the runtime start threads while this one is away.
				_, err := syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 1000})
				return err
			})
			if err != nil && !errors.Is(err, syscall.EINTR) {
				t.Error(err)
			}
		}()
		go func() {
			defer wg.Done()
			here, err := Current()
			if err != nil {
				t.Error(err)
				return
			}
			defer here.Close()
			if here.ID() != home.ID() {
				t.Errorf("a goroutine outside runs in %s, want %s", here.ID(), home.ID())
			}
		}()
	}
	wg.Wait()
}

// The process as /proc shows it stays where it is.
func TestNamespaceSparesTheMainThread(t *testing.T) {
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	ns := newTestNamespace(t)
	for range 100 {
		err := ns.Do(func() error {
			if tid, pid := syscall.Gettid(), syscall.Getpid(); tid == pid {
				return fmt.Errorf("runs on the main thread %d", tid)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if here, err := os.Readlink("/proc/self/ns/net"); err != nil || here != home {
		t.Errorf("the process is in %s (%v), want %s", here, err, home)
	}
}

// A socket stays in the namespace that it was opened in.
func TestNamespaceSocketStays(t *testing.T) {
	ns := newTestNamespace(t)
	var fd int
	err := ns.Do(func() (err error) {
		fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	err = syscall.Connect(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 9})
	if !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("connect to 127.0.0.1 where lo is down: %v, want ENETUNREACH", err)
	}
}

func TestNamespaceErrors(t *testing.T) {
	ns := newTestNamespace(t)
	if err := ns.Close(); err != nil {
		t.Fatal(err)
	}
	err := ns.Do(func() error { t.Error("called in a closed namespace"); return nil })
	var ne *Error
	if !errors.As(err, &ne) || ne.Call != "setns" || ne.Namespace != ns.ID() {
		t.Errorf("Do in a closed namespace: %#v, want a Error of setns", err)
	}
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("Do in a closed namespace: %v, want os.ErrClosed", err)
	}
}

func TestNamespaceDenied(t *testing.T) {
	if hasSysAdmin(t) {
		t.Skip("CAP_SYS_ADMIN is in effect")
	}
	_, err := New()
	var ne *Error
	if !errors.As(err, &ne) || ne.Call != "unshare" || !errors.Is(err, syscall.EPERM) {
		t.Errorf("New without CAP_SYS_ADMIN: %v, want unshare: EPERM", err)
	}
}

func TestNilNamespace(t *testing.T) {
	var ns *NS
	if ns.Fd() != -1 || ns.ID() != "" || ns.Enter() != nil || ns.Close() != nil {
		t.Error("a nil NS is not inert")
	}
}

// hasSysAdmin reads the effective set from /proc.
func hasSysAdmin(t *testing.T) bool {
	t.Helper()
	runtime.LockOSThread() // another thread may end between open and read
	defer runtime.UnlockOSThread()
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	return effective(string(b))&(1<<capSysAdmin) != 0
}

const capSysAdmin = 21

func effective(status string) (caps uint64) {
	for line := range strings.Lines(status) {
		if _, err := fmt.Sscanf(line, "CapEff: %x", &caps); err == nil {
			break
		}
	}
	return caps
}
