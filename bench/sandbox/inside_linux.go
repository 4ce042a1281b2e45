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
	"lastack/bench/process"
)

// Main does a cell's job and exits, in a process that Start has started; in any other it returns. main calls it before it parses its
// arguments, with the program's jobs by name.
func Main(jobs map[string]Func) {
	h, err := receive()
	if err != nil {
		// Exit: the program itself might start a cell, which would fail likewise, and so on.
		err = &Error{step: stepStart, Err: fmt.Errorf("its process could not read its job: %w", err)}
		os.Exit(exitCode(refuse(os.NewFile(eventsFd, "events"), err)))
	}
	if h == nil {
		return
	}
	os.Exit(h.carryOut(jobs))
}

// carryOut does the job and returns the exit code: 0 if the result was sent.
func (h *handoff) carryOut(jobs map[string]Func) int {
	var noHash error
	if h.Spec.EhashEntries > 0 && h.Outer == "" {
		noHash = nest(h) // returns only if the kernel refuses
	}
	// The first signal stops the job; further ones have no effect, until the process exits: they would end it as a crash.
	ctx, _ := signal.NotifyContext(context.Background(), process.Endings()...)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	_ = syscall.SetNonblock(controlFd, true) // otherwise reading it takes a thread
	go watchControl(os.NewFile(controlFd, "control"), stop)
	// The kernel named the process "exe", after /proc/self/exe. Rename it for ps and pgrep.
	_ = writeFile("/proc/self/comm", filepath.Base(os.Args[0]))

	return exitCode(h.do(ctx, jobs, noHash, os.NewFile(eventsFd, "events")))
}

// exitCode is 0 if the result was sent.
func exitCode(err error) int {
	if err != nil {
		fmt.Fprintf(os.Stderr, "the result could not be sent: %v\n", err)
		return 1
	}
	return 0
}

// refuse sends why there is no job.
func refuse(w io.Writer, why error) error {
	return json.NewEncoder(w).Encode(message{End: &ending{Failure: newFailure(why)}})
}

// do does the job and writes its messages to w. The error is one of writing.
func (h *handoff) do(ctx context.Context, jobs map[string]Func, noHash error, w io.Writer) error {
	job, s, err := h.prepare(jobs, noHash)
	if err != nil {
		return refuse(w, err)
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
		err = errors.Join(err, fmt.Errorf("the job's result is not JSON: %w", jerr))
	} else if string(b) != "null" {
		end.Result = b
	}
	if err != nil {
		end.Failure = newFailure(err)
	}
	return out.close(end)
}

// prepare finds the job and makes its sandbox.
func (h *handoff) prepare(jobs map[string]Func, noHash error) (Func, *Sandbox, error) {
	job, ok := jobs[h.Job]
	if h.Job == tryJob {
		job, ok = try, true
	}
	if !ok {
		return nil, nil, &Error{step: stepStart, Mode: h.Mode, Err: fmt.Errorf("this program has no job %q", h.Job)}
	}
	// Check now: if the runtime lacks threads later, it crashes.
	if err := host.CheckThreads(host.InsideThreads); err != nil {
		return nil, nil, &Error{step: stepStart, Mode: h.Mode, Err: err}
	}
	s, err := setUp(h, noHash)
	return job, s, err
}

// watchControl calls stop when the parent says so, and kills this process when the parent ends. PDEATHSIG does that too, but the kernel
// clears it at an exec that gains privileges (begin_new_exec).
func watchControl(control *os.File, stop func()) {
	b := make([]byte, 1)
	for {
		if _, err := control.Read(b); err != nil {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		stop()
	}
}
