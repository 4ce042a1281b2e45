package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/procfs"
	"github.com/vishvananda/netlink"

	"lastack/bench/sandbox"
	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
)

// testbed is a loopback on which contenders run one after the other. It is not safe for
// concurrent use.
type testbed struct {
	// own is set where the network namespace is the comparison's alone.
	own bool
	// quiet bounds the wait for an idle machine.
	quiet    time.Duration
	dir      string
	diag     *sockdiag.Conn
	proc     procfs.FS
	nginx    *child
	overflow int
}

// openTestbed makes a testbed of the loopback of sb, or of the host's if sb is nil. The
// caller is in that namespace. dir holds files for as long as the testbed is used. quiet is how
// long each run may wait for an idle machine before it begins all the same; with 0 none does.
func openTestbed(sb *sandbox.Sandbox, dir string, quiet time.Duration) (*testbed, error) {
	t := &testbed{own: sb != nil, quiet: quiet, dir: dir}
	var err error
	if t.proc, err = procfs.NewDefaultFS(); err != nil {
		return nil, err
	}
	if t.diag, err = sockdiag.Open(nil); err != nil {
		return nil, err
	}
	if t.own {
		if err := secondAddress(); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

// When the machine counts as quiet: this share of its CPU time is idle over a window.
const (
	quietShare  = 0.9
	quietWindow = 100 * time.Millisecond
)

// secondAddress adds 127.0.0.2 to lo: getaddrinfo with AI_ADDRCONFIG, as netperf calls it, finds
// no IPv4 where 127.0.0.1 is all there is (glibc, __check_pf).
func secondAddress() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("look up lo: %w", err)
	}
	a, err := netlink.ParseAddr("127.0.0.2/32")
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(lo, a); err != nil {
		return fmt.Errorf("add %v to lo: %w", a, err)
	}
	return nil
}

// close ends what runs in the testbed.
func (t *testbed) close() error {
	var err error
	if t.nginx != nil {
		_, err = t.nginx.end()
		t.nginx = nil
	}
	return errors.Join(err, t.diag.Close())
}

// nginxCPU is what nginx has used until now, in steps of a clock tick.
func (t *testbed) nginxCPU() (time.Duration, error) {
	if t.nginx == nil {
		return 0, nil
	}
	var s procfs.ProcStat
	p, err := t.proc.Proc(t.nginx.cmd.Process.Pid)
	if err == nil {
		s, err = p.Stat()
	}
	if err != nil {
		return 0, fmt.Errorf("the CPU time of nginx: %w", err)
	}
	return time.Duration(s.CPUTime() * float64(time.Second)), nil
}

// listens reports whether somebody listens on a TCP port.
func (t *testbed) listens(port int) (bool, error) {
	found := false
	err := t.diag.Each(nil, func(s *sockdiag.Socket) {
		found = found || s.State == sockstate.Listen && int(s.Tuple.Local.Port()) == port
	})
	return found, err
}

// prepare makes the next run start like every other: with no sockets left, and on an idle machine. quiet is
// false where that did not come about in time.
func (t *testbed) prepare(ctx context.Context) (quiet bool, err error) {
	if t.own {
		// Those of a process that has just ended may not have come to TIME_WAIT when the run was looked at.
		if _, err := t.diag.DestroyAll(nil, closed); err != nil {
			return false, fmt.Errorf("clear the testbed of TIME_WAIT: %w", err)
		}
	}
	if t.overflow, err = t.overflows(); err != nil {
		return false, err
	}
	if t.quiet <= 0 {
		return true, nil
	}
	tick := time.NewTicker(quietWindow)
	defer tick.Stop()
	before, err := t.proc.Stat()
	if err != nil {
		return false, err
	}
	for limit := time.Now().Add(t.quiet); time.Now().Before(limit); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		now, err := t.proc.Stat()
		if err != nil {
			return false, err
		}
		if idleShare(before.CPUTotal, now.CPUTotal) >= quietShare {
			return true, nil
		}
		before = now
	}
	return false, nil
}

// idleShare is of all CPUs between two readings.
func idleShare(a, b procfs.CPUStat) float64 {
	idle := b.Idle + b.Iowait - a.Idle - a.Iowait
	all := idle + b.User - a.User + b.Nice - a.Nice + b.System - a.System + b.IRQ - a.IRQ + b.SoftIRQ - a.SoftIRQ + b.Steal - a.Steal
	if all <= 0 {
		return 0
	}
	return idle / all
}

// closed tells sockets that no process holds.
func closed(s *sockdiag.Socket) bool {
	switch s.State {
	case sockstate.Listen, sockstate.Established, sockstate.SynSent, sockstate.SynRecv, sockstate.NewSynRecv:
		return false
	}
	return s.Mini || s.Inode == 0
}

// remains counts what the last run left.
func (t *testbed) remains() (leftovers, error) {
	if !t.own {
		return leftovers{}, nil
	}
	var r leftovers
	err := t.diag.Each(nil, func(s *sockdiag.Socket) {
		if s.State != sockstate.TimeWait {
			return
		}
		if int(s.Tuple.Local.Port()) == nginxPort {
			r.ServerTimeWait++
		} else {
			r.ClientTimeWait++
		}
	})
	if err != nil {
		return r, err
	}
	now, err := t.overflows()
	r.Overflow = now - t.overflow
	return r, err
}

// overflows is TCPTimeWaitOverflow of the namespace so far.
func (t *testbed) overflows() (int, error) {
	self, err := t.proc.Proc(os.Getpid())
	if err != nil {
		return 0, err
	}
	n, err := self.Netstat()
	if err != nil {
		return 0, err
	}
	if v := n.TCPTimeWaitOverflow; v != nil {
		return int(*v), nil
	}
	return 0, nil
}
