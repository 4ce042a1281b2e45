package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"lastack/bench/lab"
)

// outputLimit bounds what is kept of a program's output.
const outputLimit = 4 << 20

// limited keeps the first bytes written to it. The buffer is no embedded field: its
// ReadFrom would be used instead of Write.
type limited struct{ kept bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	l.kept.Write(b[:min(len(b), outputLimit-l.kept.Len())])
	return len(b), nil
}

func (l *limited) String() string { return l.kept.String() }

// child is a running program.
type child struct {
	command
	cmd            *exec.Cmd
	stdout, stderr limited
	timeout        context.Context
	cancel         context.CancelFunc
	done           chan struct{}
	err            error // of Wait
	endless        bool
	told           bool
}

// launch starts a program that ends with this process: PDEATHSIG follows the thread that
// forked, so that one waits until the child has ended.
func launch(ctx context.Context, c command) (*child, error) {
	p := &child{command: c, done: make(chan struct{})}
	p.timeout, p.cancel = context.WithTimeout(ctx, c.lasts+patience)
	p.cmd = exec.CommandContext(p.timeout, c.path, c.args...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	// After SIGTERM, and for a grandchild that holds the pipes: then SIGKILL.
	p.cmd.WaitDelay = 3 * time.Second

	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		p.cancel()
		return nil, &runError{Command: p.name(), Err: err}
	}
	return p, nil
}

func (p *child) name() string { return filepath.Base(p.path) }

// wait waits for the program's end, or ends it if it has no end of its own.
func (p *child) wait() (ended, error) {
	defer p.cancel()
	if p.interrupt || p.endless {
		var after <-chan time.Time
		if p.interrupt {
			timer := time.NewTimer(p.lasts)
			defer timer.Stop()
			after = timer.C
		}
		if p.endless {
			p.tell(syscall.SIGTERM)
		}
		select {
		case <-after:
			p.tell(syscall.SIGINT)
		case <-p.done:
		}
	}
	<-p.done
	e := ended{stdout: p.stdout.String(), stderr: p.stderr.String()}
	if s := p.cmd.ProcessState; s != nil {
		e.code, e.cpu = s.ExitCode(), s.UserTime()+s.SystemTime()
	}
	var exit *exec.ExitError
	switch {
	case p.timeout.Err() != nil:
		return e, p.failed(e, fmt.Errorf("it took longer than %v: %w", p.lasts+patience, p.timeout.Err()))
	case p.err == nil, slices.Contains(p.codes, e.code), errors.Is(p.err, exec.ErrWaitDelay):
		return e, nil
	case errors.As(p.err, &exit) && p.told && exit.Sys().(syscall.WaitStatus).Signaled():
		return e, nil
	}
	return e, p.failed(e, p.err)
}

// end ends a program. The error is one if it had died by itself.
func (p *child) end() (ended, error) {
	select {
	case <-p.done:
	default:
		p.tell(syscall.SIGTERM)
	}
	return p.wait()
}

func (p *child) tell(s syscall.Signal) {
	p.told = true
	_ = p.cmd.Process.Signal(s) // it may have ended
}

func (p *child) failed(e ended, err error) error {
	said := e.stderr
	if strings.TrimSpace(said) == "" {
		said = e.stdout
	}
	return &runError{Command: p.name(), Reason: lab.LastLine(said), Err: err}
}

// run runs a program to its end.
func run(ctx context.Context, c command) (ended, error) {
	p, err := launch(ctx, c)
	if err != nil {
		return ended{}, err
	}
	return p.wait()
}

// start starts a server and waits until it listens.
func (t *testbed) start(ctx context.Context, s service) (*child, error) {
	p, err := launch(ctx, s.command)
	if err != nil {
		return nil, err
	}
	p.endless = s.endless
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		listens, err := t.listens(s.port)
		if err != nil {
			_, _ = p.end()
			return nil, err
		}
		if listens {
			return p, nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			e, err := p.wait()
			if err == nil {
				err = p.failed(e, errors.New("it ended before it listened"))
			}
			return nil, err
		}
	}
	_, _ = p.end()
	return nil, &runError{Command: p.name(), Reason: fmt.Sprintf("it does not listen on port %d after %v", s.port, patience), Err: os.ErrDeadlineExceeded}
}
