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

// beside is a program that runs beside the server during all tries: a proxy in front of it, or a backend behind it.
type beside struct {
	command []string
	proc    *process.Process
	listens []netip.AddrPort // when the wait for it ended
	// waited is set from then on, daemon if the started process had ended by then and left others.
	waited, daemon bool
}

// besideAtMost bounds the wait for a program beside the server to listen. Not all do.
const besideAtMost = 5 * time.Second

// startBeside starts these programs one after another. Even after an error x.beside holds those that were started.
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
			if b.listens, err = portsOf(diag, p); err == nil {
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

// besideWhom is the process whose PID namespace all programs share, so that they can signal each other by number as on a host; nil before
// the first.
func (x *experiment) besideWhom() *process.Process {
	if len(x.beside) == 0 {
		return nil
	}
	return x.beside[0].proc
}

// gone reports whether the program has ended; of a daemon, whether all its processes have.
func (b *beside) gone() bool {
	return isClosed(b.proc.Gone()) || b.waited && !b.daemon && hasEnded(b.proc)
}

// died is the error of a program that has ended before the stop, nil if it lives.
func (b *beside) died() error {
	if !b.gone() {
		return nil
	}
	return &startError{Command: b.command, Why: fmt.Sprintf("it ended (%s), and --also is for what runs beside the server to the end", exitWords(b.proc.Exit())), Said: b.proc.Said()}
}

func (x *experiment) besideDied() error {
	for _, b := range x.beside {
		if err := b.died(); err != nil {
			return err
		}
	}
	return nil
}

// besideHolding lists their processes that hold one of the listeners.
func (x *experiment) besideHolding(ls []process.Listener) (pids []int) {
	for _, b := range x.beside {
		tree, err := b.proc.Tree()
		if err != nil {
			continue
		}
		pids = append(pids, holding(ls, func(pid int) bool { return slices.Contains(tree, pid) })...)
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

// record says what had become of the program when the watch ended.
func (b *beside) record(t *times) record.DrainAlso {
	r := record.DrainAlso{Command: b.command, PID: b.proc.PID(), Listens: texts(b.listens)}
	if b.gone() {
		e := b.proc.Exit()
		at := cmp.Or(e.At, clock.Now()) // the last of its other processes has ended just now
		r.EndedS, r.Ended, r.Said = t.since(at), exitWords(e), b.proc.Said()
	}
	return r
}
