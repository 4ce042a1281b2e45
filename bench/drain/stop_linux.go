package drain

import (
	"errors"
	"syscall"
	"time"

	"lastack/bench/process"
	"lastack/sockstate/clock"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// stop marks the load, and sends the signal or starts the stop command. The result is nil if it tried neither. It comes with an error if
// the signal could not be sent.
func (t *try) stop() (*watch, error) {
	var err error
	if t.next == nil { // otherwise the next server's listeners exist too
		err = t.server.ready(true)
	}
	if err := errors.Join(t.died(), err); err != nil {
		return nil, err
	}
	w, s := &watch{try: t}, &t.seen
	s.atMark = t.load.Mark()
	t.show(&s.atMark, false)
	s.groups.warnEnded(&s.warnings, &s.atMark)
	if t.Stop.Hook != "" {
		s.signal = clock.Now()
		w.hook, err = process.Start(process.Hook(t.Stop.Hook, t.server.own()))
		s.sending = time.Duration(clock.Now() - s.signal) // it began somewhere in between
		if err != nil {
			return nil, err
		}
		return w, nil
	}
	if s.signal, s.sending, err = t.server.stop(t.Stop.Signal); err != nil {
		if died := t.died(); died != nil {
			return nil, died // it ended before the signal
		}
		s.server.signalFailed = err.Error()
	}
	return w, err
}

// claim is a sleep after which the scheduler prefers the thread.
const claim = 300 * time.Microsecond

// stop sends a signal, and returns when it did and how long that took. The signal wakes the server, which must not take the CPU before the
// sender has read the time: a thread with a short time slice that has just slept keeps the CPU.
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
			// A launcher has ended since ready looked: its server gets the signal.
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
