package process

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate/socktest"
)

// TestBeside has one process signal another by its number, as a PID file has it.
func TestBeside(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		old := r.start(r.spec(contain, "number", ""))
		number := r.line()

		hook := r.start(Hook("kill -TERM "+number, old))
		if by, _ := hook.Contained(); by != contain {
			t.Errorf("the hook is contained by %s", by)
		}
		await(t, "the hook's end", hook.Gone())
		if e := hook.Exit(); !e.Known || e.Code != 0 || e.Signal != 0 {
			t.Fatalf("hook: %+v, said %q", e, hook.Said())
		}
		await(t, "Gone", old.Gone())
		if d := cmp.Diff(Exit{Known: true, Signal: unix.SIGTERM}, old.Exit(), ignoreAt); d != "" {
			t.Errorf("-want +got\n%s", d)
		}

		// What was started beside lives on without the first.
		next := r.spec(contain, "wait", "")
		next.Beside = old
		fresh := r.start(next)
		r.lines("ready")
		if err := errors.Join(old.End(), hook.End()); err != nil {
			t.Fatal(err)
		}
		if err := fresh.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		await(t, "Gone", fresh.Gone())
		if d := cmp.Diff(Exit{Known: true, Signal: unix.SIGTERM}, fresh.Exit(), ignoreAt); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if err := fresh.End(); err != nil {
			t.Fatal(err)
		}
		if contain == PIDNamespace {
			next.Beside = fresh
			var e *containError
			if _, err := Start(next); !errors.As(err, &e) {
				t.Errorf("beside one that has been ended: %v", err)
			}
		}
	})
}

// TestOwnProc looks for what a server would meet if it killed by name.
func TestOwnProc(t *testing.T) {
	needPIDNamespace(t)
	socktest.Guard(t)
	r := newRig(t)
	p := r.start(Spec{Args: []string{"sh", "-c", "cat /proc/1/comm /proc/$PPID/comm /proc/$$/comm; grep CapEff /proc/self/status"}, Contain: PIDNamespace})
	await(t, "Gone", p.Gone())
	said := p.Said()
	if !strings.HasPrefix(said, initArg+"\n"+reaperArg+"\nsh\n") {
		b, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(b), " /proc/") > 0 {
			t.Skip("parts of /proc are hidden here, so no other can be mounted (mount_too_revealing)")
		}
		t.Errorf("said %q", said)
	}
	if os.Geteuid() != 0 && !strings.Contains(said, "CapEff:\t0000000000000000") {
		t.Errorf("an ordinary user's server has capabilities: %q", said)
	}
}

// TestMany starts and ends at the same time.
func TestMany(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				p, err := Start(r.spec(contain, "exit7", ""))
				if err != nil {
					t.Error(err)
					return
				}
				<-p.Gone()
				if e := p.Exit(); e.Code != 7 {
					t.Errorf("%+v", e)
				}
				if err := p.End(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

func TestAttach(t *testing.T) {
	socktest.Guard(t)
	r := newRig(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = r.env("wait", "")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.lines("ready")
	p, err := Attach(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if by, why := p.Contained(); by != "" || why == "" || p.Own() || p.PID() != cmd.Process.Pid {
		t.Errorf("contained by %q, own %v, PID %d", by, p.Own(), p.PID())
	}
	if d := cmp.Diff([]int{p.PID()}, tree(t, p)); d != "" {
		t.Errorf("tree: -want +got\n%s", d)
	}
	if err := errors.Join(p.Signal(0), p.SignalAll(unix.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	await(t, "Exited", p.Exited())
	await(t, "Gone", p.Gone())
	e := p.Exit()
	if want := (Exit{Known: true, Signal: unix.SIGTERM, At: e.At}); e.Known && e != want || e.At == 0 {
		t.Errorf("exit %+v", e)
	}
	if !e.Known && pidfdTells(t) {
		t.Error("this kernel knows how it ended")
	}
	if err := p.End(); err != nil {
		t.Error(err)
	}
	if _, err := Attach(cmd.Process.Pid); !errors.Is(err, unix.ESRCH) || !strings.Contains(err.Error(), "there is no process "+strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("attach to one that has ended: %v", err)
	}
}

// pidfdTells reports whether the kernel has PIDFD_GET_INFO with PIDFD_INFO_EXIT (Linux 6.15).
func pidfdTells(t *testing.T) bool {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	release := strings.SplitN(unix.ByteSliceToString(u.Release[:]), ".", 3)
	major, _ := strconv.Atoi(release[0])
	minor, _ := strconv.Atoi(release[1])
	return major > 6 || major == 6 && minor >= 15
}

// TestLetGo ends what is no one's own: nothing happens to it.
func TestLetGo(t *testing.T) {
	socktest.Guard(t)
	r := newRig(t)
	own := r.start(r.spec(Group, "wait", ""))
	r.lines("ready")
	p, err := Attach(own.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.End(); err != nil {
		t.Fatal(err)
	}
	if err := own.Signal(0); err != nil {
		t.Error(err)
	}
	if p.Said() != "" || p.Exit() != (Exit{}) {
		t.Errorf("said %q, exit %+v", p.Said(), p.Exit())
	}
}

func TestAttachRefused(t *testing.T) {
	socktest.Guard(t)
	for _, pid := range []int{0, -1, 1 << 22} { // PID_MAX_LIMIT
		var e *attachError
		if _, err := Attach(pid); !errors.As(err, &e) || e.PID != pid || !errors.Is(err, unix.ESRCH) {
			t.Errorf("%d: %v", pid, err)
		}
	}
	done, thread := make(chan struct{}), make(chan int)
	go func() {
		runtime.LockOSThread()
		thread <- unix.Gettid()
		<-done
	}()
	tid := <-thread
	defer close(done)
	if tid == os.Getpid() {
		t.Skip("the goroutine runs on the main thread, whose number is the process's")
	}
	if _, err := Attach(tid); err == nil || !strings.Contains(err.Error(), "is a thread") {
		t.Errorf("a thread: %v", err)
	}
}

// TestDenied is what an ordinary user is told of root's server: three answers, as there are three cases.
func TestDenied(t *testing.T) {
	addr := os.Getenv(envRoot)
	if addr == "" {
		t.Skip("only in the tests that root runs as somebody else")
	}
	socktest.Guard(t)
	p, err := Attach(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.End() }()
	var e *SignalError
	if err := p.Signal(0); !errors.As(err, &e) || !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "no permission") {
		t.Errorf("signal: %v", err)
	}
	diag := openDiag(t)
	ls := listeners(t, diag, addr)
	if len(ls) != 1 || ls[0].Unreadable == 0 || len(ls[0].Holders) > 0 {
		t.Errorf("listeners %+v", ls)
	}
	if o := owns(t, p, ls); o.Owner != CannotTell {
		t.Errorf("root's process: %+v", o)
	}
	r := newRig(t)
	own := r.start(r.spec(Group, "wait", ""))
	r.lines("ready")
	if o := owns(t, own, ls); o.Owner != NotOwner || o.Unreadable == 0 {
		t.Errorf("an own process: %+v", o)
	}
}
