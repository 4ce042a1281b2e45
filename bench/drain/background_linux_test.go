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
func background(t *testing.T) (srv *server, pid int) {
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
	srv = &server{diag: diag, proc: p}
	t.Cleanup(func() {
		if err := srv.end(); err != nil {
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
	srv.addr = addrs[0]
	if srv.listeners, err = process.Listeners(diag, srv.addr); err != nil || len(srv.listeners) != 1 || len(srv.listeners[0].Holders) != 1 {
		t.Fatalf("listeners %+v, %v", srv.listeners, err)
	}
	return srv, srv.listeners[0].Holders[0]
}

// endLauncher has the launcher end after follow has looked for the last time.
func (s *server) endLauncher(t *testing.T) {
	t.Helper()
	if err := errors.Join(s.follow(false), s.proc.Signal(syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	<-s.proc.Exited()
}

// TestLauncherEnds has a launcher end just when it is looked whether the server lives, and just when the signal is sent: the server
// that it has left in the background is what is meant.
func TestLauncherEnds(t *testing.T) {
	t.Run("while the server is watched", func(t *testing.T) {
		srv, pid := background(t)
		srv.endLauncher(t)
		if how, err := srv.died(); how != "" || err != nil || srv.proc.PID() != pid {
			t.Errorf("%q, %v, process %d: want process %d, which listens, to live", how, err, srv.proc.PID(), pid)
		}
	})
	t.Run("before the signal", func(t *testing.T) {
		srv, pid := background(t)
		srv.endLauncher(t)
		if _, _, err := srv.stop(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if srv.proc.PID() != pid {
			t.Fatalf("process %d was signalled, want %d", srv.proc.PID(), pid)
		}
		select {
		case <-srv.proc.Exited():
		case <-time.After(time.Minute):
			t.Error("the server did not get the signal")
		}
	})
	t.Run("nobody is left", func(t *testing.T) {
		srv, pid := background(t)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if done, err := tick(t.Context(), startAtMost, func() (bool, error) {
			there, err := srv.listens()
			return !there, err
		}); !done || err != nil {
			t.Fatalf("the server listens still: %v", err)
		}
		srv.endLauncher(t)
		if how, err := srv.died(); how != "the server ended before the signal was sent (by SIGKILL)" || err != nil {
			t.Errorf("%q, %v", how, err)
		}
		if _, _, err := srv.stop(syscall.SIGTERM); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("a signal to nobody: %v", err)
		}
	})
}
