package process

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHalted(t *testing.T) {
	each(t, func(t *testing.T, r *rig, contain Contain) {
		p := r.start(r.spec(contain, "deaf", ""))
		r.lines("deaf", "ready", "ready", "ready")
		awaitHalted := func(want bool) {
			t.Helper()
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for range 10_000 {
				halted, err := p.Halted()
				if err != nil {
					t.Fatal(err)
				}
				if halted == want {
					return
				}
				<-tick.C
			}
			t.Errorf("halted: want %v, and it does not come", want)
		}
		awaitHalted(false)
		if err := p.SignalAll(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		awaitHalted(true)
		if err := p.SignalAll(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		awaitHalted(false)
	})
}
