package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
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

	"lastack/bench/record/recordtest"
)

// running is a run of the program that has not ended.
type running struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer // to be read when it has ended
	stderr rows
}

// rows collects what a process writes, to be looked at meanwhile.
type rows struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *rows) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *rows) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// begin starts the program in dir, by way of the command as if that is not empty, and has it
// killed when the test ends.
func begin(t *testing.T, dir string, as []string, args ...string) *running {
	t.Helper()
	words := slices.Concat(as, []string{"lastack"}, args)
	// A run that a signal does not end fails its test, and keeps no other waiting.
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	t.Cleanup(cancel)
	r := &running{cmd: exec.CommandContext(ctx, words[0], words[1:]...)}
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = dir, &r.stdout, &r.stderr
	if as != nil {
		r.cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// What the program started may hold the pipes open; no test waits for that for ever.
	r.cmd.WaitDelay = atMost
	return r
}

// await waits until stderr matches.
func (r *running) await(t *testing.T, pattern string) {
	t.Helper()
	want := regexp.MustCompile(pattern)
	until(t, pattern+" on stderr", func() bool { return want.MatchString(r.stderr.String()) })
}

func (r *running) send(t *testing.T, signals ...syscall.Signal) {
	t.Helper()
	for _, s := range signals {
		if err := r.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
}

// end waits for the program and returns its exit code.
func (r *running) end(t *testing.T) int {
	t.Helper()
	err := r.cmd.Wait()
	if _, isExit := errors.AsType[*exec.ExitError](err); err != nil && !isExit {
		t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode()
}

// children are the processes that the program has started.
func (r *running) children(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/" + strconv.Itoa(r.cmd.Process.Pid) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a thread that has ended
			t.Fatal(err)
		}
		pids = append(pids, strings.Fields(string(b))...)
	}
	return pids
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(atMost); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", atMost, what)
		}
	}
}

// users are who a run may be: this one, and an ordinary one where this is root.
func users(t *testing.T, f func(t *testing.T, dir string, as []string)) {
	t.Run("self", func(t *testing.T) { f(t, t.TempDir(), nil) })
	t.Run("nobody", func(t *testing.T) {
		dir, err := nobodysDir()
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if out, err := exec.CommandContext(t.Context(), asNobody[0], append(asNobody[1:], "true")...).CombinedOutput(); err != nil {
			t.Skipf("no way to become an ordinary user: %v: %s", err, out)
		}
		f(t, dir, asNobody)
	})
}

const (
	loadRow  = `(?m) load *$`   // the load has begun
	drainRow = `(?m) ending *$` // it is over
)

// TestInterrupt ends a run in the middle: it prints and saves what it has, and accounts for every connection.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	const (
		parent = 1 << iota
		child
	)
	for _, tt := range []struct {
		name    string
		signals []syscall.Signal
		to      int
	}{
		{"SIGINT", []syscall.Signal{syscall.SIGINT}, parent},
		{"SIGTERM", []syscall.Signal{syscall.SIGTERM}, parent},
		{"SIGHUP", []syscall.Signal{syscall.SIGHUP}, parent},
		{"SIGQUIT", []syscall.Signal{syscall.SIGQUIT}, parent},
		{"SIGABRT", []syscall.Signal{syscall.SIGABRT}, parent},
		{"SIGXCPU", []syscall.Signal{syscall.SIGXCPU}, parent},
		{"SIGINT to the sandbox", []syscall.Signal{syscall.SIGINT}, child},
		{"SIGABRT to the sandbox", []syscall.Signal{syscall.SIGABRT}, child},
		{"SIGQUIT to both", []syscall.Signal{syscall.SIGQUIT}, parent | child},
		// As timeout(1) sends it: to the process, and to its group.
		{"doubled", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, parent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			users(t, func(t *testing.T, dir string, as []string) {
				r := begin(t, dir, as, "run", "-d", "10m", "-c", "8", "--hold", "5ms", "--interval", "100ms", "-o", "run.json")
				r.await(t, loadRow)
				children := r.children(t)
				if tt.to&parent != 0 {
					r.send(t, tt.signals...)
				}
				for _, pid := range children {
					if n, err := strconv.Atoi(pid); tt.to&child != 0 && err == nil {
						_ = syscall.Kill(n, tt.signals[0]) // the parent may have told it first
					}
				}
				if tt.to == child && len(children) == 0 {
					r.send(t, tt.signals...) // there is no sandbox here
				}
				if code := r.end(t); code != exitInterrupted {
					t.Errorf("exit code %d, want %d; %s", code, exitInterrupted, r.stderr.String())
				}
				for _, want := range []string{"; stopped by a signal (interrupted)", "open when the run was stopped"} {
					if !strings.Contains(r.stdout.String(), want) {
						t.Errorf("the result lacks %q:\n%s", want, r.stdout.String())
					}
				}
				saved := recordtest.Read(t, filepath.Join(dir, "run.json"))
				sum := int64(0)
				for _, n := range saved.Outcomes {
					sum += n
				}
				if !saved.Interrupted || saved.Outcomes["interrupted"] == 0 || sum != saved.Connections.Attempted {
					t.Errorf("interrupted %t, outcomes %v of %d attempted", saved.Interrupted, saved.Outcomes, saved.Connections.Attempted)
				}
				for _, pid := range children {
					until(t, "the end of process "+pid, func() bool { return !alive(pid) })
				}
			})
		})
	}
}

// TestNobodyReads closes the reading end of stderr and of stdout under a run: it goes on, and its record is saved.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		command string
		code    string
	}{
		{"progress", "lastack run -n 3k -c 2 -o run.json --interval 20ms 2>&1 >result | head -n 1", "0|3"},
		{"result", "lastack run -n 3k -c 2 -q -o run.json | true", "0|3"},
		{"both", "lastack run -n 3k -c 2 -o run.json --interval 20ms 2>&1 | head -n 1", "0|3"},
		{"threshold", "lastack run -n 3k -c 2 -q --threshold 'connect.p99<1ns' -o run.json | true", "99|3"},
		{"intervals", "lastack run -n 3k -c 2 -q --format jsonl --interval 20ms -o run.json | head -n 1", "0|3"},
		{"in this namespace", "lastack serve --listen 127.0.0.1:0 >/dev/null 2>serve & s=$!; until A=$(sed -n 's/listening on \\([^,]*\\),.*/\\1/p' serve) && test \"$A\"; do :; done;" +
			" lastack run $A -n 3k -c 2 -o run.json --interval 20ms 2>&1 | head -n 1; kill $s; wait", "0|3"},
		{"report", "lastack run -n 20 -q -o run.json >/dev/null; lastack report run.json | true", "0"},
		{"help", "echo '{}' >run.json; lastack run --help | true", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			// The program's code is in a file, as a pipeline has that of its last command.
			head, tail, _ := strings.Cut(tt.command, " | ")
			if i := strings.LastIndex(head, "lastack "); i >= 0 {
				head = head[:i] + "{ " + head[i:] + "; echo $? >code; }"
			}
			if e := runIn(t, dir, "sh", "-c", head+" | "+tail); strings.Contains(e.stderr, "panic") {
				t.Errorf("stderr: %s", e.stderr)
			}
			code := strings.TrimSpace(content(t, filepath.Join(dir, "code")))
			if !slices.Contains(strings.Split(tt.code, "|"), code) {
				t.Errorf("exit code %s, want %s", code, tt.code)
			}
			if tt.name == "help" {
				return
			}
			recordtest.Read(t, filepath.Join(dir, "run.json"))
		})
	}
}

// TestCannotBePrinted has every kind of output meet a full disk.
func TestCannotBePrinted(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"--help", "run --help", "help drain", "--version", "doctor", "doctor --format json", "completion bash", "run -n 20 -q",
		"run -n 20 -q --format json", "serve --listen 127.0.0.1:0",
	} {
		t.Run(command, func(t *testing.T) {
			script := "lastack " + command + " >/dev/full"
			if strings.HasPrefix(command, "serve") {
				script += " 2>said & i=0; until grep -q listening said || test $((i += 1)) = 1000; do sleep 0.02; done; kill $!; wait $!; code=$?; cat said >&2; exit $code"
			}
			e := runIn(t, t.TempDir(), "sh", "-c", script)
			if e.code != exitError || !strings.Contains(e.stderr, "lastack: the ") || !strings.Contains(e.stderr, "no space left on device") {
				t.Errorf("exit code %d: %s", e.code, e.stderr)
			}
		})
	}
}

// TestInterruptTwice has a run that would take its time to end, and is asked again: it ends at once,
// and leaves no empty file.
func TestInterruptTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// The server's ends stay in CLOSE_WAIT, and the observers wait for them. With fewer arrivals there may be none between the last
	// row and the signal, and then there is no row of the rest either.
	r := begin(t, dir, nil, "run", "-R", "5k", "-d", "10m", "--on-eof", "delay=1m", "--interval", "100ms", "-o", "run.json")
	r.await(t, loadRow)
	r.send(t, syscall.SIGINT)
	r.await(t, drainRow)
	time.Sleep(2 * sameSignal) // closer together, signals count as one
	r.send(t, syscall.SIGTERM)
	if code := r.end(t); code != exitInterrupted {
		t.Errorf("exit code %d, want %d; %s", code, exitInterrupted, r.stderr.String())
	}
	if r.stdout.Len() > 0 {
		t.Errorf("there was a result:\n%s", r.stdout.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "run.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("run.json: %v, want none", err)
	}
}

// TestKilled takes the program away from its sandbox: the kernel ends what is inside.
func TestKilled(t *testing.T) {
	t.Parallel()
	users(t, func(t *testing.T, dir string, as []string) {
		r := begin(t, dir, as, "run", "-d", "10m", "-c", "8", "--interval", "100ms")
		r.await(t, loadRow)
		children := r.children(t)
		if len(children) == 0 {
			t.Skip("the run takes place in this process: " + strings.SplitN(r.stderr.String(), "\n", 2)[0])
		}
		r.send(t, syscall.SIGKILL)
		if code := r.end(t); code != -1 {
			t.Errorf("exit code %d, want none", code)
		}
		for _, pid := range children {
			until(t, "the end of process "+pid, func() bool { return !alive(pid) })
		}
	})
}

// TestSandboxKilled takes the sandbox away from the program, as an out-of-memory killer would.
func TestSandboxKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := begin(t, dir, nil, "run", "-d", "10m", "-c", "8", "--interval", "100ms")
	r.await(t, loadRow)
	children := r.children(t)
	if len(children) == 0 {
		t.Skip("the run takes place in this process: " + strings.SplitN(r.stderr.String(), "\n", 2)[0])
	}
	for _, pid := range children {
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if code := r.end(t); code != exitError {
		t.Errorf("exit code %d, want %d", code, exitError)
	}
	if want := "lastack: the run was killed (SIGKILL): "; !strings.Contains(r.stderr.String(), want) {
		t.Errorf("stderr lacks %q: %s", want, r.stderr.String())
	}
}
