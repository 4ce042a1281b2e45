package socktest

import (
	"sync/atomic"
	"time"

	"lastack/sockstate/sockio"
)

// Stalling returns a backend like b whose loops all do nothing for a time when stall is called, as those of a server that hangs. stall
// returns when the first does.
func Stalling(b sockio.Backend) (stalling sockio.Backend, stall func(d time.Duration)) {
	var until atomic.Pointer[time.Time]
	var stands atomic.Bool
	stalling = b
	stalling.New = func(c sockio.Config) (sockio.Loop, error) {
		l, err := b.New(c)
		return stallingLoop{l, &until, &stands}, err
	}
	return stalling, func(d time.Duration) {
		stands.Store(false)
		end := time.Now().Add(d)
		until.Store(&end)
		for !stands.Load() && time.Now().Before(end) {
			time.Sleep(time.Millisecond)
		}
	}
}

type stallingLoop struct {
	sockio.Loop
	until  *atomic.Pointer[time.Time]
	stands *atomic.Bool
}

// Wait implements sockio.Loop.
func (l stallingLoop) Wait(until int64) error {
	if end := l.until.Load(); end != nil && time.Now().Before(*end) {
		l.stands.Store(true)
		time.Sleep(time.Until(*end))
	}
	return l.Loop.Wait(until)
}
