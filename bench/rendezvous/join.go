package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"lastack/sockstate"
)

// join is the part of the shards other than 0, which has reached what listens at the rendezvous. It closes the connection.
func join(ctx context.Context, s *Spec, c net.Conn, began time.Time) (Start, error) {
	defer c.Close()
	l, stop := newLink(ctx, c)
	defer stop()
	j := &joining{link: l, Spec: s, began: began, reached: time.Now()}
	st, err := j.agree()
	if err == nil {
		return st, nil
	}
	return st, j.why(ctx, err)
}

// joining is a shard that has reached what listens at the rendezvous.
type joining struct {
	*link
	*Spec
	began, reached time.Time
	// heard is set once shard 0 has said something, waits once it knows all that it needs of this shard.
	heard, waits bool
}

// why is the error of a talk with shard 0: what came of it last.
func (j *joining) why(ctx context.Context, err error) error {
	_, said := errors.AsType[*Error](err)
	switch {
	case said:
		return err
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded):
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errTimeout) {
			return cause
		}
		return j.late()
	case errors.Is(err, errRubbish):
		return failed(0, "what listens at %s is no shard 0: say where shard 0 is", j.Name)
	}
	ended := ""
	if !errors.Is(err, io.EOF) {
		ended = fmt.Sprintf(" (%v)", cause(err))
	}
	if !j.heard {
		return failed(0, "what listens at %s ended the connection and said nothing%s: it is no shard 0, or one that has just given up", j.Name, ended)
	}
	return failed(0, "shard 0 at %s went away before the start%s: see what it says", j.Name, ended)
}

// late is the error of a shard that was told no start in time. Shard 0 may have come later than this one, and then it waits for longer.
func (j *joining) late() error {
	const together = "start all shards at about the same time, or give all a longer --rendezvous-timeout"
	after, waited := short(j.reached.Sub(j.began)), short(time.Since(j.reached))
	switch {
	case j.waits:
		return failed(0, "shard 0 at %s was reached after %v, and announced no start in the %v left, as it waits for other shards: %s", j.Name, after, waited, together)
	case j.heard:
		return failed(0, "shard 0 at %s was reached after %v, and the clocks were not compared in the %v left: %s", j.Name, after, waited, together)
	case j.reached.Sub(j.began) > time.Second:
		return failed(0, "what listens at %s was reached after %v, and said nothing in the %v left: is it shard 0?", j.Name, after, waited)
	}
	return failed(0, "what listens at %s said nothing within %v: is it shard 0?", j.Name, waited)
}

// short is a duration as it is said.
func short(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// over is the error of a context that is over: what the sentence says after a timeout, otherwise the cause.
func over(ctx context.Context, format string, args ...any) error {
	if cause := context.Cause(ctx); !errors.Is(cause, errTimeout) {
		return cause
	}
	return failed(0, format, args...)
}

// cause is what a look-up or a system call says, without what was asked of it.
func cause(err error) any {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		return e.Err
	}
	return err
}

// retry is how often a shard tries to reach shard 0, which may start later, and shard 0 to find its own address, as a name may come to exist late.
const retry = 100 * time.Millisecond

func dial(ctx context.Context, s *Spec) (c net.Conn, err error) {
	found := false
	err = again(ctx, func() error {
		addr, err := s.Find(ctx)
		if err != nil {
			return err
		}
		found = true
		c, err = new(net.Dialer).DialContext(ctx, "tcp", addr.String())
		return err
	})
	if err != nil && ctx.Err() != nil {
		err = over(ctx, "%s", s.unreached(found, err))
	}
	return c, err
}

// unreached says why shard 0 was not reached in time. err is that of the last try, found whether its name had an address.
func (s *Spec) unreached(found bool, err error) string {
	silent, isNet := errors.AsType[net.Error](err)
	switch {
	case !found:
		return fmt.Sprintf("no address of %s was found within %v (%v): want a name that this host knows, or an address", s.Name, s.Timeout, cause(err))
	case isNet && silent.Timeout():
		return fmt.Sprintf("nothing answered at %s within %v: does shard 0 run there, and can this host reach it?", s.Name, s.Timeout)
	}
	return fmt.Sprintf("shard 0 did not listen at %s within %v (%v): start it there, or say where it is", s.Name, s.Timeout, cause(err))
}

// again calls f until it has no error, or one that stays, or until the context is over. Its error is f's last, unless the context's end cut that try short.
func again(ctx context.Context, f func() error) (last error) {
	tick := time.NewTicker(retry)
	defer tick.Stop()
	deadline, _ := ctx.Deadline()
	for {
		began := time.Now()
		err := f()
		if _, stays := errors.AsType[*sockstate.ValueError](err); err == nil || stays {
			return err
		}
		if cut := ctx.Err() != nil || time.Now().After(deadline); last == nil || !cut || time.Since(began) > time.Second {
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-tick.C:
		}
	}
}

// agree says hello, compares clocks, and waits for the start.
func (j *joining) agree() (st Start, err error) {
	h := hello{Magic: magic, I: j.Shard.I, N: j.Shard.N, Plan: j.Plan, Version: j.Version, Token: j.Token}
	if err := j.send(message{Hello: &h}); err != nil {
		return st, err
	}
	if st.Offset, st.Uncertainty, err = j.compare(); err != nil {
		return st, err
	}
	if err := j.send(message{Ready: true}); err != nil {
		return st, err
	}
	j.waits = true
	m, err := j.expect()
	switch {
	case err != nil:
		return st, err
	case m.Start == nil:
		return st, errRubbish
	}
	st.At, st.RunID, st.Absent = m.Start.on(st.Offset), m.Start.RunID, m.Start.Absent
	if away := time.Until(st.At); away.Abs() > mostAway {
		when := "from now"
		if away < 0 {
			when = "ago"
		}
		return st, failed(0, "what listens at %s announced a start %v %s, want one within %v: is it shard 0, and was a clock set?", j.Name, short(away.Abs()), when, mostAway)
	}
	return st, nil
}

// expect receives what shard 0 may say, if it is not an error.
func (j *joining) expect() (message, error) {
	m, err := j.receive()
	switch {
	case err != nil:
		return m, err
	case m.Error != "":
		return m, &Error{m.Of, m.Error}
	case m.Answer == nil && m.Start == nil:
		return m, errRubbish
	}
	j.heard = true
	return m, nil
}

// compare finds out how much this clock is ahead of shard 0's.
func (j *joining) compare() (offset, uncertainty time.Duration, err error) {
	best := time.Duration(-1)
	for range Exchanges {
		t1 := time.Now()
		if err := j.send(message{Ask: &clocks{T1: t1.UnixNano()}}); err != nil {
			// It may have said why.
			if _, said := j.expect(); said != nil {
				err = said
			}
			return 0, 0, err
		}
		m, err := j.expect()
		trip := time.Since(t1)
		switch {
		case err != nil:
			return 0, 0, err
		case m.Answer == nil || m.Answer.T1 != t1.UnixNano():
			return 0, 0, errRubbish
		}
		ahead, way, ok := m.Answer.compare(trip)
		if !ok {
			return 0, 0, errRubbish
		}
		if best < 0 || way < best {
			best, offset = way, ahead
		}
	}
	uncertainty = best/2 + time.Microsecond
	if uncertainty > MaxUncertainty {
		return 0, 0, failed(0, "the shortest round trip to shard 0 takes %v, so that the clocks are unsure by %v: want at most %v, in one network", best, uncertainty, MaxUncertainty)
	}
	return offset, uncertainty, nil
}
