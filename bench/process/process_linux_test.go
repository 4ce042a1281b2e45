package process

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
	"lastack/sockstate/socktest"
)

var ignoreAt = cmpopts.IgnoreFields(Exit{}, "At")

func TestExit(t *testing.T) {
	tests := []struct {
		program string
		signal  syscall.Signal
		want    Exit
	}{
		{"exit7", 0, Exit{Known: true, Code: 7}},
		{"abort", 0, Exit{Known: true, Signal: unix.SIGTERM}},
		{"wait", unix.SIGTERM, Exit{Known: true, Signal: unix.SIGTERM}},
		{"wait", unix.SIGKILL, Exit{Known: true, Signal: unix.SIGKILL}},
		// Not even a program that means it ends its reaper or init.
		{"hostile", 0, Exit{Known: true, Code: 5}},
	}
	for _, tt := range tests {
		t.Run(tt.program, func(t *testing.T) {
			each(t, func(t *testing.T, r *rig, contain Contain) {
				before := clock.Now()
				p := r.start(r.spec(contain, tt.program, ""))
				if by, _ := p.Contained(); by != contain || !p.Own() {
					t.Errorf("contained by %s, own %v", by, p.Own())
				}
				if tt.signal != 0 {
					r.lines("ready")
					if e := p.Exit(); e != (Exit{}) {
						t.Errorf("exit before the end: %+v", e)
					}
					if err := p.Signal(tt.signal); err != nil {
						t.Fatal(err)
					}
				}
				await(t, "Exited", p.Exited())
				await(t, "Gone", p.Gone())
				if d := cmp.Diff(tt.want, p.Exit(), ignoreAt); d != "" {
					t.Errorf("-want +got\n%s\nsaid %q", d, p.Said())
				}
				if at := p.Exit().At; at < before || at > clock.Now() {
					t.Errorf("ended at %d, begun at %d", at, before)
				}
				var e *SignalError
				if err := p.Signal(unix.SIGTERM); !errors.As(err, &e) || !errors.Is(err, unix.ESRCH) {
					t.Errorf("a signal after the end: %v", err)
				}
				if pids := tree(t, p); len(pids) > 0 {
					t.Errorf("left: %v", pids)
				}
			})
		})
	}
}

// TestDaemon follows a server that puts itself into the background.
func TestDaemon(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		p := r.start(r.spec(contain, "daemon", ""))
		await(t, "Exited", p.Exited())
		if d := cmp.Diff(Exit{Known: true}, p.Exit(), ignoreAt); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		r.lines("ready")
		pids := tree(t, p)
		if len(pids) != 1 || pids[0] == p.PID() {
			t.Fatalf("tree %v, of process %d", pids, p.PID())
		}
		select {
		case <-p.Gone():
			t.Error("gone before the daemon")
		default:
		}
		daemon := watch(t, pids)
		if err := daemon[0].Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		daemon.allGone(t)
		await(t, "Gone", p.Gone())
	})
}

// TestZombie signals a process that has ended and that its parent has not reaped: the kernel takes the signal, and nobody has it.
func TestZombie(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	p, err := Attach(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.End() }()
	if err := p.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "Exited", p.Exited())
	if err := unix.Kill(cmd.Process.Pid, unix.SIGTERM); err != nil {
		t.Fatalf("it is no zombie: %v", err)
	}
	for _, sig := range []syscall.Signal{0, unix.SIGTERM} {
		if err := p.Signal(sig); !errors.Is(err, unix.ESRCH) {
			t.Errorf("signal %d: %v, want ESRCH", sig, err)
		}
	}
}

// TestRelook has a launcher that ends while the processes are listed, after its server, whose number is lower.
func TestRelook(t *testing.T) {
	list := []one{{pid: 2, parent: 0}, {pid: 3, parent: 10, started: 5}, {pid: 4, parent: 3}, {pid: 5, parent: 10, started: 5}, {pid: 6, parent: 10, started: 5}}
	now := map[int]one{3: {pid: 3, parent: 2, started: 5}, 5: {pid: 5, parent: 2, started: 6}}
	got := relook(list, func(pid int) (one, bool) {
		again, ok := now[pid]
		return again, ok
	})
	want := []one{{pid: 2}, {pid: 3, parent: 2, started: 5}, {pid: 4, parent: 3}} // 5 is another by now, 6 has ended
	if d := cmp.Diff(want, got, cmp.AllowUnexported(one{})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if d := cmp.Diff([]int{3, 4}, numbers(below(got, 2))); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestEnd(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		p := r.start(r.spec(contain, "deaf", ""))
		r.lines("deaf", "ready", "ready", "ready")
		pids := tree(t, p)
		if len(pids) != 4 || !slices.Contains(pids, p.PID()) {
			t.Fatalf("tree %v, of process %d", pids, p.PID())
		}
		all := watch(t, pids)
		if err := p.SignalAll(unix.SIGSTOP); err != nil {
			t.Error(err) // what is stopped is ended all the same
		}
		if err := p.End(); err != nil {
			t.Fatal(err)
		}
		all.allGone(t)
		await(t, "Exited", p.Exited())
		await(t, "Gone", p.Gone())
		if d := cmp.Diff(Exit{Known: true, Signal: unix.SIGKILL}, p.Exit(), ignoreAt); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if err := p.End(); err != nil {
			t.Errorf("the second time: %v", err)
		}
		if err := p.Signal(0); !errors.Is(err, unix.ESRCH) {
			t.Errorf("a signal after End: %v", err)
		}
	})
}

// TestKilled ends the one who started a server, without a word.
func TestKilled(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Env = r.env("parent", string(contain))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var started string
		for range 5 {
			if s, ok := strings.CutPrefix(r.line(), "started "); ok {
				started = s
			}
		}
		list, err := snapshot()
		if err != nil {
			t.Fatal(err)
		}
		var pids []int
		for _, o := range below(list, cmd.Process.Pid) {
			pids = append(pids, o.pid)
		}
		// Reaper, server, two children, a daemon; and init.
		if main, _ := strconv.Atoi(started); len(pids) < 5 || !slices.Contains(pids, main) {
			t.Errorf("process %s is not among %v", started, pids)
		}
		all := watch(t, pids)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		all.allGone(t)
	})
}

// TestReaperKilled ends the one that looks after the server: what the server has started goes too, though it has
// changed its session or its environment.
func TestReaperKilled(t *testing.T) {
	for _, name := range []string{"deaf", "forgetful"} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, r *rig, contain Contain) {
				p, err := Start(r.spec(contain, name, ""))
				if err != nil {
					t.Fatal(err)
				}
				for range 4 {
					if l := r.line(); l == "forgot" {
						break
					}
				}
				all := watch(t, append(tree(t, p), p.reaperPID()))
				if err := all[len(all)-1].Signal(unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
				await(t, "Exited", p.Exited())
				if e := p.Exit(); e.Known && e.Signal != unix.SIGKILL {
					t.Errorf("exit %+v", e)
				}
				err = p.End()
				var e *EndError
				switch {
				case contain == PIDNamespace && err != nil:
					t.Error(err) // nothing escapes
				case contain == Group && (!errors.As(err, &e) || !errors.Is(err, errReaperKilled) || len(e.Left) > 0):
					t.Errorf("%v, want errReaperKilled", err)
				}
				all.allGone(t)
				await(t, "Gone", p.Gone())
			})
		})
	}
}

func TestStartError(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "#!/bin/sh\n", 0o644)
	tests := []struct {
		name string
		spec Spec
		call string
		want error
	}{
		{"not in PATH", Spec{Args: []string{"lastack-nonesuch"}}, "execve", unix.ENOENT},
		{"no file", Spec{Args: []string{filepath.Join(dir, "nonesuch"), "x"}}, "execve", unix.ENOENT},
		{"no interpreter", Spec{Args: []string{write("script", "#!/nonesuch\n", 0o755)}}, "execve", unix.ENOENT},
		{"not executable", Spec{Args: []string{plain}}, "execve", unix.EACCES},
		{"a directory", Spec{Args: []string{dir}}, "execve", unix.EACCES},
		{"no program", Spec{Args: []string{write("text", "hello", 0o755)}}, "execve", unix.ENOEXEC},
		{"no command", Spec{}, "execve", unix.ENOENT},
		{"a zero byte", Spec{Args: []string{"sh", "-c", "\x00"}}, "execve", unix.EINVAL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, _ *rig, contain Contain) {
				tt.spec.Contain = contain
				p, err := Start(tt.spec)
				if p != nil {
					_ = p.End()
				}
				var e *startError
				if !errors.As(err, &e) || e.Call != tt.call || e.Err != tt.want {
					t.Fatalf("%#v, want %s: %v", err, tt.call, tt.want)
				}
			})
		})
	}
}

func TestSaid(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		p := r.start(r.spec(contain, "loud", ""))
		await(t, "Exited", p.Exited())
		said := p.Said()
		if !strings.HasSuffix(said, "line 99998\nline 99999\nthe end") || len(said) != saidLimit {
			t.Errorf("%d bytes, to %q", len(said), said[max(0, len(said)-100):])
		}
		if err := p.End(); err != nil {
			t.Error(err)
		}
		if after := p.Said(); after != said {
			t.Errorf("after End it said %q", after[max(0, len(after)-1000):])
		}
	})
}

func TestSpec(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		p := r.start(Spec{
			Args: []string{"sh", "-c", `echo "$WORD" "${HOME-none}" && cat && ps -o sid= $$ && echo $$`}, Contain: contain,
			env: []string{"WORD=w o r d", "PATH=" + os.Getenv("PATH")},
		})
		await(t, "Exited", p.Exited())
		words := strings.Fields(p.Said())
		want := []string{"w", "o", "r", "d", "none"}
		if len(words) != len(want)+2 || !slices.Equal(words[:len(want)], want) || words[len(want)] != words[len(want)+1] {
			t.Errorf("said %q", p.Said())
		}
	})
}

func TestHook(t *testing.T) {
	socktest.Guard(t)
	r := newRig(t)
	p := r.start(Hook("echo hooked >&2; exit 3", nil))
	await(t, "Gone", p.Gone())
	if d := cmp.Diff(Exit{Known: true, Code: 3}, p.Exit(), ignoreAt); d != "" || p.Said() != "hooked\n" {
		t.Errorf("said %q, -want +got\n%s", p.Said(), d)
	}
	if by, why := p.Contained(); by != Group || why == "" {
		t.Errorf("contained by %s, because %q", by, why)
	}
}

func TestAuto(t *testing.T) {
	socktest.Guard(t)
	r := newRig(t)
	p := r.start(r.spec("", "exit7", ""))
	await(t, "Gone", p.Gone())
	_, refused := newSpaceEnded(t)
	switch by, why := p.Contained(); {
	case refused == nil && by != PIDNamespace, refused != nil && (by != Group || why != refused.Error()):
		t.Errorf("contained by %s, because %q; a PID namespace is refused for %v", by, why, refused)
	}
}

// newSpaceEnded tries a namespace.
func newSpaceEnded(t *testing.T) (ok bool, refused error) {
	t.Helper()
	s, err := newSpace()
	if err != nil {
		return false, err
	}
	return true, s.leave()
}
