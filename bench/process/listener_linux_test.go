package process

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/socktest"
)

func openDiag(t *testing.T) *sockdiag.Conn {
	t.Helper()
	c, err := sockdiag.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func listeners(t *testing.T, diag *sockdiag.Conn, addr string) []Listener {
	t.Helper()
	ls, err := Listeners(diag, netip.MustParseAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	return ls
}

func owns(t *testing.T, p *Process, ls []Listener) Ownership {
	t.Helper()
	o, err := p.Owns(ls)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// ignoreUnreadable leaves out what depends on who runs the test.
var ignoreUnreadable = cmpopts.IgnoreFields(Ownership{}, "Unreadable")

func TestOwns(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		diag := openDiag(t)
		p := r.start(r.spec(contain, "listen", "127.0.0.1:0"))
		addr := r.line()
		other := r.start(r.spec(contain, "wait", ""))
		r.lines("ready")

		ls := listeners(t, diag, addr)
		if len(ls) != 1 || ls[0].Addr.String() != addr || ls[0].Backlog == 0 || !slices.Equal(ls[0].Holders, []int{p.PID()}) {
			t.Fatalf("listeners %+v, of process %d", ls, p.PID())
		}
		if d := cmp.Diff(Ownership{Owner: Owner, Holders: []int{p.PID()}}, owns(t, p, ls), ignoreUnreadable); d != "" {
			t.Errorf("the owner: -want +got\n%s", d)
		}
		if d := cmp.Diff(Ownership{Owner: NotOwner, By: []int{p.PID()}}, owns(t, other, ls), ignoreUnreadable); d != "" {
			t.Errorf("another: -want +got\n%s", d)
		}
		ports, err := Ports(diag, tree(t, p))
		if err != nil || len(ports) != 1 || ports[0].String() != addr {
			t.Errorf("ports %v, error %v", ports, err)
		}
		if ports, err := Ports(diag, tree(t, other)); err != nil || len(ports) > 0 {
			t.Errorf("another's ports %v, error %v", ports, err)
		}

		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		r.lines("accepted 1")
		filter := sockstate.Filter{Servers: []netip.AddrPort{netip.MustParseAddrPort(addr)}}
		var inodes []uint64
		err = diag.Each(&filter, func(s *sockdiag.Socket) {
			if s.State == sockstate.Established {
				inodes = append(inodes, s.Inode)
			}
		})
		if err != nil || len(inodes) != 2 {
			t.Fatalf("inodes %v, error %v", inodes, err)
		}
		var pids []int
		for _, pid := range Owners([]int{p.PID(), other.PID(), os.Getpid()}, inodes) {
			pids = append(pids, pid)
		}
		slices.Sort(pids)
		want := []int{os.Getpid(), p.PID()}
		slices.Sort(want)
		if !slices.Equal(pids, want) {
			t.Errorf("ends owned by %v, want %v", pids, want)
		}

		if err := p.End(); err != nil {
			t.Fatal(err)
		}
		if ls := listeners(t, diag, addr); len(ls) > 0 {
			t.Errorf("listeners after the end: %+v", ls)
		}
	})
}

// TestShared passes a listener on, as systemd does.
func TestShared(t *testing.T) {
	socktest.Guard(t)
	diag := openDiag(t)
	r := newRig(t)
	l := socktest.Listen(t, nil, "127.0.0.1:0", false)
	f, err := l.Listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, activated := range []bool{false, true} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Env = r.env("hold", "")
		if activated {
			cmd = exec.CommandContext(t.Context(), "/bin/sh", "-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec cat")
			cmd.Env = r.env("hold", "")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd.ExtraFiles = []*os.File{f}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// What it echoes, it has been executed for.
			if _, err := in.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		} else {
			cmd.ExtraFiles = []*os.File{f}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			r.lines("ready")
		}
		p := watch(t, []int{cmd.Process.Pid})[0]
		want := Ownership{Owner: Shared, Holders: []int{p.PID()}, By: []int{os.Getpid()}, Activated: activated}
		if !activated {
			want.Master, want.MasterName = os.Getpid(), filepath.Base(os.Args[0])
		}
		if d := cmp.Diff(want, owns(t, p, listeners(t, diag, l.Addr.String())), ignoreUnreadable); d != "" {
			t.Errorf("activated %v: -want +got\n%s", activated, d)
		}
		if err := p.Signal(9); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}
}

// TestActivatedAlone has LISTEN_PID in a process whose socket nobody else holds: it owns that alone.
func TestActivatedAlone(t *testing.T) {
	socktest.Guard(t)
	diag := openDiag(t)
	r := newRig(t)
	exe := fmt.Sprintf("/proc/%d/exe", os.Getpid()) // where it is, another user may not look
	p := r.start(Spec{
		Args: []string{"/bin/sh", "-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\"", exe}, Contain: Group,
		env: r.env("listen", "127.0.0.1:0"),
	})
	addr := r.line()
	want := Ownership{Owner: Owner, Holders: []int{p.PID()}, Activated: true}
	if d := cmp.Diff(want, owns(t, p, listeners(t, diag, addr)), ignoreUnreadable); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestMaster has a worker, whose listener its parent keeps, and the parent.
func TestMaster(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		diag := openDiag(t)
		p := r.start(r.spec(contain, "master", "127.0.0.1:0"))
		addr := r.line()
		r.lines("ready", "ready")
		pids := tree(t, p)
		ls := listeners(t, diag, addr)
		for i, w := range watch(t, pids) {
			o := owns(t, w, ls)
			want := 0
			if i > 0 {
				want = p.PID()
			}
			if o.Master != want || len(pids) != 3 {
				t.Errorf("process %d of %v: %+v, want master %d", w.PID(), pids, o, want)
			}
		}
		if d, err := p.Daemon(ls); d != 0 || err != nil {
			t.Errorf("the daemon of a server in the foreground is %d, %v", d, err)
		}
	})
}

// TestDaemonFound finds who serves for one that put itself into the background, before and after that has ended.
func TestDaemonFound(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		diag := openDiag(t)
		p := r.start(r.spec(contain, "launcher", "127.0.0.1:0"))
		addr := r.line()
		ls := listeners(t, diag, addr)
		if len(ls) != 1 || len(ls[0].Holders) != 1 {
			t.Fatalf("listeners %+v", ls)
		}
		for range 2 {
			if d, err := p.Daemon(ls); d != ls[0].Holders[0] || d == p.PID() || err != nil {
				t.Errorf("the daemon is %d (%v), want %v", d, err, ls[0].Holders)
			}
			if err := p.Signal(unix.SIGKILL); err != nil {
				return // it has ended, the second time
			}
			await(t, "Exited", p.Exited())
		}
	})
}

// TestDaemonOf has the decision who is to be signalled: by who holds the listener, in which session, and whether the launcher lives when
// it is asked last.
func TestDaemonOf(t *testing.T) {
	const root = 10
	launcher := one{pid: root, parent: 2, session: root}
	for _, tt := range []struct {
		name    string
		tree    []one
		holders []int
		ended   bool
		want    int
	}{
		{"the launcher serves", []one{launcher}, []int{root}, false, 0},
		{"so does its worker, of another session", []one{launcher, {pid: 11, parent: root, session: 11}}, []int{root, 11}, false, 0},
		{"a child of its session", []one{launcher, {pid: 11, parent: root, session: root}}, []int{11}, false, 0},
		{"likewise, the launcher ends while /proc is read", []one{launcher, {pid: 11, parent: root, session: root}}, []int{11}, true, 11},
		{"likewise, it has ended", []one{{pid: 11, parent: 2, session: root}}, []int{11}, true, 11},
		{"a child of its session that left it", []one{launcher, {pid: 11, parent: 2, session: root}}, []int{11}, false, 11},
		{"a child of another session", []one{launcher, {pid: 11, parent: root, session: 11}}, []int{11}, false, 11},
		{"likewise, the launcher ends", []one{launcher, {pid: 11, parent: root, session: 11}}, []int{11}, true, 11},
		{"a lower number", []one{{pid: 3, parent: 2, session: 3}, launcher}, []int{3}, false, 3},
		{"a master and its workers", []one{{pid: 12, parent: 2, session: 12}, {pid: 13, parent: 12, session: 12}}, []int{12, 13}, true, 12},
		{"workers without a master", []one{launcher, {pid: 12, parent: 2, session: 12}, {pid: 13, parent: 12, session: 12}}, []int{13}, false, 13},
		{"nobody listens", []one{launcher, {pid: 11, parent: root, session: 11}}, nil, false, 0},
		{"nobody is left", nil, nil, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			holds := func(pid int) bool { return slices.Contains(tt.holders, pid) }
			if got := daemonOf(root, tt.tree, holds, func() bool { return !tt.ended }); got != tt.want {
				t.Errorf("process %d, want %d", got, tt.want)
			}
		})
	}
}

// TestTaken is the kernel's choice among listeners that share a port.
func TestTaken(t *testing.T) {
	socktest.Guard(t)
	diag := openDiag(t)
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return err
	}}
	listen := func(addr string) net.Listener {
		l, err := lc.Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	_, port, _ := strings.Cut(listen("[::]:0").Addr().String(), "]:")
	own := listen("127.0.0.2:" + port).Addr().String()
	for _, tt := range []struct {
		addr string
		want []string // the shadowed last
	}{
		{"127.0.0.1:" + port, []string{"[::]:" + port}},
		{"127.0.0.2:" + port, []string{"127.0.0.2:" + port, "[::]:" + port}},
		{"[::1]:" + port, []string{"[::]:" + port}},
	} {
		var got []string
		for i, l := range listeners(t, diag, tt.addr) {
			if l.Shadowed != (i > 0) {
				t.Errorf("%s: %+v", tt.addr, l)
			}
			got = append(got, l.Addr.String())
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", tt.addr, d)
		}
	}
	// It is the one that answers.
	conn, err := net.Dial("tcp", own)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, l := range listeners(t, diag, own) {
		if got, want := l.AcceptQueue, map[bool]int{false: 1}[l.Shadowed]; got != want {
			t.Errorf("%v: %d in its queue, want %d", l.Addr, got, want)
		}
	}
}
