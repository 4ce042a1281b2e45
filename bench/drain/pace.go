package drain

import (
	"time"

	"lastack/sockstate/clock"
)

// pace finds when this program did not run: halted by a signal, or without a CPU. What clients saw then does not tell what the server did.
type pace struct {
	last, longest int64
	stop, ended   chan struct{}
}

// newPace steps every pollEvery from a time on until end is called. It has its own goroutine, as the watch may block in the kernel.
func newPace(from int64) *pace {
	p := &pace{stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for p.step(from); ; p.step(clock.Now()) {
			select {
			case <-p.stop:
				return
			case <-tick.C:
			}
		}
	}()
	return p
}

// end returns the longest time without a step.
func (p *pace) end() int64 {
	close(p.stop)
	<-p.ended
	return p.longest
}

// step notes a time at which this program ran.
func (p *pace) step(now int64) {
	if p.last != 0 {
		p.longest = max(p.longest, now-p.last)
	}
	p.last = now
}
