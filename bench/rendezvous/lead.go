package rendezvous

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"lastack/bench/shard"
)

// meeting is shard 0's side.
type meeting struct {
	*Spec
	addr    netip.AddrPort
	mu      sync.Mutex
	arrived map[int]*link
	ready   map[int]bool
	came    map[int]bool // those that have arrived, even if they went away again
	// changed has room for one: something is new.
	changed chan struct{}
	failed  error
	// strangers is how many had another token.
	strangers int
	// silent are the connections of those that are not known as shards, the oldest first.
	silent []net.Conn
	// deaf is why the last connection could not be accepted, nil if one has been since.
	deaf    error
	running sync.WaitGroup
}

func lead0(ctx context.Context, s *Spec) (Start, error) {
	if s.Shard.N == 1 {
		return Start{At: time.Now().Add(lead), RunID: s.RunID}, nil
	}
	addr, err := s.ownAddress(ctx)
	if err != nil {
		return Start{}, err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr.String())
	if err != nil {
		return Start{}, failed(0, "shard 0 cannot listen at %s (%v): it must run on the host with this address, and the port must be free", s.Name, errors.Unwrap(err))
	}
	return newMeeting(s, addr).lead(ctx, ln)
}

func newMeeting(s *Spec, addr netip.AddrPort) *meeting {
	return &meeting{Spec: s, addr: addr, arrived: map[int]*link{}, ready: map[int]bool{}, came: map[int]bool{}, changed: make(chan struct{}, 1)}
}

// lead holds the rendezvous with those that come to the listener, which it closes.
func (m *meeting) lead(ctx context.Context, ln net.Listener) (Start, error) {
	// The others hear it if this one is stopped or gives up, so their connections outlive ctx.
	deadline, _ := ctx.Deadline()
	links, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(grace))
	m.running.Go(func() { m.accept(links, ln) })
	st, err := m.wait(ctx)
	m.announce(st, err)
	_ = ln.Close() // it was only read from
	cancel()
	m.running.Wait()
	return st, err
}

// ownAddress finds the address to listen at.
func (s *Spec) ownAddress(ctx context.Context) (addr netip.AddrPort, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, errTimeout)
	defer cancel()
	err = again(ctx, func() (err error) {
		addr, err = s.Find(ctx)
		return err
	})
	if err != nil && ctx.Err() != nil {
		err = over(ctx, "shard 0 finds no address of %s within %v (%v): want a name of this host, or an address", s.Name, s.Timeout, cause(err))
	}
	return addr, err
}

func (m *meeting) accept(ctx context.Context, ln net.Listener) {
	for {
		c, err := ln.Accept()
		m.mu.Lock()
		m.deaf = err
		m.mu.Unlock()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // mostly no descriptor is left, and one may be soon
			select {
			case <-ctx.Done():
				return
			case <-time.After(retry):
			}
			continue
		}
		m.admit(c)
		m.running.Go(func() {
			defer m.end(c)
			l, stop := newLink(ctx, c)
			defer stop()
			m.serve(ctx, l)
		})
	}
}

// spare is how many connections more than two for each shard may be open without a hello: those of probes and other strangers.
const spare = 64

// admit adds a connection to the silent ones. One too many ends the oldest, as a shard says hello at once.
func (m *meeting) admit(c net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.silent = append(m.silent, c); len(m.silent) > 2*m.Shard.N+spare {
		_ = m.silent[0].Close() // who reads from it hears of it
		m.silent = slices.Delete(m.silent, 0, 1)
	}
}

func (m *meeting) end(c net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(c)
	_ = c.Close() // the other side hears of it
}

// forget takes a connection from the silent ones, if it is one of them. The caller holds mu.
func (m *meeting) forget(c net.Conn) {
	m.silent = slices.DeleteFunc(m.silent, func(s net.Conn) bool { return s == c })
}

// firstWord is how long a stranger may be silent.
const firstWord = 5 * time.Second

// serve talks with a shard until the rendezvous is over.
func (m *meeting) serve(ctx context.Context, l *link) {
	deadline, _ := ctx.Deadline()
	_ = l.SetReadDeadline(time.Now().Add(min(firstWord, time.Until(deadline)))) // as in newLink
	said, err := l.receive()
	if err != nil || said.Hello == nil || said.Hello.Magic != magic {
		return // a stranger
	}
	_ = l.SetReadDeadline(deadline)
	h := said.Hello
	if err, fatal := m.greet(h, l); err != nil {
		l.refuse(err) // before the end, which may come at once
		if fatal {
			m.fail(err)
		}
		return
	}
	for {
		said, err := l.receive()
		at := time.Now().UnixNano()
		switch {
		case err != nil || said.Ask == nil && !said.Ready:
			m.leave(h.I, l, ctx.Err() != nil)
			return
		case said.Ready:
			m.mu.Lock()
			m.ready[h.I] = true
			m.mu.Unlock()
			m.notify()
		default:
			said.Ask.T2, said.Ask.T3 = at, time.Now().UnixNano()
			if l.send(message{Answer: said.Ask}) != nil {
				m.leave(h.I, l, ctx.Err() != nil)
				return
			}
		}
	}
}

func (m *meeting) notify() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

const anotherToken = "shard 0 has another token than this one; all need the same LASTACK_TOKEN"

// greet checks a hello. What makes this run impossible ends it for all; a stranger does not.
func (m *meeting) greet(h *hello, l *link) (err *Error, fatal bool) {
	given, want := sha256.Sum256([]byte(h.Token)), sha256.Sum256([]byte(m.Token))
	m.mu.Lock()
	defer m.mu.Unlock()
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		m.strangers++
		return &Error{h.I, anotherToken}, false
	}
	no := func(format string, args ...any) (*Error, bool) {
		return &Error{h.I, fmt.Sprintf(format, args...)}, true
	}
	switch {
	case h.N != m.Shard.N:
		return no("shard %d has %d shards, shard 0 has %d: give all the same number", h.I, h.N, m.Shard.N)
	case h.I <= 0 || h.I >= h.N:
		return no("there is no shard %d of %d beside shard 0", h.I, h.N)
	case h.Plan != m.Plan:
		versions := ""
		if h.Version != m.Version {
			versions = fmt.Sprintf(" (lastack %s and %s)", h.Version, m.Version)
		}
		return no("shard %d has another plan than shard 0%s: give all the same target, load and version", h.I, versions)
	case m.arrived[h.I] != nil:
		return no("two processes say that they are shard %d: each needs its own number", h.I)
	}
	m.arrived[h.I], m.came[h.I] = l, true
	m.forget(l.Conn)
	return nil, false
}

// fail ends the rendezvous for all.
func (m *meeting) fail(err *Error) {
	m.mu.Lock()
	if m.failed == nil {
		m.failed = err
	}
	m.mu.Unlock()
	m.notify()
}

// leave forgets a shard that went away before the start, so that it may come again.
func (m *meeting) leave(i int, l *link, over bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.arrived[i] == l && !over {
		delete(m.arrived, i)
		delete(m.ready, i)
	}
}

// wait returns when all shards are ready, when enough are at the timeout, or with an error.
func (m *meeting) wait(ctx context.Context) (Start, error) {
	deadline, _ := ctx.Deadline()
	late := time.NewTimer(time.Until(deadline) - grace) // the search for the own address may have taken some of the time
	defer late.Stop()
	long := time.NewTicker(patience)
	defer long.Stop()
	var told []int
	for {
		absent, err := m.state()
		switch {
		case err != nil:
			return Start{}, err
		case len(absent) == 0:
			return m.start(nil), nil
		}
		select {
		case <-m.changed:
		case <-long.C:
			if !slices.Equal(absent, told) {
				m.Waiting(absent)
				told = absent
			}
		case <-ctx.Done():
			return Start{}, context.Cause(ctx)
		case <-late.C:
			absent, err := m.state()
			if here := m.Shard.N - len(absent); err == nil && m.Quorum > 0 && here >= m.Quorum {
				return m.start(absent), nil
			}
			if err != nil {
				return Start{}, err
			}
			return Start{}, failed(absent[0], "%s%s", m.whyAbsent(absent), m.hint())
		}
	}
}

// whyAbsent says for each shard that is not ready how far it came.
func (m *meeting) whyAbsent(absent []int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var never, went, slow []int
	for _, i := range absent {
		switch {
		case !m.came[i]:
			never = append(never, i)
		case m.arrived[i] == nil:
			went = append(went, i)
		default:
			slow = append(slow, i)
		}
	}
	var all []string
	for _, those := range []struct {
		shards []int
		did    string
	}{
		{never, fmt.Sprintf("did not come within %v", m.Timeout)},
		{went, "came and went away again"},
		{slow, "came, but did not compare clocks in time"},
	} {
		if len(those.shards) > 0 {
			all = append(all, shard.Names(those.shards)+" "+those.did)
		}
	}
	return strings.Join(all, "; ")
}

// hint is what may have kept shards away.
func (m *meeting) hint() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	host, _, _ := net.SplitHostPort(m.Name)
	_, notAddress := netip.ParseAddr(host)
	switch {
	case m.deaf != nil:
		return fmt.Sprintf(": shard 0 could not accept the last connection (%v)", cause(m.deaf))
	case m.strangers > 0:
		return fmt.Sprintf(" (%d refused, which had another token)", m.strangers)
	case notAddress != nil && m.addr.Addr().IsLoopback() && host != "localhost":
		return fmt.Sprintf(": here %s is %s, which other hosts cannot reach (/etc/hosts says so); give its address", host, m.addr.Addr())
	}
	return ""
}

func (m *meeting) state() (absent []int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := 1; i < m.Shard.N; i++ {
		if !m.ready[i] {
			absent = append(absent, i)
		}
	}
	return absent, m.failed
}

func (m *meeting) start(absent []int) Start {
	return Start{At: time.Now().Add(lead), RunID: m.RunID, Absent: absent}
}

// announce tells all that have come.
func (m *meeting) announce(st Start, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	told := message{Start: &start{At: st.At.UnixNano(), RunID: st.RunID, Absent: st.Absent}}
	if err != nil {
		told = message{Error: "shard 0 was stopped"}
		if e, ok := errors.AsType[*Error](err); ok {
			told.Error, told.Of = e.Text, e.Shard
		}
	}
	for i, l := range m.arrived {
		if err != nil || !slices.Contains(st.Absent, i) {
			_ = l.send(told) // it says itself that it did not hear
		}
	}
}
