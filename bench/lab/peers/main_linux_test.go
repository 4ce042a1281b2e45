package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastack/bench/lab"
)

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-pairs", "0"}, "-pairs: want 1 to 1000, got 0"},
		{[]string{"-seconds", "601"}, "-seconds: want 1 to 600, got 601"},
		{[]string{"-c", "1"}, "-c: want 2 to 10000, got 1"},
		{[]string{"-workloads", "echo-rst,ftp"}, `-workloads: unknown workload "ftp": want all, or some of echo-rst,echo-fin,none-rst,none-fin,http,observed`},
		{[]string{"127.0.0.1:80"}, `unexpected argument "127.0.0.1:80"`},
		{[]string{"-seconds", "1.5"}, `invalid value "1.5" for flag -seconds`},
		{[]string{"-pairs", "01001"}, "-pairs: want 1 to 1000, got 1001"},
		{[]string{"-pairs", "0x5"}, `invalid value "0x5" for flag -pairs: "0x5" is not a whole number: want one like 4`},
		{[]string{"-seconds", "0b1"}, `invalid value "0b1" for flag -seconds`},
		{[]string{"-c", "1_000"}, `invalid value "1_000" for flag -c`},
	} {
		var stdout, stderr bytes.Buffer
		if code := program().Main(tt.args, &stdout, &stderr); code != lab.ExitUsage || !strings.Contains(stderr.String(), tt.want) || stdout.Len() > 0 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want exit %d and %q", tt.args, code, stdout.String(), stderr.String(), lab.ExitUsage, tt.want)
		}
	}
}

func TestFloorUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"ftp", "1", "1"}, {"echo-rst", "none", "1"}, {"http", "1", "1"}} {
		var stdout, stderr bytes.Buffer
		if code := program().Main(append([]string{floorFlag}, args...), &stdout, &stderr); code != lab.ExitError || stderr.Len() == 0 {
			t.Errorf("%q: exit %d, stderr %q", args, code, stderr.String())
		}
	}
}

// atMost bounds the programs that a test runs, on a machine that is busy with others.
const atMost = 2 * time.Minute

// built is the directory of the programs once a test has asked for them.
var built string

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// buildPrograms builds lastack and this package's program, once.
func buildPrograms(t *testing.T) (dir string) {
	t.Helper()
	if built != "" {
		return built
	}
	dir, err := os.MkdirTemp("", "lastack-peers-")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+string(filepath.Separator), "lastack/cmd/lastack", "lastack/bench/lab/peers")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s: %v", err, out, os.RemoveAll(dir))
	}
	built = dir
	return dir
}

// TestSideBySide is two rounds of lastack and the floor, in a namespace, as make bench runs them.
func TestSideBySide(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds two programs and runs them for several seconds: -short")
	}
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	dir := buildPrograms(t)
	file := filepath.Join(t.TempDir(), "table.md")
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "peers"), "-lastack", filepath.Join(dir, "lastack"),
		"-workloads", "none-rst", "-pairs", "2", "-seconds", "1", "-c", "8", "-quiet", "0", "-o", file)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	table := stdout.String()
	saved, err := os.ReadFile(file)
	if err != nil || string(saved) != table {
		t.Errorf("the file holds something else than stdout: %v\n%s", err, saved)
	}
	cells := func(name string) []string {
		t.Helper()
		for line := range strings.Lines(table) {
			if strings.HasPrefix(line, "| "+name) || strings.HasPrefix(line, "| **"+name) {
				return strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			}
		}
		t.Fatalf("no row of %s in\n%s\n%s", name, table, stderr.String())
		return nil
	}
	for _, name := range []string{"lastack --engine epoll", "serial floor"} {
		c := cells(name)
		if len(c) != 8 {
			t.Fatalf("%d cells: %q", len(c), c)
		}
		if n, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(c[1]), ",", ""), 64); err != nil || n <= 0 {
			t.Errorf("%s: %q connections/s: %v", name, c[1], err)
		}
		if !strings.HasSuffix(strings.TrimSpace(c[6]), "s") {
			t.Errorf("%s: CPU of both ends: %q", name, c[6])
		}
		if strings.TrimSpace(c[7]) != "0" {
			t.Errorf("%s: failed: %q", name, c[7])
		}
	}
	ratio := regexp.MustCompile(`^ \d+\.\d\d \(\d+\.\d\d–\d+\.\d\d\) $`)
	if c := cells("serial floor"); !ratio.MatchString(c[2]) {
		t.Errorf("lastack ÷ floor: %q", c[2])
	}
	// What did not agree with the kernel's counters would stand below the table.
	for _, doubt := range []string{"accounting", "gave no figure"} {
		if strings.Contains(table, doubt) {
			t.Errorf("%q in\n%s", doubt, table)
		}
	}
	if rounds := strings.Count(stderr.String(), "none-rst 2/2"); rounds < 2 {
		t.Errorf("%d contenders in the second round:\n%s", rounds, stderr.String())
	}
}

// TestInterrupted: SIGINT to the parent ends it, with the table of what there is.
func TestInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program: -short")
	}
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	program := filepath.Join(buildPrograms(t), "peers")
	// A lastack that is none fails at once; then the floor of ten minutes is under way.
	cmd := exec.CommandContext(ctx, program, "-lastack", "/bin/false", "-workloads", "none-rst", "-seconds", "600", "-quiet", "0")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for b := make([]byte, 4096); strings.Count(said.String(), "false") < 2; {
		n, err := stderr.Read(b)
		said.Write(b[:n])
		if err != nil {
			t.Fatalf("%v after %q", err, said.String())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != lab.ExitInterrupted {
		t.Errorf("%v, want exit %d", err, lab.ExitInterrupted)
	}
	if !strings.Contains(stdout.String(), "epoll: 1 of 1 runs gave no figure: false: exit status 1") {
		t.Errorf("the table is\n%s", stdout.String())
	}
}
