package rendezvous

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"lastack/sockstate"
)

// join is the part of the shards other than 0.
func join(ctx context.Context, s *Spec) (Start, error) {
	c, err := dial(ctx, s)
	if err != nil {
		return Start{}, err
	}
	defer c.Close()
	l, stop := newLink(ctx, c)
	defer stop()
	st, err := l.agree(s)
	if err == nil {
		return st, nil
	}
	return st, l.why(ctx, s, err)
}

// why is the error of a talk with shard 0.
func (l *link) why(ctx context.Context, s *Spec, err error) error {
	_, said := errors.AsType[*Error](err)
	switch {
	case said:
		return err
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded):
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errTimeout) {
			return cause
		}
		return failed(0, "what listens at %s said nothing within %v: is it shard 0?", s.Name, s.Timeout)
	case errors.Is(err, errRubbish):
		return failed(0, "what listens at %s is no shard 0: say where shard 0 is", s.Name)
	case errors.Is(err, io.EOF):
		return failed(0, "shard 0 at %s went away before the start", s.Name)
	}
	return failed(0, "shard 0 at %s went away before the start (%v)", s.Name, err)
}

// over is the error of a context that is over: what the sentence says after a timeout, otherwise the cause.
func over(ctx context.Context, format string, args ...any) error {
	if cause := context.Cause(ctx); !errors.Is(cause, errTimeout) {
		return cause
	}
	return failed(0, format, args...)
}

// retry is how often a shard tries to reach shard 0, which may start later, and shard 0 to find its own address, as a name may come to exist late.
const retry = 100 * time.Millisecond

func dial(ctx context.Context, s *Spec) (c net.Conn, err error) {
	err = again(ctx, func() error {
		addr, err := s.Find(ctx)
		if err == nil {
			c, err = new(net.Dialer).DialContext(ctx, "tcp", addr.String())
		}
		return err
	})
	if err != nil && ctx.Err() != nil {
		err = over(ctx, "shard 0 did not listen at %s within %v: start it there, or say where it is", s.Name, s.Timeout)
	}
	return c, err
}

// again calls f until it has no error, or one that stays, or until the context is over.
func again(ctx context.Context, f func() error) error {
	tick := time.NewTicker(retry)
	defer tick.Stop()
	for {
		err := f()
		if _, stays := errors.AsType[*sockstate.ValueError](err); err == nil || stays {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// agree says hello, compares clocks, and waits for the start.
func (l *link) agree(s *Spec) (st Start, err error) {
	h := hello{Magic: magic, I: s.Shard.I, N: s.Shard.N, Plan: s.Plan, Version: s.Version, Token: s.Token}
	if err := l.send(message{Hello: &h}); err != nil {
		return st, err
	}
	if st.Offset, st.Uncertainty, err = l.compare(); err != nil {
		return st, err
	}
	if err := l.send(message{Ready: true}); err != nil {
		return st, err
	}
	m, err := l.expect()
	switch {
	case err != nil:
		return st, err
	case m.Start == nil:
		return st, errRubbish
	}
	st.At, st.RunID, st.Absent = time.Unix(0, m.Start.At).Add(st.Offset), m.Start.RunID, m.Start.Absent
	return st, nil
}

// expect receives what is not an error.
func (l *link) expect() (message, error) {
	m, err := l.receive()
	if err == nil && m.Error != "" {
		err = &Error{m.Of, m.Error}
	}
	return m, err
}

// compare finds out how much this clock is ahead of shard 0's.
func (l *link) compare() (offset, uncertainty time.Duration, err error) {
	best := time.Duration(-1)
	for range Exchanges {
		t1 := time.Now()
		if err := l.send(message{Ask: &clocks{T1: t1.UnixNano()}}); err != nil {
			// It may have said why.
			if _, said := l.expect(); said != nil {
				err = said
			}
			return 0, 0, err
		}
		m, err := l.expect()
		trip := time.Since(t1)
		switch {
		case err != nil:
			return 0, 0, err
		case m.Answer == nil || m.Answer.T1 != t1.UnixNano() || m.Answer.T3 < m.Answer.T2:
			return 0, 0, errRubbish
		}
		a := m.Answer
		if trip -= time.Duration(a.T3 - a.T2); best < 0 || trip < best {
			best = max(trip, 0)
			// ((t1 - t2) + (t4 - t3)) / 2, where t4 is t1 and the whole trip.
			offset = time.Duration(t1.UnixNano()-a.T2) + best/2
		}
	}
	uncertainty = best/2 + time.Microsecond
	if uncertainty > MaxUncertainty {
		return 0, 0, failed(0, "the shortest round trip to shard 0 takes %v, so that the clocks are unsure by %v: want at most %v, in one network", best, uncertainty, MaxUncertainty)
	}
	return offset, uncertainty, nil
}
