package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/sockstate"
)

// cellJobs end well, or in some other way.
var cellJobs = map[string]Func{
	// where emits its network namespace, and returns its input when it is to stop.
	"where": func(ctx context.Context, sb *Sandbox, input json.RawMessage, emit func(any)) (any, error) {
		emit(sb.Client.ID())
		<-ctx.Done()
		return input, nil
	},
	"echo": func(_ context.Context, _ *Sandbox, input json.RawMessage, _ func(any)) (any, error) {
		return input, nil
	},
	// count emits as many numbers as it is told.
	"count": func(_ context.Context, _ *Sandbox, input json.RawMessage, emit func(any)) (any, error) {
		var n int
		err := json.Unmarshal(input, &n)
		for i := range n {
			emit(i)
		}
		return n, err
	},
	// flood emits more than is kept, and says so on stderr.
	"flood": func(_ context.Context, _ *Sandbox, _ json.RawMessage, emit func(any)) (any, error) {
		b := strings.Repeat("x", 1<<20)
		for range 3 * unreadLimit >> 20 {
			emit(b)
		}
		fmt.Fprint(os.Stderr, "flooded")
		return "done", nil
	},
	"panic": func(context.Context, *Sandbox, json.RawMessage, func(any)) (any, error) {
		go panic("out of order")
		select {}
	},
	"stubborn": func(_ context.Context, sb *Sandbox, _ json.RawMessage, emit func(any)) (any, error) {
		emit(sb.Client.ID())
		select {}
	},
	"fail": func(_ context.Context, sb *Sandbox, input json.RawMessage, _ func(any)) (any, error) {
		var how string
		if err := json.Unmarshal(input, &how); err != nil {
			return nil, err
		}
		return "partial", failures(sb.Mode)[how]
	},
	"garbage": func(context.Context, *Sandbox, json.RawMessage, func(any)) (any, error) {
		if _, err := syscall.Write(eventsFd, []byte("runtime: out of cheese\n")); err != nil {
			return nil, err
		}
		select {}
	},
	"mid-line": func(context.Context, *Sandbox, json.RawMessage, func(any)) (any, error) {
		if _, err := syscall.Write(eventsFd, []byte(`{"event":`)); err != nil {
			return nil, err
		}
		return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	},
	"mute": func(context.Context, *Sandbox, json.RawMessage, func(any)) (any, error) {
		if err := syscall.Close(eventsFd); err != nil {
			return nil, err
		}
		select {}
	},
	"exit": func(context.Context, *Sandbox, json.RawMessage, func(any)) (any, error) {
		fmt.Fprintln(os.Stderr, "so long")
		os.Exit(0)
		return nil, nil
	},
	"loud": func(context.Context, *Sandbox, json.RawMessage, func(any)) (any, error) {
		fmt.Fprint(os.Stderr, "first\n", strings.Repeat("x", 3*excerptLimit), "\nlast\n")
		os.Exit(3)
		return nil, nil
	},
	// eat enters the control group that is its input, and takes memory without end.
	"eat": func(_ context.Context, _ *Sandbox, input json.RawMessage, _ func(any)) (any, error) {
		var group string
		err := json.Unmarshal(input, &group)
		if err == nil {
			err = os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0)
		}
		if err != nil {
			return nil, err
		}
		for eaten := [][]byte{}; ; eaten = append(eaten, bytes.Repeat([]byte("x"), 1<<20)) {
		}
	},
	"env": func(context.Context, *Sandbox, json.RawMessage, func(any)) (any, error) { return surroundings() },
	// marshal has a result that cannot be sent, odd an event that cannot.
	"marshal": func(context.Context, *Sandbox, json.RawMessage, func(any)) (any, error) { return func() {}, nil },
	"odd": func(_ context.Context, _ *Sandbox, _ json.RawMessage, emit func(any)) (any, error) {
		emit(func() {})
		return 1, nil
	},
}

// failures are errors of a job, by what they are called here.
func failures(mode Mode) map[string]error {
	return map[string]error{
		"words":   errors.New("words"),
		"errno":   fmt.Errorf("open it: %w", syscall.EADDRINUSE),
		"sysctl":  &SysctlError{Sysctl: Sysctl{"net.ipv4.x", "1"}, Err: syscall.EPERM},
		"held":    fmt.Errorf("later: %w", &SysctlError{Sysctl: Sysctl{"net.ipv4.x", "1"}, Held: "2"}),
		"step":    &Error{step: stepLoss, Mode: mode, Err: syscall.EOPNOTSUPP},
		"value":   fmt.Errorf("--%w", &sockstate.ValueError{Name: "rate", Value: "x", Want: "a number"}),
		"stopped": fmt.Errorf("before the load: %w", context.Canceled),
		"late":    context.DeadlineExceeded,
	}
}

// around is what a cell's process has around it.
type around struct {
	Args  []string
	Env   []string // that begin with LASTACK_
	Open  []string // its descriptors
	Group bool     // it leads a process group
	Comm  string
}

func surroundings() (a around, err error) {
	a = around{Args: os.Args[1:], Group: syscall.Getpgrp() == os.Getpid(), Comm: readTrimmed("/proc/self/comm")}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "LASTACK_") {
			a.Env = append(a.Env, kv)
		}
	}
	for fd := range 64 {
		link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			continue
		}
		kind, _, _ := strings.Cut(link, ":")
		a.Open = append(a.Open, fmt.Sprint(fd, " ", kind))
	}
	return a, nil
}

// leavesNothing compares this process's descriptors, children and goroutines before and after f, which returns the network namespaces that
// there were.
func leavesNothing(t *testing.T, f func() (spaces []string)) {
	t.Helper()
	opened := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if r, w, err := os.Pipe(); err == nil { // the first has the runtime open its poller
		_ = errors.Join(r.Close(), w.Close())
	}
	before, ignore := opened(), goleak.IgnoreCurrent()
	spaces := f()
	if err := goleak.Find(ignore); err != nil {
		t.Error(err)
	}
	if after := opened(); after != before {
		t.Errorf("%d descriptors are open, %d before", after, before)
	}
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lists {
		b, _ := os.ReadFile(l) // none where the thread has ended
		for _, field := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(field)
			if _, other := others.Load(pid); err != nil || !other {
				t.Errorf("%s: %s", l, b)
			}
		}
	}
	noneIn(t, spaces)
}

// noneIn checks that no process is in one of the network namespaces.
func noneIn(t *testing.T, spaces []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if id, err := os.Readlink(l); err == nil && slices.Contains(spaces, id) {
			t.Errorf("%s is %s still", l, id)
		}
	}
}

// TestEightCells has eight cells at once: five do what they are to do, one is killed, one crashes, and one is refused. Each has its own error,
// and nothing is left.
func TestEightCells(t *testing.T) {
	everywhere(t, func(t *testing.T, mode Mode) {
		leavesNothing(t, func() (spaces []string) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			const killed, crashed, refused = 2, 4, 6
			cells, errs := make([]*Cell, 8), make([]error, 8)
			var wg sync.WaitGroup
			for i := range cells {
				wg.Go(func() {
					spec, job := Spec{Mode: mode, Topology: []Topology{Lo, Veth}[i%2]}, Job{Name: "where", Input: i}
					switch i {
					case crashed:
						job.Name = "panic"
					case refused:
						spec.Sysctls = []Sysctl{{"net.ipv4.tcp_no_such_key", "1"}}
					}
					cells[i], errs[i] = Start(ctx, spec, job)
				})
			}
			wg.Wait()
			for i, c := range cells {
				if i == refused {
					if e, ok := errors.AsType[*SysctlError](errs[i]); !ok || e.Sysctl.Key != "net.ipv4.tcp_no_such_key" {
						t.Errorf("cell %d: %v, want a refused sysctl", i, errs[i])
					}
					continue
				}
				skipDenied(t, errs[i])
				if errs[i] != nil {
					t.Fatalf("cell %d: %v", i, errs[i])
				}
				if got := c.Status().Mode; got != string(mode) {
					t.Errorf("cell %d: mode %s, want %s", i, got, mode)
				}
				if i != crashed {
					spaces = append(spaces, first(t, c))
				}
			}
			if n := len(slices.Compact(slices.Sorted(slices.Values(spaces)))); n != 6 {
				t.Errorf("%d network namespaces, want 6: %s", n, spaces)
			}
			if err := syscall.Kill(cells[killed].child.cmd.Process.Pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
			for _, i := range []int{killed, crashed} { // the others go on meanwhile
				_, errs[i] = cells[i].Wait()
			}
			if e, ok := errors.AsType[*DiedError](errs[killed]); !ok || e.Signal != syscall.SIGKILL || e.OutOfMemory || e.Err != nil {
				t.Errorf("killed: %v, want SIGKILL", errs[killed])
			}
			if e, ok := errors.AsType[*DiedError](errs[crashed]); !ok || e.Code != 2 || e.Signal != 0 || !strings.HasPrefix(e.Stderr, "panic: out of order") {
				t.Errorf("crashed: %+v, want exit status 2 and the trace", errs[crashed])
			}
			cancel()
			for i, c := range cells {
				if i == killed || i == crashed || i == refused {
					continue
				}
				result, err := c.Wait()
				if string(result) != fmt.Sprint(i) || err != nil || c.Left() != nil || c.Dropped() != 0 {
					t.Errorf("cell %d: result %s, %v, left %v, %d dropped", i, result, err, c.Left(), c.Dropped())
				}
			}
			return spaces
		})
	})
}

func TestJobErrors(t *testing.T) {
	everywhere(t, func(t *testing.T, mode Mode) {
		for name, want := range failures(mode) {
			c := startCell(t.Context(), t, Spec{Mode: mode}, Job{Name: "fail", Input: name})
			result, err := c.Wait()
			if string(result) != `"partial"` || err == nil || err.Error() != want.Error() || errnoOf(err) != errnoOf(want) {
				t.Errorf("%s: result %s, error %v with errno %v; want %v with errno %v", name, result, err, errnoOf(err), want, errnoOf(want))
				continue
			}
			for _, target := range []error{context.Canceled, context.DeadlineExceeded} {
				if errors.Is(err, target) != errors.Is(want, target) {
					t.Errorf("%s: is %v: %t", name, target, errors.Is(err, target))
				}
			}
			gotSysctl, _ := errors.AsType[*SysctlError](err)
			wantSysctl, _ := errors.AsType[*SysctlError](want)
			if !reflect.DeepEqual(gotSysctl, wantSysctl) {
				t.Errorf("%s: %+v, want %+v", name, gotSysctl, wantSysctl)
			}
			gotValue, _ := errors.AsType[*sockstate.ValueError](err)
			wantValue, _ := errors.AsType[*sockstate.ValueError](want)
			if !reflect.DeepEqual(gotValue, wantValue) {
				t.Errorf("%s: %+v, want %+v", name, gotValue, wantValue)
			}
			got, _ := errors.AsType[*Error](err)
			if e, ok := errors.AsType[*Error](want); ok && (got == nil || got.step != e.step || got.Mode != e.Mode) {
				t.Errorf("%s: %+v, want %+v", name, got, e)
			}
		}
	})
}

// badEnd is a way to end in which a cell should not, and what its error then is.
type badEnd struct {
	job    string
	signal syscall.Signal
	code   int
	err    string // of Err
	text   string // of the error
	stderr string
}

// TestCellEnds has cells end in such ways.
func TestCellEnds(t *testing.T) {
	for _, tt := range []badEnd{
		{job: "garbage", signal: syscall.SIGKILL, err: `it wrote "runtime: out of cheese", which is not a message: `, text: "the sandbox's process was ended: it wrote"},
		{job: "mid-line", signal: syscall.SIGKILL, text: "the sandbox's process was ended by signal 9 (killed)"},
		{job: "exit", text: "the sandbox's process ended without a result", stderr: "so long\n"},
		{
			job: "loud", code: 3, text: "the sandbox's process crashed (exit status 3)",
			stderr: "first\n" + strings.Repeat("x", excerptLimit-len("first\n")) +
				fmt.Sprintf("\n[%d bytes left out]\n", len("first\n\nlast\n")+excerptLimit) + strings.Repeat("x", excerptLimit-len("\nlast\n")) + "\nlast\n",
		},
	} {
		t.Run(tt.job, func(t *testing.T) {
			leavesNothing(t, func() []string {
				tt.check(t)
				return nil
			})
		})
	}
}

// TestCellIsMute has a cell close its pipe and stay, for which it has finishAtMost.
func TestCellIsMute(t *testing.T) {
	t.Parallel()
	tt := badEnd{job: "mute", signal: syscall.SIGKILL, err: "it closed its pipe", text: "the sandbox's process was ended: it closed its pipe before"}
	if c := tt.check(t); c.child.cmd.ProcessState == nil {
		t.Error("its process has not ended")
	}
}

func (tt *badEnd) check(t *testing.T) *Cell {
	t.Helper()
	c := startCell(t.Context(), t, Spec{}, Job{Name: tt.job})
	result, err := c.Wait()
	e, ok := errors.AsType[*DiedError](err)
	if !ok || result != nil {
		t.Fatalf("result %s, error %v, want none and a *DiedError", result, err)
	}
	if e.Signal != tt.signal || e.Code != tt.code && e.Signal == 0 || !strings.HasPrefix(e.Error(), tt.text) || e.OutOfMemory {
		t.Errorf("%+v, %v; want %+v", e, e, tt)
	}
	if (e.Err != nil) != (tt.err != "") || e.Err != nil && !strings.HasPrefix(e.Err.Error(), tt.err) {
		t.Errorf("because of %v, want %q", e.Err, tt.err)
	}
	if diff := cmp.Diff(tt.stderr, e.Stderr); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
	return c
}

// TestOutOfMemory has the kernel kill a cell's process. The others have the memory that they need.
func TestOutOfMemory(t *testing.T) {
	if bestMode() != Root {
		t.Skip("control groups are for root to make")
	}
	group := memoryGroup(t, 64<<20)
	other := startCell(t.Context(), t, Spec{}, Job{Name: "where", Input: "fed"})
	_, err := startCell(t.Context(), t, Spec{}, Job{Name: "eat", Input: group}).Wait()
	if e, ok := errors.AsType[*DiedError](err); !ok || !e.OutOfMemory || e.Signal != syscall.SIGKILL {
		t.Errorf("%+v, want killed for lack of memory", err)
	}
	other.Stop()
	if result, err := other.Wait(); string(result) != `"fed"` || err != nil {
		t.Errorf("result %s, %v", result, err)
	}
}

func setExisting(path string, value int) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(f, value)
	return errors.Join(err, f.Close())
}

// memoryGroup makes a control group that bounds memory.
func memoryGroup(t *testing.T, limit int) string {
	t.Helper()
	var why []error
	for root, file := range map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"} {
		dir := filepath.Join(root, fmt.Sprintf("lastack-test-%d", os.Getpid()))
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			// In a directory that is no control group the file would be made, and bound nothing.
			if err = setExisting(filepath.Join(dir, file), limit); err == nil {
				t.Cleanup(func() {
					until(t, "the control group to be empty", func() bool { return os.Remove(dir) == nil })
				})
				return dir
			}
			_ = os.Remove(dir) // it is new
		}
		why = append(why, err)
	}
	t.Skipf("no control group for memory here: %v", errors.Join(why...))
	return ""
}

func TestNotStarted(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		spec Spec
		job  Job
		step step
		want string
	}{
		{"unknown job", t.Context(), Spec{}, Job{Name: "bake"}, stepStart, `this program has no job "bake"`},
		{"no job", t.Context(), Spec{}, Job{}, stepSpec, "the job has no name"},
		{"bad spec", t.Context(), Spec{Loss: 2}, Job{Name: "echo"}, stepSpec, "loss of 2"},
		{"bad input", t.Context(), Spec{}, Job{Name: "echo", Input: func() {}}, stepSpec, "unsupported type"},
		{"ctx over", over, Spec{}, Job{Name: "echo"}, "", "context canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leavesNothing(t, func() []string {
				c, err := Start(tt.ctx, tt.spec, tt.job)
				skipDenied(t, err)
				e, _ := errors.AsType[*Error](err)
				if c != nil || err == nil || !strings.Contains(err.Error(), tt.want) || (e != nil) != (tt.step != "") || e != nil && e.step != tt.step {
					t.Errorf("%v, want %q at step %q", err, tt.want, tt.step)
				}
				return nil
			})
		})
	}
}

func TestResultThatIsNoJSON(t *testing.T) {
	for job, want := range map[string]string{"marshal": "the job's result is not JSON", "odd": "an event is not JSON"} {
		_, err := startCell(t.Context(), t, Spec{}, Job{Name: job}).Wait()
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", job, err)
		}
	}
}

// TestLargeInput also has the events and the result be more than a pipe holds.
func TestLargeInput(t *testing.T) {
	input := strings.Repeat("0123456789abcdef", 8<<20/16)
	result, err := startCell(t.Context(), t, Spec{}, Job{Name: "echo", Input: input}).Wait()
	var got string
	if err != nil || json.Unmarshal(result, &got) != nil || got != input {
		t.Errorf("%d bytes came back (%v), want %d", len(got), err, len(input))
	}
	c := startCell(t.Context(), t, Spec{EhashEntries: testEntries}, Job{Name: "count", Input: 20_000})
	n := 0
	for e := range c.Events() {
		if string(e) != fmt.Sprint(n) {
			t.Fatalf("event %d is %s", n, e)
		}
		n++
	}
	if result, err := c.Wait(); n != 20_000 || string(result) != "20000" || err != nil || c.Dropped() != 0 {
		t.Errorf("%d events, result %s, %v, %d dropped", n, result, err, c.Dropped())
	}
	if _, err := Start(t.Context(), Spec{}, Job{Name: "echo", Input: strings.Repeat("x", handoffLimit)}); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("too large an input: %v", err)
	}
}

// TestNobodyReads has a job emit more than is kept before anybody reads. It ends all the same, and its result arrives.
func TestNobodyReads(t *testing.T) {
	c := startCell(t.Context(), t, Spec{}, Job{Name: "flood"})
	until(t, "the job, which waits for no reader", func() bool { return c.child.stderr.String() != "" })
	got := 0
	for range c.Events() {
		got++
	}
	result, err := c.Wait()
	if want := int64(3*unreadLimit>>20 - got); string(result) != `"done"` || err != nil || c.Dropped() != want || want == 0 {
		t.Errorf("result %s, %v; %d events came, and %d were dropped, want %d", result, err, got, c.Dropped(), want)
	}
}

// TestOutbox has a reader that comes late.
func TestOutbox(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r, w := io.Pipe()
	in := bufio.NewReader(r)
	go func() { _, _ = in.ReadBytes('\n') }() // that the sandbox is on
	o, err := newOutbox(w, record.Sandbox{})
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 1<<20)
	const sent = unreadLimit>>20 + 4
	for range sent {
		o.emit(line) // waits for nobody
	}
	done := make(chan error)
	go func() { done <- errors.Join(o.close(ending{}), w.Close()) }()
	got := 0
	var m message
	for {
		b, err := in.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		if m.End != nil {
			break
		}
		got++
	}
	if want := int64(sent - got); got >= sent || got < sent-6 || m.End.Dropped != want {
		t.Errorf("%d of %d events arrived, and %d were dropped", got, sent, m.End.Dropped)
	}
	o.emit("after the end")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
		t.Errorf("after the end: %q (%v)", rest, err)
	}
}

// TestStop stops cells in every way in which one is told.
func TestStop(t *testing.T) {
	for name, stop := range map[string]func(c *Cell, cancel func()){
		"Stop":    func(c *Cell, _ func()) { c.Stop(); c.Stop() },
		"ctx":     func(_ *Cell, cancel func()) { cancel() },
		"both":    func(c *Cell, cancel func()) { cancel(); c.Stop() },
		"SIGTERM": func(c *Cell, _ func()) { _ = c.child.cmd.Process.Signal(syscall.SIGTERM) },
		"all at once": func(c *Cell, cancel func()) {
			cancel()
			for range 3 {
				_ = c.child.cmd.Process.Signal(syscall.SIGQUIT)
			}
		},
		"SIGINT and SIGHUP": func(c *Cell, _ func()) {
			_ = c.child.cmd.Process.Signal(syscall.SIGINT)
			if len(process.Endings()) > 5 { // not under nohup
				_ = c.child.cmd.Process.Signal(syscall.SIGHUP)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t, func() []string {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := startCell(ctx, t, Spec{}, Job{Name: "where", Input: name})
				id := first(t, c)
				stop(c, cancel)
				if result, err := c.Wait(); string(result) != fmt.Sprintf("%q", name) || err != nil {
					t.Errorf("result %s, %v", result, err)
				}
				return []string{id}
			})
		})
	}
}

// TestStubborn has jobs that do not stop.
func TestStubborn(t *testing.T) {
	for name, tt := range map[string]struct {
		cause error
		end   func(*Cell, context.CancelCauseFunc)
	}{
		"cancelled": {context.Canceled, func(_ *Cell, cancel context.CancelCauseFunc) { cancel(nil) }},
		"deadline":  {context.DeadlineExceeded, func(_ *Cell, cancel context.CancelCauseFunc) { cancel(context.DeadlineExceeded) }},
		"killed":    {nil, func(c *Cell, _ context.CancelCauseFunc) { c.Kill() }},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t, func() []string {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				c := startCell(ctx, t, Spec{}, Job{Name: "stubborn", Grace: 50 * time.Millisecond})
				id := first(t, c)
				tt.end(c, cancel)
				result, err := c.Wait()
				e, ok := errors.AsType[*DiedError](err)
				if !ok || result != nil || e.Signal != syscall.SIGKILL || e.Err == nil || tt.cause != nil && !errors.Is(err, tt.cause) || e.OutOfMemory {
					t.Errorf("result %s, error %v", result, err)
				}
				return []string{id}
			})
		})
	}
}

// TestCancelledAtAnyTime cancels before the sandbox is on, while the job works, and while it hands its result in.
func TestCancelledAtAnyTime(t *testing.T) {
	everywhere(t, func(t *testing.T, mode Mode) {
		leavesNothing(t, func() []string {
			for delay := time.Duration(0); delay <= 40*time.Millisecond; delay += 2 * time.Millisecond {
				ctx, cancel := context.WithTimeout(t.Context(), delay)
				c, err := Start(ctx, Spec{Mode: mode, Topology: Veth, EhashEntries: 1 << 16}, Job{Name: "echo", Input: strings.Repeat("x", 1<<20)})
				skipDenied(t, err)
				switch {
				case err != nil && errors.Is(err, context.DeadlineExceeded):
				case err != nil:
					t.Errorf("after %v: %v", delay, err)
				default:
					if result, err := c.Wait(); len(result) != 1<<20+2 || err != nil {
						t.Errorf("after %v: a result of %d bytes, %v", delay, len(result), err)
					}
				}
				cancel()
			}
			return nil
		})
	})
}

// TestSurroundings has the process that starts a cell be given descriptors that are not for the cell.
func TestSurroundings(t *testing.T) {
	stray, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer stray.Close()
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, stray.Fd(), syscall.F_SETFD, 0); errno != 0 {
		t.Fatal(errno)
	}
	for _, entries := range []int{0, testEntries} {
		got, _ := resultOf[around](t, Spec{EhashEntries: entries}, Job{Name: "env"})
		want := around{Args: []string{"cell", "env"}, Group: true, Comm: ownComm(), Open: got.Open}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if head := strings.Join(got.Open[:min(5, len(got.Open))], ", "); head != "0 /dev/null, 1 /dev/null, 2 pipe, 3 pipe, 4 pipe" || strings.Contains(strings.Join(got.Open, " "), "status") {
			t.Errorf("descriptors %q", got.Open)
		}
	}
}
