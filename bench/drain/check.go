package drain

import (
	"errors"
	"fmt"
	"time"

	"lastack/bench"
	"lastack/loadgen"
	"lastack/sockstate/exchange"
)

// RefusedError is a drain that cannot be made as asked.
type RefusedError struct {
	// Flag is the flag's name without dashes; empty for the target.
	Flag, Value, Why string
}

func (e *RefusedError) Error() string {
	if e.Flag == "" {
		return fmt.Sprintf("%s: %s", e.Value, e.Why)
	}
	return fmt.Sprintf("--%s %s: %s", e.Flag, e.Value, e.Why)
}

// maxTries bounds Config.Repeat.
const maxTries = 1000

// Check says what of a drain cannot be carried out as asked, before anything is started or a socket opens: a
// *RefusedError.
func Check(c Config) error {
	l, s := &c.Load, &c.Stop
	ways := 0
	for _, given := range []bool{s.PID != 0, len(s.Exec) > 0, s.Hook != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return &RefusedError{"pid", fmt.Sprint(s.PID), "want exactly one of --pid, --exec and --stop, to say how the server is stopped"}
	case l.Idle+l.InFlight+l.Partial+l.Queued == 0 && l.Arrivals == 0:
		return &RefusedError{"idle", "0", "want at least one of --idle, --in-flight, --partial, --arrivals and --queued above 0"}
	case l.Exchange.Kind == exchange.None:
		return &RefusedError{"exchange", l.Exchange.String(), "want http:/path or echo:REQ,RESP: without requests nothing can be lost"}
	case l.InFlightExchange.Kind != exchange.None && l.InFlightExchange.Kind != l.Exchange.Kind:
		return &RefusedError{"in-flight-exchange", l.InFlightExchange.String(), fmt.Sprintf("want one of the same kind as --exchange %s", l.Exchange)}
	case l.Queued > 0 && s.Hook != "":
		return &RefusedError{"queued", fmt.Sprint(l.Queued), "not producible with --stop: to fill the accept queue the server is halted (SIGSTOP), which needs --pid or --exec"}
	case s.Handover && len(s.Restart) == 0:
		return &RefusedError{"handover", "true", "want a --restart (or a second --exec), which takes the port over"}
	case c.Repeat < 0 || c.Repeat > maxTries:
		return &RefusedError{"repeat", fmt.Sprint(c.Repeat), fmt.Sprintf("want 1 to %d", maxTries)}
	case c.Repeat > 1 && len(s.Exec) == 0 && len(s.Restart) == 0:
		return &RefusedError{"repeat", fmt.Sprint(c.Repeat), "the server has to come back for each try: want --exec, or a --restart"}
	case c.Repeat > 1 && s.PID != 0 && s.Handover:
		return &RefusedError{"repeat", fmt.Sprint(c.Repeat), "with --handover want --exec: each try needs a server that has the port to itself"}
	}
	for _, t := range []struct {
		flag string
		d    time.Duration
	}{{"after", s.After}, {"grace", s.Grace}, {"watch", s.Watch}} {
		if t.d < 0 || t.d > loadgen.MaxTime {
			return &RefusedError{t.flag, t.d.String(), fmt.Sprintf("want 0s to %v", loadgen.MaxTime)}
		}
	}
	plan, _ := c.plan()
	return asRefused(bench.Check(bench.Config{Plan: plan, Backend: c.Backend, Host: c.Host}))
}

// asRefused tells what bench or the load refuse by the flags of a drain.
func asRefused(err error) error {
	if e, ok := errors.AsType[*bench.RefusedError](err); ok {
		return &RefusedError{drainFlag(e.Flag), e.Value, e.Why}
	}
	if e, ok := errors.AsType[*loadgen.PlanError](err); ok {
		return &RefusedError{drainFlag(e.Field), e.Value, e.Want}
	}
	return err
}

// drainFlag is what a drain calls a flag of a run.
func drainFlag(flag string) string {
	switch flag {
	case "connections":
		return "idle"
	case "rate":
		return "arrivals"
	}
	return flag
}
