package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lastack/sockstate/socktest"
)

// testJobs are what the cells of tests do.
var testJobs = make(map[string]Func)

func TestMain(m *testing.M) {
	switch os.Getenv(envDesert) {
	case "exit":
		os.Exit(3)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	for _, jobs := range []map[string]Func{cellJobs, placeJobs, packetJobs, relayJobs} {
		maps.Copy(testJobs, jobs)
	}
	Main(testJobs)
	if os.Getenv(envCells) != "" {
		os.Exit(driveCells())
	}
	socktest.Parallel(6)
	os.Exit(m.Run())
}

const (
	// envDesert has a process end before it makes its sandbox.
	envDesert = "SANDBOX_TEST_DESERT"
	// envContained is set in a process that is in namespaces of its own.
	envContained = "SANDBOX_TEST_CONTAINED"
)

// everywhere runs a test with each mode of sandbox that this process can make. Where this is root, another process runs the whole test as
// an ordinary user meanwhile.
func everywhere(t *testing.T, f func(t *testing.T, mode Mode)) {
	t.Helper()
	if bestMode() != Root {
		t.Run(string(User), func(t *testing.T) { f(t, User) })
		return
	}
	nobody := again(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
	for _, mode := range []Mode{Root, User} {
		t.Run(string(mode), func(t *testing.T) { f(t, mode) })
	}
	t.Run("nobody", nobody)
}

// contained has another process run the whole test in a user and network namespace of its own, as in a container.
func contained(t *testing.T) {
	t.Helper()
	if os.Getenv(envContained) != "" {
		return
	}
	t.Run("contained", again(t, &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}, envContained+"=1"))
}

// again starts the test in another process. What it returns waits for the end, and skips if the other did.
func again(t *testing.T, as *syscall.SysProcAttr, env ...string) func(t *testing.T) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+name+"$", "-test.v")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", append(os.Environ(), env...), as
	// A file, unlike a pipe, needs no goroutine and no descriptor that comes and goes: leavesNothing would find them.
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	cmd.Stdout, cmd.Stderr = file, file
	started := cmd.Start()
	if started == nil {
		others.Store(cmd.Process.Pid, true)
	}
	return func(t *testing.T) {
		err := started
		if err == nil {
			err = cmd.Wait()
			others.Delete(cmd.Process.Pid)
		}
		out, rerr := os.ReadFile(file.Name())
		switch {
		case as.Cloneflags != 0 && errors.Is(err, syscall.EPERM):
			t.Skipf("no namespaces here: %v", err)
		case err != nil || rerr != nil:
			t.Errorf("%v\n%s", errors.Join(err, rerr), out)
		case bytes.HasPrefix(out, []byte("--- SKIP")), bytes.Contains(out, []byte("\n--- SKIP")):
			t.Skipf("%s", out)
		}
	}
}

// others are the processes that again has started, which are no cells.
var others sync.Map

// startCell starts a cell, and skips the test where this host allows no sandbox.
func startCell(ctx context.Context, t *testing.T, spec Spec, job Job) *Cell {
	t.Helper()
	c, err := Start(ctx, spec, job)
	skipDenied(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Kill()
		_, _ = c.Wait() // again
	})
	return c
}

// skipDenied skips the test if err is this host's refusal: one with a known cause.
func skipDenied(t *testing.T, err error) {
	t.Helper()
	if e, ok := errors.AsType[*Error](err); ok && e.Cause != "" && slices.Contains([]syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSPC}, errnoOf(err)) {
		t.Skip(err)
	}
}

// resultOf has a cell do a job to its end, and decodes its result.
func resultOf[T any](t *testing.T, spec Spec, job Job) (result T, cell *Cell) {
	t.Helper()
	cell = startCell(t.Context(), t, spec, job)
	b, err := cell.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &result); err != nil {
		t.Fatal(err)
	}
	return result, cell
}

// first returns the first event of a cell.
func first(t *testing.T, c *Cell) string {
	t.Helper()
	for e := range c.Events() {
		var s string
		if err := json.Unmarshal(e, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	_, err := c.Wait()
	t.Fatalf("there was no event: %v", err)
	return ""
}

// until waits for something.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}
