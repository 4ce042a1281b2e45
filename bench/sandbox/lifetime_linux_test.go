package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A test of what becomes of cells with the process that started them starts this binary as that process.
const (
	envCells = "SANDBOX_TEST_CELL" // a Spec
	// envToken is what the process and its cells are known by.
	envToken = "SANDBOX_TEST_TOKEN"
)

// driveCells starts two cells, says when both jobs are under way, and waits for their end.
func driveCells() int {
	fail := func(err error) int {
		fmt.Println(err)
		return 1
	}
	var spec Spec
	if err := json.Unmarshal([]byte(os.Getenv(envCells)), &spec); err != nil {
		return fail(err)
	}
	var cells []*Cell
	for range 2 {
		c, err := Start(context.Background(), spec, Job{Name: "where"})
		if err != nil {
			return fail(err)
		}
		cells = append(cells, c)
		for range c.Events() {
			break
		}
		fmt.Println(c.child.cmd.Process.Pid)
	}
	for _, c := range cells {
		if _, err := c.Wait(); err != nil {
			return fail(err)
		}
	}
	return 0
}

// driver is such a process, and the ends of its streams.
type driver struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   *bufio.Reader
	token string
	cells []int
}

func startDriver(t *testing.T, spec Spec) *driver {
	t.Helper()
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{t: t, token: envToken + "=" + rand.Text()}
	d.cmd = exec.CommandContext(t.Context(), "/proc/self/exe")
	d.cmd.Env = append(os.Environ(), d.token, envCells+"="+string(b))
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.out = bufio.NewReader(stdout)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	return d
}

// awaitCells waits until both jobs are under way.
func (d *driver) awaitCells() {
	d.t.Helper()
	for len(d.cells) < 2 {
		line, err := d.out.ReadString('\n')
		pid, nerr := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || nerr != nil {
			if strings.HasPrefix(line, "no sandbox") {
				d.t.Skip(line)
			}
			d.t.Fatalf("%q (%v), want the number of a process", line, err)
		}
		d.cells = append(d.cells, pid)
	}
}

// awaitGone waits until no process has the token, and closes the streams.
func (d *driver) awaitGone() {
	d.t.Helper()
	until(d.t, "the end of the processes", func() bool {
		files, err := filepath.Glob("/proc/[0-9]*/environ")
		if err != nil {
			d.t.Fatal(err)
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(d.token)) {
				return false
			}
		}
		return true
	})
	_, _ = io.Copy(io.Discard, d.out)
	_ = d.cmd.Wait() // by a signal
}

// TestKilledWithTheParent kills the process that has started cells.
func TestKilledWithTheParent(t *testing.T) {
	everywhere(t, func(t *testing.T, mode Mode) {
		for _, spec := range []Spec{{Mode: mode}, {Mode: mode, Topology: Veth}, {Mode: mode, EhashEntries: testEntries}} {
			d := startDriver(t, spec)
			d.awaitCells()
			if err := d.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			d.awaitGone()
		}
	})
}

// A kill at any moment of the setup leaves nothing either.
func TestKilledWithTheParentEarly(t *testing.T) {
	everywhere(t, func(t *testing.T, mode Mode) {
		for delay := time.Duration(0); delay <= 40*time.Millisecond; delay += 2 * time.Millisecond {
			d := startDriver(t, Spec{Mode: mode, Topology: Veth, EhashEntries: 1 << 16})
			<-time.After(delay)
			if err := d.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			d.awaitGone()
		}
	})
}

// The pipe tells a cell's process of its parent's end where PDEATHSIG does not: here the process is told by its end alone.
func TestPipeEndsTheCell(t *testing.T) {
	c := startCell(t.Context(), t, Spec{}, Job{Name: "stubborn"})
	id := first(t, c)
	if err := c.child.control.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(); err == nil {
		t.Error("no error")
	}
	noneIn(t, []string{id})
}

// TestSuspended stops and continues the process, as Ctrl-Z and fg do, and its cells with it.
func TestSuspended(t *testing.T) {
	everywhere(t, func(t *testing.T, mode Mode) {
		d := startDriver(t, Spec{Mode: mode})
		d.awaitCells()
		all := append([]int{d.cmd.Process.Pid}, d.cells...)
		states := func() (s string) {
			for _, pid := range all {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
				if err != nil {
					t.Fatal(err)
				}
				s += strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))[0]
			}
			return s
		}
		for range 2 {
			if err := d.cmd.Process.Signal(syscall.SIGTSTP); err != nil {
				t.Fatal(err)
			}
			until(t, "all to stop", func() bool { return states() == "TTT" })
			if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			until(t, "all to go on", func() bool { return !strings.Contains(states(), "T") })
		}
		for _, pid := range d.cells {
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		d.awaitGone()
		if code := d.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}
