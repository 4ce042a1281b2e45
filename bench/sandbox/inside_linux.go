package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"lastack/bench/host"
)

// Main is called by main before it looks at its arguments, with the jobs of the program by name. In a process that Start has started
// it carries out the job and ends the process; in any other it returns.
func Main(jobs map[string]Func) {
	h, err := receive()
	if err != nil {
		// As a program like any other it might start a cell of its own, which would do the same.
		fmt.Fprintf(os.Stderr, "the process for the sandbox could not read what it is to do: %v\n", err)
		os.Exit(1)
	}
	if h == nil {
		return
	}
	os.Exit(h.carryOut(jobs))
}

// carryOut does the job, and returns the exit code: 0 if all was handed in.
func (h *handoff) carryOut(jobs map[string]Func) int {
	var noHash error
	if h.Spec.EhashEntries > 0 && h.Outer == "" {
		noHash = nest(h) // does not return but for a refusal
	}
	// A signal tells to stop, whoever sends it; those after it are without effect.
	ctx, restore := signal.NotifyContext(context.Background(), endings()...)
	defer restore()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	_ = syscall.SetNonblock(controlFd, true) // else reading it takes a thread
	go heed(os.NewFile(controlFd, "control"), stop)
	// The kernel named the process after /proc/self/exe; ps and pgrep shall find it.
	_ = writeFile("/proc/self/comm", filepath.Base(os.Args[0]))

	if err := h.do(ctx, jobs, noHash, os.NewFile(eventsFd, "events")); err != nil {
		fmt.Fprintf(os.Stderr, "the result could not be handed in: %v\n", err)
		return 1
	}
	return 0
}

// do writes all that is to be said of the job to w. The error is of writing.
func (h *handoff) do(ctx context.Context, jobs map[string]Func, noHash error, w io.Writer) error {
	job, s, err := h.prepare(jobs, noHash)
	if err != nil {
		return json.NewEncoder(w).Encode(message{End: &ending{Failure: newFailure(err)}})
	}
	out, err := newOutbox(w, s.Status)
	if err != nil {
		return err
	}
	result, err := job(ctx, s, h.Input, out.emit)
	var end ending
	if left := s.close(); left != nil {
		end.Left = left.Error()
	}
	b, jerr := json.Marshal(result)
	if jerr != nil {
		err = errors.Join(err, fmt.Errorf("the job's result is no JSON: %w", jerr))
	} else if string(b) != "null" {
		end.Result = b
	}
	if err != nil {
		end.Failure = newFailure(err)
	}
	return out.close(end)
}

// prepare finds the job, and makes its sandbox.
func (h *handoff) prepare(jobs map[string]Func, noHash error) (Func, *Sandbox, error) {
	job, ok := jobs[h.Job]
	if !ok {
		return nil, nil, &Error{step: stepStart, Mode: h.Mode, Err: fmt.Errorf("this program has no job %q", h.Job)}
	}
	// Before the runtime needs them: it would end the program with a trace.
	if err := host.CheckThreads(host.InsideThreads); err != nil {
		return nil, nil, &Error{step: stepStart, Mode: h.Mode, Err: err}
	}
	s, err := setUp(h, noHash)
	return job, s, err
}

// endings are the signals that end a program. HUP stays ignored where whoever started it wants that (nohup).
func endings() []os.Signal {
	list := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGXCPU}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// heed waits until it is told to stop, and ends the process with the one that started it. PDEATHSIG does that too, but the kernel clears it
// where a program gains rights (begin_new_exec).
func heed(control *os.File, stop func()) {
	b := make([]byte, 1)
	for {
		if _, err := control.Read(b); err != nil {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		stop()
	}
}
