package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestCleanStart gives a server nothing of lastack's: no variable, and no descriptor, that of a pipe or listener of whoever started
// this program least of all.
func TestCleanStart(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		t.Setenv("LASTACK_SANDBOX", `{"parent":1}`)
		t.Setenv("LASTACK_HOST_FACTS", "{}")
		t.Setenv("OWN", "kept")
		for _, high := range []int{20, 1000} {
			stray, err := unix.Open("/dev/zero", unix.O_RDONLY, 0) // not O_CLOEXEC, as what a shell opens
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(stray)
			if err := unix.Dup3(stray, high, 0); err != nil {
				t.Fatal(err)
			}
			defer unix.Close(high)
		}
		p := r.start(Spec{Contain: contain, Args: []string{"sh", "-c", `env | grep -e ^LASTACK -e ^OWN; echo said >"$0"; sleep 600 & wait`, r.fifo}})
		r.lines("said")
		want := []string{"OWN=kept"}
		if d := cmp.Diff(want, slices.Sorted(slices.Values(strings.Fields(p.Said())))); d != "" {
			t.Errorf("variables: -want +got\n%s", d)
		}
		for _, pid := range []int{p.PID(), p.reaperPID()} {
			// The shell may not have closed what it tells the test by.
			if names := strings.ReplaceAll(descriptors(t, pid), r.fifo, ""); strings.Contains(names, "/dev/zero") || pid == p.PID() && len(strings.Fields(names)) != 3 {
				t.Errorf("process %d has %s", pid, names)
			}
		}
	})
}

// TestReaperStopped stops the one that looks after the server: how the server ended is known all the same, and it is said who kept
// it back.
func TestReaperStopped(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		p := r.start(r.spec(contain, "wait", ""))
		r.lines("ready")
		reaper := p.reaperPID()
		if err := watch(t, []int{reaper})[0].Signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for (one{pid: reaper}).runs() { // not yet
			time.Sleep(time.Millisecond)
		}
		if err := p.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		await(t, "Exited", p.Exited())
		if d := cmp.Diff(Exit{Known: true, Signal: unix.SIGTERM}, p.Exit(), ignoreAt); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if want := fmt.Sprintf("reaper (process %d", reaper); !strings.Contains(p.Trouble(), want) {
			t.Errorf("it says %q, want %q in it", p.Trouble(), want)
		}
		if err := p.End(); err != nil {
			t.Error(err)
		}
	})
}

// TestGroups has a server in a session of its own, and who looks after it in this one: what this process itself forks must not be in
// a new task group before it has executed. No key of a terminal reaches either.
func TestGroups(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		p := r.start(r.spec(contain, "wait", ""))
		r.lines("ready")
		session, err := unix.Getsid(0)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][2]int{"server": {p.PID(), p.PID()}, "reaper": {session, p.reaperPID()}}
		pids := map[string]int{"server": p.PID(), "reaper": p.reaperPID()}
		if p.space != nil {
			pids["init"] = p.space.init.cmd.Process.Pid
			want["init"] = [2]int{session, pids["init"]}
		}
		got := make(map[string][2]int)
		for name, pid := range pids {
			sid, serr := unix.Getsid(pid)
			pgid, perr := unix.Getpgid(pid)
			if err := errors.Join(serr, perr); err != nil {
				t.Fatal(err)
			}
			got[name] = [2]int{sid, pgid}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("session and process group: -want +got\n%s", d)
		}
	})
}

// descriptors lists what a process has open.
func descriptors(t *testing.T, pid int) string {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		t.Fatalf("descriptors of process %d: %v, %v", pid, links, err)
	}
	var names []string
	for _, l := range links {
		if name, err := os.Readlink(l); err == nil {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}
