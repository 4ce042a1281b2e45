package drain

import (
	"errors"
	"syscall"
	"time"

	"lastack/bench/process"
	"lastack/loadgen"
	"lastack/sockstate/clock"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// stopped is how the server was told to stop.
type stopped struct {
	// signal is just before the signal was sent, or the stop command started; sending is how long that took.
	signal  int64
	sending time.Duration
	hook    *process.Process
	// failed says why the signal could not be sent.
	failed string
	// marked is the load at the mark, from which on the journal has all.
	marked loadgen.Snapshot
}

// stop marks the load, and sends the signal or starts the stop command. The result is nil if neither was tried; it comes with an error if
// the signal could not be sent.
func (t *try) stop() (*stopped, error) {
	var err error
	if t.next == nil { // else its listeners are there too
		err = t.server.ready(true)
	}
	if err := errors.Join(t.died(), err); err != nil {
		return nil, err
	}
	s := &stopped{marked: t.load.Mark()}
	for _, w := range t.groups.ended(&s.marked) {
		t.warn("%s", w)
	}
	if t.Stop.Hook != "" {
		s.signal = clock.Now()
		s.hook, err = process.Start(process.Hook(t.Stop.Hook, t.server.own()))
		s.sending = time.Duration(clock.Now() - s.signal) // it began somewhere in between
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	if s.signal, s.sending, err = t.server.stop(t.Stop.Signal); err != nil {
		if died := t.died(); died != nil {
			return nil, died // it ended before the signal
		}
		s.failed = err.Error()
	}
	return s, err
}

// claim is a sleep after which the scheduler prefers the thread.
const claim = 300 * time.Microsecond

// stop sends a signal, and returns when it did and how long that took. The server, which the signal wakes, must not take the CPU from the
// sender before it has read the time: a thread with a short time slice that has just slept keeps the CPU.
func (s *server) stop(sig syscall.Signal) (at int64, took time.Duration, err error) {
	err = netns.OnOwnThread(func() error {
		sockio.SchedShortSlice()
		send := func() error {
			time.Sleep(claim)
			at = clock.Now()
			err := s.proc.Signal(sig)
			if !errors.Is(err, syscall.ESRCH) {
				err = errors.Join(err, s.goOn()) // a halted server acts on the signal only when it goes on
			}
			took = time.Duration(clock.Now() - at)
			return err
		}
		err := send()
		for range looksAtMost {
			if !errors.Is(err, syscall.ESRCH) {
				break
			}
			// A launcher that ended since ready has looked: its server gets the signal.
			moved, ferr := s.followEnded()
			if ferr != nil || !moved {
				err = errors.Join(err, ferr)
				break
			}
			err = send()
		}
		return err
	})
	return at, took, err
}
