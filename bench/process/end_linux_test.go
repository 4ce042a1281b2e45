package process

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate/socktest"
)

// stopReaper starts what has four processes, and stops who looks after it. The reaper is the last of all.
func stopReaper(t *testing.T, r *rig, contain Contain) (p *Process, all watched) {
	t.Helper()
	p, err := Start(r.spec(contain, "deaf", ""))
	if err != nil {
		t.Fatal(err)
	}
	r.lines("deaf", "ready", "ready", "ready")
	all = watch(t, append(tree(t, p), p.reaperPID()))
	if err := all[len(all)-1].Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	return p, all
}

// TestEndStopped does the work of a reaper that does nothing.
func TestEndStopped(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		p, all := stopReaper(t, r, contain)
		stuck := make(chan struct{})
		close(stuck)
		p.stuck = stuck // else it would be waited for
		if err := p.End(); err != nil {
			t.Fatal(err)
		}
		all.allGone(t)
		await(t, "Gone", p.Gone())
	})
}

// TestEndLeft has no time to kill: what lives is named, and stays in the hands of its reaper.
func TestEndLeft(t *testing.T) {
	socktest.Guard(t)
	r := newRig(t)
	p, all := stopReaper(t, r, Group)
	want := tree(t, p)
	p.patience = 0
	err := p.End()
	var e *EndError
	if !errors.As(err, &e) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, e.Left); d != "" {
		t.Errorf("left: -want +got\n%s", d)
	}
	for _, o := range all {
		if err := o.Signal(0); err != nil {
			t.Error(err)
		}
	}
	if err := all[len(all)-1].Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	all.allGone(t)
	await(t, "the end of the reaper", p.child.ended)
}

// TestEndLeftToNamespace is the same where the namespace ends what the reaper does not.
func TestEndLeftToNamespace(t *testing.T) {
	needPIDNamespace(t)
	socktest.Guard(t)
	p, all := stopReaper(t, newRig(t), PIDNamespace)
	p.patience = 0
	if err := p.End(); err != nil {
		t.Fatal(err)
	}
	all.allGone(t)
}
