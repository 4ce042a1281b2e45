package process

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/socktest"
)

// The test binary is executed as init and reaper, and as the programs that they start.
const (
	envProgram = "PROCESS_TEST_PROGRAM" // a key of programs
	envTold    = "PROCESS_TEST_TOLD"    // the FIFO that they tell the test by
	envArg     = "PROCESS_TEST_ARG"
	envRoot    = "PROCESS_TEST_ROOT" // in the tests that root runs as somebody else: root's listener
)

func TestMain(m *testing.M) {
	Main()
	if name := os.Getenv(envProgram); name != "" {
		f, ok := programs[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no program", name)
			os.Exit(99)
		}
		os.Exit(f(os.Getenv(envArg)))
	}
	os.Exit(m.Run())
}

var programs = map[string]func(arg string) int{
	"exit7": func(string) int { return 7 },
	"abort": func(string) int { _ = unix.Kill(os.Getpid(), unix.SIGTERM); return idle() },
	"wait":  func(string) int { tell("ready"); return idle() },
	// number is what its PID file would have.
	"number": func(string) int { tell(strconv.Itoa(os.Getpid())); return idle() },
	// deaf ignores what ends others, and so do its children.
	"deaf": func(string) int {
		signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
		for range 2 {
			fork("wait")
		}
		daemonize("wait")
		tell("deaf")
		return idle()
	},
	// talkative leaves a daemon that writes when it is asked to.
	"talkative": func(string) int { daemonize("talk"); return 0 },
	"talk": func(string) int {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, unix.SIGUSR1)
		tell("ready")
		for range asked {
			fmt.Println("well")
			tell("talked")
		}
		return 0
	},
	// forgetful starts what knows of no environment.
	"forgetful": func(string) int {
		if err := (&exec.Cmd{Path: "/bin/sleep", Args: []string{"sleep", "600"}, Env: []string{"A=b"}}).Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 98
		}
		tell("forgot")
		return idle()
	},
	"daemon": func(string) int { daemonize("wait"); return 0 },
	// middle forks once more, so that its child belongs to nobody when it ends.
	"middle": func(arg string) int { fork(arg); return 0 },
	"loud": func(string) int {
		for i := range 100_000 {
			fmt.Printf("line %d\n", i)
		}
		fmt.Fprint(os.Stderr, "the end")
		return 0
	},
	"listen": listen,
	// master has two workers, that have its listener.
	"master": func(addr string) int {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return 98
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return 97
		}
		tell(l.Addr().String())
		for range 2 {
			cmd := program("hold")
			cmd.ExtraFiles = []*os.File{f}
			if err := cmd.Start(); err != nil {
				return 96
			}
		}
		return idle()
	},
	// launcher starts a server in the background, and stays.
	"launcher": func(addr string) int {
		if err := os.Setenv(envArg, addr); err != nil {
			return 98
		}
		cmd := program("listen")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return 97
		}
		return idle()
	},
	// hold has a listener from its parent.
	"hold":   func(string) int { tell("ready"); return idle() },
	"parent": parent,
	// hostile sends a signal to its parent and to all that it can.
	"hostile": func(string) int {
		signal.Ignore(unix.SIGTERM)
		if unix.Kill(os.Getppid(), unix.SIGTERM) != nil || os.Getpid() == 1 {
			return 1
		}
		return 5
	},
}

func tell(line string) {
	f, err := os.OpenFile(os.Getenv(envTold), os.O_WRONLY, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
	fmt.Fprintln(f, line)
	_ = f.Close()
}

func program(name string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envProgram+"="+name)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

func fork(name string) {
	if err := program(name).Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
}

// daemonize is daemon(3): a session of its own, and a parent that ends.
func daemonize(name string) {
	cmd := program("middle")
	cmd.Env = append(cmd.Env, envArg+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
}

func listen(addr string) int {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	tell(l.Addr().String())
	var held []net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			return 1
		}
		held = append(held, c)
		tell(fmt.Sprintf("accepted %d", len(held)))
	}
}

// parent starts something and waits to be killed.
func parent(contain string) int {
	p, err := Start(Spec{Args: []string{"/proc/self/exe"}, Contain: Contain(contain), env: append(os.Environ(), envProgram+"=deaf")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	tell(fmt.Sprintf("started %d", p.PID()))
	return idle()
}

// idle is for who waits to be killed. Without cgo the runtime ends a program that can only wait as deadlocked, but for a timer.
func idle() int {
	time.Sleep(10 * time.Minute)
	return 0
}

// rig is where a test's programs tell what they do.
type rig struct {
	t    *testing.T
	fifo string
	file *os.File
	in   *bufio.Reader
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, fifo: filepath.Join(t.TempDir(), "told")}
	if err := unix.Mkfifo(r.fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// For writing too: then it does not end with a writer.
	fd, err := unix.Open(r.fifo, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.file = os.NewFile(uintptr(fd), r.fifo)
	t.Cleanup(func() { _ = r.file.Close() })
	r.in = bufio.NewReader(r.file)
	return r
}

func (r *rig) spec(contain Contain, name, arg string) Spec {
	return Spec{Args: []string{"/proc/self/exe"}, Contain: contain, env: r.env(name, arg)}
}

func (r *rig) env(name, arg string) []string {
	return append(os.Environ(), envProgram+"="+name, envArg+"="+arg, envTold+"="+r.fifo)
}

// start starts a program, which ends with the test.
func (r *rig) start(spec Spec) *Process {
	r.t.Helper()
	p, err := Start(spec)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := p.End(); err != nil {
			r.t.Error(err)
		}
	})
	return p
}

// line is the next that was told.
func (r *rig) line() string {
	r.t.Helper()
	if err := r.file.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		r.t.Fatal(err)
	}
	s, err := r.in.ReadString('\n')
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSuffix(s, "\n")
}

// lines reads as many, in any order.
func (r *rig) lines(want ...string) {
	r.t.Helper()
	var got []string
	for range want {
		got = append(got, r.line())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Fatalf("told %q, want %q", got, want)
	}
}

// await waits for what must come.
func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s did not come", what)
	}
}

// each runs a test in both containments.
func each(t *testing.T, f func(t *testing.T, r *rig, contain Contain)) {
	for _, c := range []Contain{PIDNamespace, Group} {
		t.Run(string(c), func(t *testing.T) {
			if c == PIDNamespace {
				needPIDNamespace(t)
			}
			socktest.Guard(t)
			f(t, newRig(t), c)
		})
	}
}

// needPIDNamespace skips where the kernel refuses one.
func needPIDNamespace(t *testing.T) {
	t.Helper()
	s, err := newSpace()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EACCES) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.leave(); err != nil {
		t.Fatal(err)
	}
}

// watched are processes whose end a test waits for, by pidfd.
type watched []*Process

func watch(t *testing.T, pids []int) watched {
	t.Helper()
	var w watched
	for _, pid := range pids {
		p, err := Attach(pid)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.End() })
		w = append(w, p)
	}
	return w
}

func (w watched) allGone(t *testing.T) {
	t.Helper()
	for _, p := range w {
		await(t, fmt.Sprintf("the end of process %d", p.PID()), p.Exited())
	}
}

func tree(t *testing.T, p *Process) []int {
	t.Helper()
	pids, err := p.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return pids
}
