package drain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/sockstate/clock"
)

// also is a program that runs beside the server through all tries: a proxy in front of it, or a backend behind.
type also struct {
	command []string
	proc    *process.Process
	listens []netip.AddrPort // when it was waited for
	// waited is set from then on; daemon is, where the one that was started had ended by then, and left others.
	waited, daemon bool
}

// alsoAtMost is how long a program beside the server is waited for until it listens, which not all do.
const alsoAtMost = 5 * time.Second

// startAlso starts them, one after the other. What has been started is in x.also, whatever the error.
func (x *experiment) startAlso(ctx context.Context) error {
	if len(x.spec.Also) == 0 {
		return nil
	}
	diag, _, err := openSockets()
	if err != nil {
		return err
	}
	defer diag.Close()
	for _, command := range x.spec.Also {
		p, err := process.Start(process.Spec{Args: command, Contain: x.spec.Stop.Contain, Beside: x.beside()})
		if err != nil {
			return err
		}
		a := &also{command: command, proc: p}
		x.also = append(x.also, a)
		x.phase(0, fmt.Sprintf("waiting for --also %q to listen", strings.Join(command, " ")))
		_, err = tick(ctx, alsoAtMost, func() (bool, error) {
			pids, err := p.Tree()
			if err == nil {
				a.listens, err = process.Ports(diag, pids)
			}
			if err == nil && a.gone() {
				err = &StartError{Command: command, Why: fmt.Sprintf("it ended (%s), and --also is for what runs beside the server to the end", exitWords(p.Exit())), Said: p.Said()}
			}
			return len(a.listens) > 0, err
		})
		if err != nil || ctx.Err() != nil {
			return err
		}
		a.waited, a.daemon = true, hasEnded(p)
	}
	return nil
}

// beside is whose PID namespace all that is started shares, so that they can signal each other by number, as on a host; nil if the
// first is still to come.
func (x *experiment) beside() *process.Process {
	if len(x.also) == 0 {
		return nil
	}
	return x.also[0].proc
}

// gone reports whether it has ended, all of it if it is a daemon.
func (a *also) gone() bool {
	select {
	case <-a.proc.Gone():
		return true
	default:
		return a.waited && !a.daemon && hasEnded(a.proc)
	}
}

// alsoDied is the error of one that has ended before the stop.
func (x *experiment) alsoDied() error {
	for _, a := range x.also {
		if a.gone() {
			return &StartError{Command: a.command, Why: fmt.Sprintf("it ended (%s), and --also is for what runs beside the server to the end", exitWords(a.proc.Exit())), Said: a.proc.Said()}
		}
	}
	return nil
}

// holdsAny reports whether one of them has one of the listeners, and which.
func (x *experiment) holdsAny(ls []process.Listener) (pids []int) {
	for _, a := range x.also {
		tree, err := a.proc.Tree()
		if err != nil {
			continue
		}
		for _, l := range ls {
			for _, pid := range l.Holders {
				if slices.Contains(tree, pid) && !slices.Contains(pids, pid) {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

// endAlso ends them all.
func (x *experiment) endAlso() error {
	var errs []error
	for _, a := range x.also {
		errs = append(errs, a.proc.End())
	}
	return errors.Join(errs...)
}

// describeAlso says what has become of them by the end of the watch.
func (t *try) describeAlso() {
	for _, a := range t.x.also {
		r := record.DrainAlso{Command: a.command, PID: a.proc.PID()}
		for _, addr := range a.listens {
			r.Listens = append(r.Listens, addr.String())
		}
		if a.gone() {
			e := a.proc.Exit()
			at := e.At
			if at == 0 {
				at = clock.Now() // others of it have ended
			}
			r.EndedS, r.Ended, r.Said = t.ev.since(at), exitWords(e), a.proc.Said()
			t.warn("also: %q ended (%s) beside the server: what clients saw may come of that", strings.Join(a.command, " "), r.Ended)
		}
		t.rec.Also = append(t.rec.Also, r)
	}
}
