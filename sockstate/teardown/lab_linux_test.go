package teardown

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/socktest"
)

// Connections wait for delays and delayed ACKs more than they compute.
func TestMain(m *testing.M) {
	socktest.Parallel(4)
	os.Exit(m.Run())
}

// lab is a network namespace with a listener: connections are made, used and torn
// down in it by blocking system calls, so that only the kernel is under test.
type lab struct {
	t        *testing.T
	ns       *netns.NS
	listener int
	addr     *unix.SockaddrInet4
}

func newLab(t *testing.T, sysctls ...string) *lab {
	t.Helper()
	// Without it an RST ends a TIME_WAIT before it can be looked for.
	sysctls = append(sysctls, "net.ipv4.tcp_rfc1337=1")
	l := &lab{t: t, ns: socktest.NewNamespace(t, sysctls...), listener: -1}
	t.Cleanup(func() {
		if l.listener >= 0 {
			_ = unix.Close(l.listener)
		}
	})
	err := l.ns.Do(func() (err error) {
		l.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Bind(l.listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		if err := unix.Listen(l.listener, 4096); err != nil {
			return err
		}
		sa, err := unix.Getsockname(l.listener)
		if err != nil {
			return err
		}
		l.addr = sa.(*unix.SockaddrInet4)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// counters reads what Observed looks at.
func (l *lab) counters() sockstate.Counters {
	l.t.Helper()
	var c sockstate.Counters
	err := l.ns.Do(func() (err error) {
		c, err = socktest.ReadCounters()
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

type census [sockstate.NumSides][sockstate.NumStates]int

// readCensus counts the sockets of the calling thread's namespace, the listener left out.
func (l *lab) readCensus() (c census, err error) {
	f, err := os.Open("/proc/thread-self/net/tcp")
	if err != nil {
		return c, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		w := strings.Fields(sc.Text())
		if w[0] == "sl" {
			continue
		}
		state, err := strconv.ParseUint(w[3], 16, 8)
		if err != nil {
			return c, err
		}
		side := sockstate.Client
		if strings.HasSuffix(w[1], fmt.Sprintf(":%04X", l.addr.Port)) {
			side = sockstate.Server
		}
		if s := sockstate.State(state); s != sockstate.Listen {
			c[side][s]++
		}
	}
	return c, sc.Err()
}

func pause() { _ = unix.Nanosleep(&unix.Timespec{Nsec: 2e6}, nil) }

// settle waits until every socket is in one of the states that it may stay in. The census must be the same twice: while sockets move, the
// list that the kernel writes in parts may miss one.
func (l *lab) settle(stay ...sockstate.State) (c census) {
	l.t.Helper()
	err := l.ns.Do(func() error {
		before, err := l.readCensus()
		if err != nil {
			return err
		}
		for deadline := time.Now().Add(2 * time.Minute); ; pause() {
			if c, err = l.readCensus(); err != nil {
				return err
			}
			moving := 0
			for _, counts := range c {
				for s, n := range counts {
					if !slices.Contains(stay, sockstate.State(s)) {
						moving += n
					}
				}
			}
			if moving == 0 && c == before {
				return nil
			}
			before = c
			if time.Now().After(deadline) {
				return fmt.Errorf("%d sockets have not settled: %v", moving, c)
			}
		}
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// watch takes one census after the other until stopped, and sums them.
func (l *lab) watch() (stop func() census) {
	var seen census
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := l.ns.Do(func() error {
			for {
				c, err := l.readCensus()
				if err != nil {
					return err
				}
				for side := range c {
					for s, k := range c[side] {
						seen[side][s] += k
					}
				}
				select {
				case <-done:
					return nil
				default:
					pause()
				}
			}
		})
		if err != nil {
			l.t.Error(err)
		}
	})
	return sync.OnceValue(func() census { close(done); wg.Wait(); return seen })
}

// drill is how connections are torn down, after size bytes each way.
type drill struct {
	policy   Policy
	reaction Reaction
	size     int
}

// outcome is what the two sides saw, and the descriptors that are still open.
type outcome struct {
	mu    sync.Mutex
	saw   [sockstate.NumSides]map[observable]int
	held  [sockstate.NumSides][]int
	fails []error
}

func (o *outcome) see(side sockstate.Side, s observable) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.saw[side] == nil {
		o.saw[side] = make(map[observable]int)
	}
	o.saw[side][s]++
}

func (o *outcome) hold(side sockstate.Side, fd int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held[side] = append(o.held[side], fd)
}

func (o *outcome) fail(side sockstate.Side, call string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fails = append(o.fails, fmt.Errorf("%s: %s: %w", side, call, err))
}

// release closes what is held of a side.
func (o *outcome) release(side sockstate.Side) {
	for _, fd := range o.held[side] {
		_ = unix.Close(fd)
	}
	o.held[side] = nil
}

const firstPort = 10_000

// run takes n connections through d, one after the other or all at once.
func (l *lab) run(d drill, n int, concurrent bool) *outcome {
	l.t.Helper()
	o := new(outcome)
	clients := make([]int, n)
	err := l.ns.Do(func() (err error) {
		for i := range clients {
			if clients[i], err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
				return err
			}
			// A port of its own, below those that the kernel chooses from. It may choose one twice, if two connects look for one at the same
			// time (table_perturb), and then the second SYN ends the first connection's TIME_WAIT at the server.
			if err := unix.Bind(clients[i], &unix.SockaddrInet4{Port: firstPort + i, Addr: l.addr.Addr}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { o.release(sockstate.Client); o.release(sockstate.Server) })

	var wg sync.WaitGroup
	for _, fd := range clients {
		wg.Add(2)
		go func() {
			defer wg.Done()
			addr := *l.addr // its own: Connect writes into it
			d.client(o, fd, &addr)
		}()
		go func() {
			defer wg.Done()
			d.server(o, l.listener)
		}()
		if !concurrent {
			wg.Wait()
		}
	}
	wg.Wait()
	for i, err := range o.fails {
		if i == 5 {
			break
		}
		l.t.Error(err)
	}
	return o
}

func (d drill) client(o *outcome, fd int, addr unix.Sockaddr) {
	const side = sockstate.Client
	if err := unix.Connect(fd, addr); err != nil {
		if reset(err) {
			o.see(side, rstObservable)
		} else {
			o.fail(side, "connect", err)
		}
		_ = unix.Close(fd)
		return
	}
	if !d.send(o, side, fd) {
		return
	}
	if d.policy.Who == ClientFirst && d.policy.How == Unread || d.receive(o, side, fd) {
		d.teardown(o, side, fd)
	}
}

func (d drill) server(o *outcome, listener int) {
	const side = sockstate.Server
	fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	if err != nil {
		o.fail(side, "accept", err)
		return
	}
	if d.policy.Who == ServerFirst && d.policy.How == Unread || d.receive(o, side, fd) && d.send(o, side, fd) {
		d.teardown(o, side, fd)
	}
}

func reset(err error) bool { return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) }

// broken ends a side whose call failed.
func (d drill) broken(o *outcome, side sockstate.Side, fd int, call string, err error) {
	if reset(err) {
		o.see(side, rstObservable)
	} else {
		o.fail(side, call, err)
	}
	if d.reaction.Kind == ReactRST {
		linger(fd, 0) // counts nothing, as the connection is gone
	}
	_ = unix.Close(fd)
}

// send sends a side's bytes of the exchange; otherwise it has closed fd.
func (d drill) send(o *outcome, side sockstate.Side, fd int) bool {
	for p := make([]byte, d.size); len(p) > 0; {
		n, err := unix.Write(fd, p)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			d.broken(o, side, fd, "write", err)
			return false
		}
		p = p[n:]
	}
	return true
}

// receive reads a side's bytes of the exchange; otherwise it has closed fd.
func (d drill) receive(o *outcome, side sockstate.Side, fd int) bool {
	buf := make([]byte, min(d.size, 64<<10))
	for left := d.size; left > 0; {
		n, err := unix.Read(fd, buf[:min(left, len(buf))])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			d.broken(o, side, fd, "read", err)
			return false
		case n == 0:
			o.fail(side, "read", errors.New("EOF instead of data"))
			_ = unix.Close(fd)
			return false
		}
		left -= n
	}
	return true
}

func linger(fd int, seconds int32) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: seconds})
}

func (d drill) teardown(o *outcome, side sockstate.Side, fd int) {
	switch {
	case d.policy.Who == Nobody:
		o.see(side, nothingObservable)
		o.hold(side, fd)
		return
	case !d.policy.Active(side):
		if d.readToEOF(o, side, fd) {
			d.react(o, side, fd)
		}
		return
	}
	switch d.policy.How {
	case RST:
		linger(fd, 0)
	case Linger:
		linger(fd, int32(d.policy.Linger/time.Second))
	case Unread:
		if d.size > 0 {
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != nil {
				o.fail(side, "poll", err)
			}
		}
	case Half:
		if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
			o.fail(side, "shutdown", err)
		}
		if d.reaction.Kind == ReactNever {
			o.see(side, nothingObservable)
			o.hold(side, fd)
			return
		}
		if d.readToEOF(o, side, fd) {
			_ = unix.Close(fd)
		}
		return
	case FIN:
	}
	o.see(side, nothingObservable)
	_ = unix.Close(fd)
}

// readToEOF reports whether EOF came; otherwise it has closed fd.
func (d drill) readToEOF(o *outcome, side sockstate.Side, fd int) bool {
	var buf [16]byte
	n, err := unix.Read(fd, buf[:])
	switch {
	case err != nil:
		d.broken(o, side, fd, "read", err)
		return false
	case n > 0:
		o.fail(side, "read", errors.New("data instead of EOF"))
		_ = unix.Close(fd)
		return false
	}
	o.see(side, finObservable)
	return true
}

func (d drill) react(o *outcome, side sockstate.Side, fd int) {
	switch d.reaction.Kind {
	case ReactDelay:
		ts := unix.NsecToTimespec(int64(d.reaction.Delay))
		for unix.Nanosleep(&ts, &ts) == unix.EINTR {
		}
	case ReactNever:
		o.hold(side, fd)
		return
	case ReactRST:
		linger(fd, 0)
	case ReactClose:
	}
	_ = unix.Close(fd)
}
