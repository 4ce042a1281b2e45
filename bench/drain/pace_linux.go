package drain

import (
	"time"

	"lastack/sockstate/clock"
)

// pace measures how long this program did not run: it was halted, or had no CPU. What clients saw then says nothing about the server.
type pace struct {
	last, longest int64
	stop, ended   chan struct{}
}

// newPace steps every pollEvery, from a given time until end is called. It has its own goroutine, because the watch may block in the
// kernel.
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

// step notes that this program ran at a time.
func (p *pace) step(now int64) {
	if p.last != 0 {
		p.longest = max(p.longest, now-p.last)
	}
	p.last = now
}
