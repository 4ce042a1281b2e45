package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lastack/bench/host"
	"lastack/sockstate"
	"lastack/sockstate/socktest"
)

// TestScripts runs the command line as a shell would: testdata/script/*.txtar. Beside the commands of
// testscript they have
//
//	exits CODE[|CODE...] PROGRAM [ARG...]   run it, and want one of the exit codes
//	runs ARG...                             run the load; whether the result is valid depends on who
//	                                        else is on this machine, so that exit code 3 will do, too
//	nobody CODE PROGRAM [ARG...]            likewise, as an ordinary user in a directory of its own
//	noring ERRNO PROGRAM [ARG...]           (a program) run it where io_uring_setup fails
//	nosignal ERRNO PROGRAM [ARG...]         (a program) run it where pidfd_send_signal fails
//	nokill ERRNO PROGRAM [ARG...]           (a program) run it where that and kill fail
//	nodiag PROGRAM [ARG...]                 (a program) run it where there is no sock_diag
//	noload PROGRAM [ARG...]                 (a program) run it where no program of eBPF can be loaded
//	await FILE REGEXP [VAR]                 wait until FILE matches; VAR becomes the first group
//	gone PIDFILE                            wait until the process is gone
//
// and the conditions [exists:FILE]; [netns], this user can make network namespaces; [userns], it can
// make user namespaces, and forbid more of them inside; [subsetpid], it can mount a /proc of nothing but processes; [nobody], this user can become an ordinary
// one who can do both; [bpf], this user can load programs of eBPF, and the kernel has BTF.
func TestScripts(t *testing.T) {
	t.Parallel()
	works := func(name string, args ...string) func() bool {
		return sync.OnceValue(func() bool { return exec.Command(name, args...).Run() == nil })
	}
	forbid := []string{"unshare", "--map-root-user", "--net", "sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces"}
	netns := works("unshare", "--map-root-user", "--net", "true")
	if os.Geteuid() == 0 {
		netns = works("unshare", "--net", "true")
	}
	subsetpid := works("unshare", "-Urmpf", "--mount-proc", "mount", "-t", "proc", "-o", "subset=pid", "proc", "/proc")
	userns := works(forbid[0], forbid[1:]...)
	nobody := works(asNobody[0], append(asNobody[1:], forbid...)...)
	bpf := sync.OnceValue(func() bool {
		features, err := host.Probe(t.Context(), "")
		_, missing := os.Stat("/sys/kernel/btf/vmlinux")
		return errors.Join(err, missing) == nil && features.BPF.Answer == sockstate.AnswerSupported
	})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("RENDEZVOUS", freeAddr(t))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": cmdExits,
			"runs": func(ts *testscript.TestScript, neg bool, args []string) {
				cmdExits(ts, neg, append([]string{"0|3", "lastack", "run", "-v"}, args...))
			},
			"nobody": cmdNobody,
			"await":  cmdAwait,
			"gone":   cmdGone,
		},
		Condition: func(cond string) (bool, error) {
			if path, ok := strings.CutPrefix(cond, "exists:"); ok {
				_, err := os.Stat(path)
				return err == nil, nil
			}
			switch cond {
			case "netns":
				return netns(), nil
			case "subsetpid":
				return subsetpid(), nil
			case "userns":
				return userns(), nil
			case "nobody":
				return nobody(), nil
			case "bpf":
				return bpf(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

func usage(ts *testscript.TestScript, neg, ok bool, text string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", text)
	}
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 2, "exits CODE[|CODE...] PROGRAM [ARG...]")
	code, err := 0, ts.Exec(args[1], args[2:]...)
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if !slices.Contains(strings.Split(args[0], "|"), strconv.Itoa(code)) {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// asNobody is what runs a command as the user and group that own nothing.
var asNobody = []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}

func cmdNobody(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 2, "nobody CODE PROGRAM [ARG...]")
	dir := ts.Getenv("NOBODY")
	if dir == "" {
		var err error
		if dir, err = nobodysDir(); err != nil {
			ts.Fatalf("%v", err)
		}
		ts.Defer(func() { _ = os.RemoveAll(dir) }) // in the temporary directory
		ts.Setenv("NOBODY", dir)
	}
	cmdExits(ts, false, slices.Concat(args[:1], asNobody,
		[]string{"env", "--chdir", dir, "PATH=" + dir + ":" + ts.Getenv("PATH"), "HOME=" + dir}, args[1:]))
}

// nobodysDir makes a directory where everybody may write, with the program inside: the test's own
// directories are closed to others.
func nobodysDir() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "lastack-nobody"); err != nil {
		return "", err
	}
	program, err := exec.LookPath("lastack")
	if err != nil {
		return "", err
	}
	from, err := os.Open(program)
	if err != nil {
		return "", err
	}
	defer from.Close()
	return dir, errors.Join(socktest.WriteProgram(filepath.Join(dir, "lastack"), from), os.Chmod(dir, 0o777))
}

// poll tries until done, which must be soon.
func poll(ts *testscript.TestScript, what string, done func() bool) {
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited a minute for %s", what)
		}
	}
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2 || len(args) == 3, "await FILE REGEXP [VAR]")
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var found []string
	poll(ts, args[1]+" in "+args[0], func() bool {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil {
			return false // not yet
		}
		found = want.FindStringSubmatch(string(b))
		return found != nil
	})
	if len(args) == 3 {
		ts.Setenv(args[2], found[1])
	}
}

func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1, "gone PIDFILE")
	pid := strings.TrimSpace(ts.ReadFile(args[0]))
	poll(ts, "the end of process "+pid, func() bool { return !alive(pid) })
}

// alive reports whether a process is there, and not dead already: some hosts' init takes its time
// to bury orphans.
func alive(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	// The state follows the name in parentheses, which may hold anything.
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// freeAddr is a loopback address that nobody listens on now. Its port is below those that the kernel chooses from, so that no connection
// of another test takes it in the meantime.
func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
}
