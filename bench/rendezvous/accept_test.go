package rendezvous

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lastack/bench/shard"
)

// pipes is a listener in memory, for tests whose clock is not the machine's.
type pipes struct {
	accepted chan accepted
	closed   chan struct{}
	once     sync.Once
}

type accepted struct {
	net.Conn
	err error
}

func newPipes() *pipes { return &pipes{accepted: make(chan accepted), closed: make(chan struct{})} }

// dial returns when the connection is accepted.
func (p *pipes) dial() net.Conn {
	c, s := net.Pipe()
	p.accepted <- accepted{s, nil}
	return c
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case a := <-p.accepted:
		return a.Conn, a.err
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// noDescriptor is what Accept says when none is left.
var noDescriptor = accepted{err: &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}}

// led starts shard 0 of n on a listener in memory.
func led(ctx context.Context, n int, timeout time.Duration) (*pipes, <-chan outcome) {
	p, ended := newPipes(), make(chan outcome, 1)
	s := &Spec{Shard: shard.Shard{N: n}, Name: "web.example:1", Timeout: timeout, RunID: "r", Waiting: func([]int) {}}
	go func() {
		ctx, cancel := context.WithTimeoutCause(ctx, timeout+grace, errTimeout)
		defer cancel()
		st, err := newMeeting(s, netip.AddrPort{}).lead(ctx, p)
		ended <- outcome{st, err}
	}()
	return p, ended
}

// joined is shard i of n over a connection.
func joined(ctx context.Context, i, n int, timeout time.Duration, c net.Conn) outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout+grace, errTimeout)
	defer cancel()
	st, err := join(ctx, &Spec{Shard: shard.Shard{I: i, N: n}, Name: "web.example:1", Timeout: timeout}, c, time.Now())
	return outcome{st, err}
}

// A shard that comes when descriptors were short meets shard 0 all the same.
func TestNoDescriptor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, ended := led(t.Context(), 2, time.Minute)
		for range 3 {
			p.accepted <- noDescriptor
		}
		if o := joined(t.Context(), 1, 2, time.Minute, p.dial()); o.err != nil || o.RunID != "r" {
			t.Error(o)
		}
		if o := <-ended; o.err != nil {
			t.Error(o.err)
		}
	})
}

// If no connection can be accepted at the end, this is why none came.
func TestDeaf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, ended := led(t.Context(), 2, time.Second)
		p.accepted <- noDescriptor
		for {
			select {
			case p.accepted <- noDescriptor:
				continue
			case o := <-ended:
				const want = "shard 1 did not come within 1s: shard 0 could not accept the last connection (too many open files)"
				if o.err == nil || !strings.Contains(o.err.Error(), want) {
					t.Errorf("%v, want %q", o.err, want)
				}
			}
			return
		}
	})
}

// Strangers that say nothing take a bounded number of connections, and none of a shard's.
func TestManySilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, ended := led(t.Context(), 3, time.Minute)
		first := make(chan outcome, 1)
		go func() { first <- joined(t.Context(), 1, 3, time.Minute, p.dial()) }()
		synctest.Wait()
		const most, more = 2*3 + spare, 10
		var silent []net.Conn
		for range most + more {
			silent = append(silent, p.dial())
		}
		synctest.Wait()
		open := 0
		for i, c := range silent {
			_ = c.SetReadDeadline(time.Now()) // it is open
			_, err := c.Read(make([]byte, 1))
			if err != io.EOF {
				open++
			}
			if gone := i < more; gone != (err == io.EOF) {
				t.Errorf("silent connection %d: %v", i, err)
			}
		}
		if open != most {
			t.Errorf("%d silent connections are open, want %d", open, most)
		}
		if o := joined(t.Context(), 2, 3, time.Minute, p.dial()); o.err != nil {
			t.Error(o.err)
		}
		for _, o := range []outcome{<-first, <-ended} {
			if o.err != nil {
				t.Error(o.err)
			}
		}
		for _, c := range silent {
			_ = c.Close() // some are closed already
		}
	})
}
