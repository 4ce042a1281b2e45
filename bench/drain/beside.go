package drain

import (
	"cmp"
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

// beside is a program that runs beside the server through all tries: a proxy in front of it, or a backend behind.
type beside struct {
	command []string
	proc    *process.Process
	listens []netip.AddrPort // when it was waited for
	// waited is set from then on. daemon is set if the started process had ended by then and left others.
	waited, daemon bool
}

// besideAtMost bounds the wait until a program beside the server listens, which not all do.
const besideAtMost = 5 * time.Second

// startBeside starts them one after the other. x.beside has what was started, also after an error.
func (x *experiment) startBeside(ctx context.Context) error {
	if len(x.Also) == 0 {
		return nil
	}
	diag, _, err := openSockets()
	if err != nil {
		return err
	}
	defer diag.Close()
	for _, command := range x.Also {
		p, err := process.Start(process.Spec{Args: command, Contain: x.Stop.Contain, Beside: x.besideWhom()})
		if err != nil {
			return err
		}
		b := &beside{command: command, proc: p}
		x.beside = append(x.beside, b)
		x.phase(0, fmt.Sprintf("waiting for --also %q to listen", strings.Join(command, " ")))
		_, err = tick(ctx, besideAtMost, func() (bool, error) {
			pids, err := p.Tree()
			if err == nil {
				b.listens, err = process.Ports(diag, pids)
			}
			if err == nil {
				err = b.died()
			}
			return len(b.listens) > 0, err
		})
		if err != nil || ctx.Err() != nil {
			return err
		}
		b.waited, b.daemon = true, hasEnded(p)
	}
	return nil
}

// besideWhom is the process whose PID namespace all that is started shares, so that they can signal each other by number as on a host;
// nil before the first.
func (x *experiment) besideWhom() *process.Process {
	if len(x.beside) == 0 {
		return nil
	}
	return x.beside[0].proc
}

// gone reports whether it has ended; of a daemon, whether all its processes have.
func (b *beside) gone() bool {
	select {
	case <-b.proc.Gone():
		return true
	default:
		return b.waited && !b.daemon && hasEnded(b.proc)
	}
}

// died is the error of one that has ended before the stop, nil if it lives.
func (b *beside) died() error {
	if !b.gone() {
		return nil
	}
	return &StartError{Command: b.command, Why: fmt.Sprintf("it ended (%s), and --also is for what runs beside the server to the end", exitWords(b.proc.Exit())), Said: b.proc.Said()}
}

func (x *experiment) besideDied() error {
	for _, b := range x.beside {
		if err := b.died(); err != nil {
			return err
		}
	}
	return nil
}

// besideHolding lists the processes of theirs that hold one of the listeners.
func (x *experiment) besideHolding(ls []process.Listener) (pids []int) {
	for _, b := range x.beside {
		tree, err := b.proc.Tree()
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

// endBeside ends them all.
func (x *experiment) endBeside() error {
	var errs []error
	for _, b := range x.beside {
		errs = append(errs, b.proc.End())
	}
	return errors.Join(errs...)
}

// record says what has become of it by the end of the watch.
func (b *beside) record(t *times) record.DrainAlso {
	r := record.DrainAlso{Command: b.command, PID: b.proc.PID()}
	for _, addr := range b.listens {
		r.Listens = append(r.Listens, addr.String())
	}
	if b.gone() {
		e := b.proc.Exit()
		at := cmp.Or(e.At, clock.Now()) // or others of it have ended
		r.EndedS, r.Ended, r.Said = t.since(at), exitWords(e), b.proc.Said()
	}
	return r
}
