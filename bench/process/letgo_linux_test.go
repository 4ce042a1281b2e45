package process

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/socktest"
)

// TestLetGoOwn gives up a hook that has started a daemon.
func TestLetGoOwn(t *testing.T) {
	socktest.Guard(t)
	r := newRig(t)
	p := r.start(r.spec(Group, "talkative", ""))
	await(t, "Exited", p.Exited())
	r.lines("ready")
	left := watch(t, tree(t, p))
	if len(left) != 1 {
		t.Fatalf("left: %v", tree(t, p))
	}
	reaper := watch(t, []int{p.reaperPID()})
	for range 2 {
		if err := errors.Join(p.LetGo(), p.End()); err != nil {
			t.Fatal(err)
		}
	}
	reaper.allGone(t)
	await(t, "Gone", p.Gone())

	// It is not ended by SIGPIPE.
	if err := left[0].Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	r.lines("talked")
	if said := p.Said(); said != "well\n" {
		t.Errorf("said %q", said)
	}
	if err := left[0].Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	left.allGone(t)
	await(t, "the end of its output", p.out.done)
}

// TestLetGoNothing gives up what has left nothing, and what has been ended.
func TestLetGoNothing(t *testing.T) {
	socktest.Guard(t)
	r := newRig(t)
	for _, first := range []func(*Process) error{(*Process).LetGo, (*Process).End} {
		p := r.start(r.spec(Group, "exit7", ""))
		await(t, "Exited", p.Exited())
		if err := errors.Join(first(p), p.LetGo(), p.End()); err != nil {
			t.Error(err)
		}
	}
}

func TestLetGoRefused(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		want := errRunning
		if contain == PIDNamespace {
			want = errInNamespace
		}
		p := r.start(r.spec(contain, "wait", ""))
		r.lines("ready")
		if err := p.LetGo(); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if err := p.Signal(0); err != nil {
			t.Errorf("a refusal has ended it: %v", err)
		}
	})
}
