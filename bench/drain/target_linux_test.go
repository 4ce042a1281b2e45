package drain

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"lastack/bench/process"
	"lastack/sockstate/socktest"
)

// background is a server that a launcher has put into the background, and the launcher, which stays until it is ended.
func background(t *testing.T) (tgt *target, server int) {
	t.Helper()
	socktest.Guard(t)
	diag, _, err := openSockets()
	if err != nil {
		t.Fatal(err)
	}
	ref := reference{Shutdown: "graceful", Exchange: http, Addr: "127.0.0.1:0", Fork: true, Linger: time.Hour}
	p, err := process.Start(process.Spec{Args: ref.args(), Contain: process.Group})
	if err != nil {
		t.Fatal(err)
	}
	tgt = &target{diag: diag, proc: p}
	t.Cleanup(func() {
		if err := tgt.end(); err != nil {
			t.Error(err)
		}
	})
	var addrs []netip.AddrPort
	if done, err := tick(t.Context(), startAtMost, func() (bool, error) {
		pids, err := p.Tree()
		if err != nil {
			return false, err
		}
		addrs, err = process.Ports(diag, pids)
		return len(addrs) > 0, err
	}); !done || err != nil {
		t.Fatalf("the server does not listen: %v, it said %q", err, p.Said())
	}
	tgt.addr = addrs[0]
	if tgt.listeners, err = process.Listeners(diag, tgt.addr); err != nil || len(tgt.listeners) != 1 || len(tgt.listeners[0].Holders) != 1 {
		t.Fatalf("listeners %+v, %v", tgt.listeners, err)
	}
	return tgt, tgt.listeners[0].Holders[0]
}

// endLauncher has the launcher end after follow has looked for the last time.
func (t *target) endLauncher(test *testing.T) {
	test.Helper()
	if err := errors.Join(t.follow(false), t.proc.Signal(syscall.SIGKILL)); err != nil {
		test.Fatal(err)
	}
	<-t.proc.Exited()
}

// TestLauncherEnds has a launcher end just when it is looked whether the server lives, and just when the signal is sent: the server
// that it has left in the background is what is meant.
func TestLauncherEnds(t *testing.T) {
	t.Run("while the server is watched", func(t *testing.T) {
		tgt, server := background(t)
		tgt.endLauncher(t)
		if how, err := tgt.died(); how != "" || err != nil || tgt.proc.PID() != server {
			t.Errorf("%q, %v, process %d: want process %d, which listens, to live", how, err, tgt.proc.PID(), server)
		}
	})
	t.Run("before the signal", func(t *testing.T) {
		tgt, server := background(t)
		tgt.endLauncher(t)
		tr := try{spec: &Spec{}, target: tgt}
		if err := tr.signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if tgt.proc.PID() != server {
			t.Fatalf("process %d was signalled, want %d", tgt.proc.PID(), server)
		}
		select {
		case <-tgt.proc.Exited():
		case <-time.After(time.Minute):
			t.Error("the server did not get the signal")
		}
	})
	t.Run("nobody is left", func(t *testing.T) {
		tgt, server := background(t)
		if err := syscall.Kill(server, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if done, err := tick(t.Context(), startAtMost, func() (bool, error) {
			there, err := tgt.listens()
			return !there, err
		}); !done || err != nil {
			t.Fatalf("the server listens still: %v", err)
		}
		tgt.endLauncher(t)
		if how, err := tgt.died(); how != "the server ended before the signal was sent (by SIGKILL)" || err != nil {
			t.Errorf("%q, %v", how, err)
		}
		tr := try{spec: &Spec{}, target: tgt}
		if err := tr.signal(syscall.SIGTERM); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("a signal to nobody: %v", err)
		}
	})
}
