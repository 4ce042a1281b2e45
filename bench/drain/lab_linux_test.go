package drain

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	target "lastack/server"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/socktest"
	"lastack/sockstate/teardown"
)

// A test has a cell carry out a drain, of servers that are this binary too.
const envReference = "DRAIN_TEST_REFERENCE"

// TestMain has several drains run at once: each waits for most of its time, and none is timed.
func TestMain(m *testing.M) {
	process.Main()
	if len(os.Args) == 3 && os.Args[1] == envReference {
		os.Exit(serveReference(os.Args[2]))
	}
	sandbox.Main(map[string]sandbox.Func{"trial": inside})
	socktest.Parallel(3)
	os.Exit(m.Run())
}

// reference says how the reference server is.
type reference struct {
	Shutdown  string
	Exchange  exchange.Spec
	Delay     time.Duration
	Addr      string
	Ledger    string
	ReusePort bool
	// Once has it close each connection after a reply.
	Once bool
	// Deaf has it accept nothing, Stubborn ignore SIGTERM, Brief end by itself after that time.
	Deaf, Stubborn bool
	Brief          time.Duration
	// Fork has it put itself into the background; the launcher stays for Linger.
	Fork   bool
	Linger time.Duration
	// Impatient has it wait no longer than that for a request's header.
	Impatient time.Duration
	// Proxy has it pass all connections on to that address; PIDFile is where it writes its number.
	Proxy, PIDFile string
	// Reloads has SIGHUP end the connections that it has, and nothing else: it accepts on. Status is that of its replies,
	// AfterHUP of those after it; 0: 200.
	Reloads          bool
	Status, AfterHUP int
}

// args is the command that starts it.
func (r reference) args() []string {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // of strings and numbers
	}
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return []string{exe, envReference, string(b)}
}

func serveReference(spec string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var r reference
	if err := json.Unmarshal([]byte(spec), &r); err != nil {
		return fail(err)
	}
	if r.Fork {
		r.Fork = false
		args := r.args()
		c := exec.Command(args[0], args[1:]...)
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := c.Start(); err != nil {
			return fail(err)
		}
		time.Sleep(r.Linger)
		return 0
	}
	if r.PIDFile != "" {
		if err := os.WriteFile(r.PIDFile, []byte(fmt.Sprint(os.Getpid())), 0o600); err != nil {
			return fail(err)
		}
	}
	if r.Brief > 0 {
		time.AfterFunc(r.Brief, func() {
			fmt.Fprintln(os.Stderr, "enough is enough")
			os.Exit(7)
		})
	}
	if r.Impatient > 0 {
		ok := func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = io.WriteString(w, "ok") }
		s := &nethttp.Server{Addr: r.Addr, ReadHeaderTimeout: r.Impatient, Handler: nethttp.HandlerFunc(ok)}
		return fail(s.ListenAndServe()) // SIGTERM ends it
	}
	if r.Proxy != "" {
		return fail(pass(r.Addr, r.Proxy))
	}
	how, err := target.ParseShutdown(r.Shutdown)
	if err != nil {
		return fail(err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	if r.Reloads {
		return serveReloading(&r, signals)
	}
	if r.Deaf {
		ln, err := sockio.Listen(netip.MustParseAddrPort(r.Addr), sockio.ListenConfig{Backlog: 4096, ReusePort: r.ReusePort})
		if err != nil {
			return fail(err)
		}
		<-signals
		if err := ln.Close(); err != nil {
			return fail(err)
		}
		return 0
	}
	s, err := target.Start(target.Config{
		Addrs: []netip.AddrPort{netip.MustParseAddrPort(r.Addr)}, Shutdown: how, Exchange: r.Exchange, Delay: r.Delay,
		Workers: 1, Slots: 20000, ReusePort: r.ReusePort, Close: closePolicy(r.Once), Requests: 1,
	})
	if err != nil {
		return fail(err)
	}
	for <-signals; r.Stubborn; <-signals {
		continue
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s.Shutdown(ctx)
	st, err := s.Stop()
	if err != nil {
		return fail(err)
	}
	b, err := json.Marshal(st.Counts())
	if err != nil {
		return fail(err)
	}
	if r.Ledger == "" {
		return 0
	}
	if err := os.WriteFile(r.Ledger, b, 0o600); err != nil {
		return fail(err)
	}
	return 0
}

// serveReloading answers each request, and on SIGHUP or SIGUSR2 ends the connections that wait for one.
func serveReloading(r *reference, signals chan os.Signal) int {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP, syscall.SIGUSR2)
	ln, err := net.Listen("tcp", r.Addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var status atomic.Int64
	status.Store(int64(cmp.Or(r.Status, 200)))
	s := nethttp.Server{Handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(int(status.Load())) })}
	var mu sync.Mutex
	idle := make(map[net.Conn]bool)
	s.ConnState = func(c net.Conn, st nethttp.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		delete(idle, c)
		if st == nethttp.StateIdle {
			idle[c] = true
		}
	}
	go func() {
		for range hup {
			status.Store(int64(cmp.Or(r.AfterHUP, r.Status, 200)))
			mu.Lock()
			for c := range idle {
				_ = c.Close()
			}
			mu.Unlock()
		}
	}()
	go func() {
		<-signals
		_ = s.Close()
	}()
	_ = s.Serve(ln)
	return 0
}

// pass is a proxy, which ends with a signal.
func pass(addr, to string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		front, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer front.Close()
			back, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer back.Close()
			go func() {
				_, _ = io.Copy(back, front)
				_ = back.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(front, back)
		}()
	}
}

func closePolicy(once bool) teardown.Policy {
	if once {
		return teardown.Policy{Who: teardown.ServerFirst, How: teardown.FIN}
	}
	return teardown.Policy{}
}

// trial is a drain to be made in a sandbox.
type trial struct {
	Load     Load
	Stop     Stop
	Also     [][]string
	Repeat   int
	Sysctls  []string
	Patience time.Duration // Stop's
	CancelAt string        // the phase in which the run is interrupted
	// Outside is a server that is started before, and drained by its number, which a hook finds in $SERVER; $DRAIN is the
	// drain's.
	Outside *reference
}

// finding is what came of it.
type finding struct {
	Run *record.Run
	Err string
	// OutsideLives is set where the server that was started before has not ended.
	OutsideLives bool
}

// at is where all servers of these tests listen: each is alone in its sandbox.
const at = "127.0.0.1:8080"

func (tr *trial) spec() Spec {
	c := Spec{Target: netip.MustParseAddrPort(at), Load: tr.Load, Stop: tr.Stop, Also: tr.Also, Repeat: tr.Repeat, Workers: 1}
	if c.Load.Exchange.Kind == exchange.None {
		c.Load.Exchange = exchange.Spec{Kind: exchange.HTTP, Path: "/"}
	}
	if c.Load.ConnectTimeout == 0 {
		c.Load.ConnectTimeout, c.Load.RequestTimeout = 5*time.Second, 5*time.Second
	}
	if c.Stop.Signal == 0 {
		c.Stop.Signal = syscall.SIGTERM
	}
	if c.Stop.Then == 0 {
		c.Stop.Then = NoSignal
	}
	c.Stop.StartTimeout = tr.Patience
	if c.Stop.Grace == 0 {
		c.Stop.Grace = 10 * time.Second
	}
	return c
}

func inside(ctx context.Context, sb *sandbox.Sandbox, input json.RawMessage, emit func(any)) (any, error) {
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 6))
	var tr trial
	if err := json.Unmarshal(input, &tr); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	see := func(e record.Event) {
		emit(time.Now().Format("05.000 ") + e.Phase.Text)
		if e.Phase.Text == tr.CancelAt {
			cancel()
		}
	}
	spec := tr.spec()
	end, err := tr.startOutside(&spec)
	if err != nil {
		return nil, err
	}
	var f finding
	if f.Run, err = drained(ctx, spec, sb.Status, see); err != nil {
		f.Err = err.Error()
	}
	f.OutsideLives = end()
	return f, nil
}

func drained(ctx context.Context, spec Spec, sandbox record.Sandbox, emit func(record.Event)) (*record.Run, error) {
	facts, err := Read(spec)
	if err != nil {
		return nil, err
	}
	setup, err := Resolve(spec, facts)
	if err != nil {
		return nil, err
	}
	return Run(ctx, setup, sandbox, emit)
}

// startOutside starts a server that the drain knows by its number only. end kills it, and tells whether it lived.
func (tr *trial) startOutside(spec *Spec) (end func() (lived bool), err error) {
	if tr.Outside == nil {
		return func() bool { return false }, nil
	}
	runtime.LockOSThread() // for life: PDEATHSIG follows the thread
	args := tr.Outside.args()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if spec.Stop.Hook == "" {
		spec.Stop.PID = cmd.Process.Pid
	}
	if err := errors.Join(os.Setenv("SERVER", fmt.Sprint(cmd.Process.Pid)), os.Setenv("DRAIN", fmt.Sprint(os.Getpid()))); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended does not matter
		close(ended)
	}()
	for range 1000 {
		c, err := net.Dial("tcp", tr.Outside.Addr)
		if err == nil {
			_ = c.Close()
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return func() bool {
		select {
		case <-ended:
			return false
		default:
		}
		_ = cmd.Process.Kill()
		<-ended
		return true
	}, nil
}

// carryOut makes the drain in a sandbox of its own.
func (tr *trial) carryOut(t *testing.T) (f finding) {
	t.Helper()
	var spec sandbox.Spec
	for _, s := range tr.Sysctls {
		c, err := sandbox.ParseSysctl(s)
		if err != nil {
			t.Fatal(err)
		}
		spec.Sysctls = append(spec.Sysctls, c)
	}
	cell, err := sandbox.Start(t.Context(), spec, sandbox.Job{Name: "trial", Input: tr})
	_, isSysctl := errors.AsType[*sandbox.SysctlError](err)
	refused, isRefused := errors.AsType[*sandbox.Error](err)
	switch {
	case isSysctl && os.Geteuid() != 0,
		isRefused && refused.Cause != "" && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC)):
		t.Skipf("no sandbox here: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	for phase := range cell.Events() {
		if os.Getenv("DRAIN_TEST_VERBOSE") != "" {
			fmt.Fprintf(os.Stderr, "%s: %s\n", t.Name(), phase)
		}
	}
	result, err := cell.Wait()
	if err == nil {
		err = json.Unmarshal(result, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// drained is carryOut for a drain that works; its accounts agree.
func (tr *trial) drained(t *testing.T) *record.Run {
	t.Helper()
	f := tr.carryOut(t)
	if f.Err != "" {
		t.Fatal(f.Err)
	}
	for n := range f.Run.Drain.Tries {
		try := &f.Run.Drain.Tries[n]
		for _, c := range try.Accounting {
			if !c.OK {
				t.Errorf("try %d: %s: want %v, got %d (%s)", n, c.Name, c.Want, c.Got, c.Note)
			}
		}
		if try.Order.Source != "packets" {
			t.Errorf("try %d: the order is told by %s (%s), want packets", n, try.Order.Source, try.Order.Reason)
		}
	}
	return f.Run
}
