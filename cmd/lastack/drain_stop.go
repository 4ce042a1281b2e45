package main

import (
	"slices"

	"lastack/bench/drain"
)

// completeStop checks which server is stopped, and how.
func (o *drainOptions) completeStop(given func(string) bool) (err error) {
	s := &o.what.Stop
	if err := o.oneServer(given); err != nil {
		return err
	}
	if given("exec") {
		if s.Exec, err = commandWords("exec", o.exec[0]); err != nil {
			return err
		}
	}
	switch {
	case len(o.exec) == 2:
		s.Restart, err = commandWords("exec", o.exec[1])
	case given("restart"):
		s.Restart, err = commandWords("restart", o.restart)
	}
	if err != nil {
		return err
	}
	for _, command := range o.also {
		words, err := commandWords("also", command)
		if err != nil {
			return err
		}
		o.what.Also = append(o.what.Also, words)
	}
	if given("pid") {
		if err := checkPID("pid", s.PID); err != nil {
			return err
		}
	}
	return o.checkStop(given)
}

// oneServer checks that the flags name one server and one way to stop it.
func (o *drainOptions) oneServer(given func(string) bool) error {
	switch pid, execs, stop := given("pid"), given("exec"), given("stop"); {
	case !pid && !execs && !stop:
		return usagef("drain %s: no server to stop: want one of --pid N, --exec 'CMD ...' and --stop 'CMD'", o.target.name)
	case pid && execs:
		return usagef("--pid %d: not with --exec, which starts the server itself: want one of them", o.what.Stop.PID)
	case stop && pid:
		return usagef("--stop %q: not with --pid, which names a process to signal: want one of them", o.what.Stop.Hook)
	case given("also") && !execs:
		return usagef("--also %q: runs beside a server that lastack starts: want --exec", o.also[0])
	case stop && o.what.Stop.Hook == "":
		return usagef("--stop \"\": want a command for /bin/sh -c")
	case len(o.exec) > 2:
		return usagef("--exec %q: want at most two, the server and its replacement", o.exec[2])
	case len(o.exec) == 2 && given("restart"):
		return usagef("--restart %q: the second --exec is the restart: want one of them", o.restart)
	}
	return nil
}

// checkStop refuses flags that contradict each other.
func (o *drainOptions) checkStop(given func(string) bool) error {
	s := &o.what.Stop
	if given("stop") {
		if given("signal") {
			return usagef("--signal: the command of --stop stops the server: leave --signal out")
		}
		if given("then") && !given("exec") {
			return usagef("--then: the command of --stop stops the server, and lastack sends no signal: leave --then out")
		}
		s.Signal = 0
	}
	switch {
	case o.what.Repeat < 1:
		return usagef("--repeat %d: want 1 to %d", o.what.Repeat, drain.MaxTries)
	case given("contain") && given("pid") && len(s.Restart) == 0:
		return usagef("--contain %s: applies to processes that lastack starts, and with --pid it starts none: leave it out", s.Contain)
	case given("ledger") && s.Ledger == "":
		return usagef("--ledger \"\": want the file that the server writes when it ends")
	case given("ledger") && slices.ContainsFunc(o.outputs, func(path string) bool { return sameFile(s.Ledger, path) }):
		return usagef("--ledger %s: --output names the same file, and the record would overwrite the ledger: want another file for --output", s.Ledger)
	}
	return nil
}
