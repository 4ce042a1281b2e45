package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/sockstate"
)

// An injury is one fault, injected into one command.
type injury struct {
	name string
	// script is what sh runs, with $L for the program, by way of what injects the fault. It is executed, so that its
	// process is the program's, unless it says otherwise.
	script string
	env    []string
	// A signal is sent when stderr matches at, or so long after the start.
	at    string
	after time.Duration
	// forked: the time counts from the program's first child on. Until then its runtime may have begun and main not, and nobody
	// can take care of a signal.
	forked bool
	sig    syscall.Signal
	to     string // "parent", "sandbox", "both", or the name of a process below: lastack-reaper, serve
	// codes are the exit codes allowed; none: all documented ones but exitUsage, which a trace of the runtime ends with too. -1 is
	// the end by a signal.
	codes []int
	// want is what must be said of the fault, where the right word is known.
	want expectation
}

// An expectation is what must be said of a fault. Its zero value asks for nothing.
type expectation struct {
	// invalid is of the record's verdict, limited what it says bound the run.
	invalid bool
	limited string
	// outcome is that of some connections, all of all.
	outcome, all string
	// errno is one that outcome "other" is split into.
	errno string
	// engine is the reason why the load was not driven by io_uring.
	engine string
	// unread is what the record says was not read.
	unread string
	// says is on stdout or stderr, whatever the lines. refusal is too where the exit code is that of an error.
	says, refusal string
	// recorded: there must be a record.
	recorded bool
}

// saying reports whether text has what pattern matches, whose spaces are any white space.
func saying(text, pattern string) bool {
	return pattern == "" || regexp.MustCompile(pattern).MatchString(strings.Join(strings.Fields(text), " "))
}

// check holds a record to what must be said in it.
func (e *expectation) check(r *record.Run) (wrong []string) {
	missed := func(format string, args ...any) { wrong = append(wrong, "want "+fmt.Sprintf(format, args...)) }
	if e.invalid && r.Verdict.Valid {
		missed("a result that is not valid, have %q", r.Verdict.Reasons)
	}
	if e.limited != "" && r.Verdict.LimitedBy != e.limited {
		missed("limited by %s, have %s: %q", e.limited, r.Verdict.LimitedBy, r.Verdict.Reasons)
	}
	if e.outcome != "" && r.Outcomes[e.outcome] == 0 {
		missed("outcome %s, have %v", e.outcome, r.Outcomes)
	}
	if e.all != "" && (r.Outcomes[e.all] == 0 || r.Outcomes[e.all] != r.Connections.Attempted) {
		missed("no outcome but %s, have %v", e.all, r.Outcomes)
	}
	if e.errno != "" && r.Errnos[e.errno] == 0 {
		missed("errno %s, have %v", e.errno, r.Errnos)
	}
	if e.engine != "" && (r.Plan.Engine != "epoll" || !saying(r.Plan.EngineReason, e.engine)) {
		missed("epoll as %q, have %s as %q", e.engine, r.Plan.Engine, r.Plan.EngineReason)
	}
	unread := append(slices.Clone(r.Observer.Unread), r.Pressure.CPU.NotRead, r.Pressure.CPU.WorkersNotRead)
	if !saying(strings.Join(unread, "; "), e.unread) {
		missed("not read %q, have %q", e.unread, unread)
	}
	return wrong
}

// checkSaid holds what a command said to what must be said.
func (e *expectation) checkSaid(end ended) (wrong []string) {
	all := end.stderr + " " + end.stdout
	if !saying(all, e.says) {
		wrong = append(wrong, fmt.Sprintf("want something like %q said", e.says))
	}
	if (end.code == exitError || end.code == exitUsage) && !saying(all, e.refusal) {
		wrong = append(wrong, fmt.Sprintf("exit code %d, want %q said", end.code, e.refusal))
	}
	return wrong
}

const (
	tortureRun   = "$L run -d 10m -c 3 --interval 50ms -o run.json"
	tortureShort = "$L run -d 300ms -c 3 --interval 100ms --connect-timeout 1s --request-timeout 1s --close-timeout 1s -o run.json"
	tortureDrain = "$L drain 127.0.0.1:8080 --sandbox --idle 5 --in-flight 2 -R 20 --request-timeout 1s --grace 3s --watch 200ms -o run.json --exec '$L serve --listen 127.0.0.1:8080 --exchange http:/'"
	tortureServe = "$L serve --listen 127.0.0.1:0 --exchange http:/ --ledger ledger.json"
)

// injuries makes all cases of the tables.
func injuries() []injury {
	return slices.Concat(runSignals(), otherSignals(), failingCalls(), failingOnce(), limits(), outputs(), missingFiles(), loadFaults(), hostileRecords(), surroundings())
}

// Signals by what they do. That a signal kills is no fault of who is killed; all others end what they reach in good order, or nothing.
var (
	ending = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGXCPU}
	benign = []syscall.Signal{syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGWINCH, syscall.SIGSTOP, syscall.SIGXFSZ, syscall.SIGCHLD}
)

const killedSays = `the run was killed \(SIGKILL\)`

func runSignals() []injury {
	var all []injury
	killed := expectation{says: killedSays}
	stages := []struct {
		name, script, at string
	}{
		{"load", tortureRun, `(?m) load *$`},
		{"load across veth", tortureRun + " --topology veth", `(?m) load *$`},
		{"open loop", tortureRun + " -R 100 --engine epoll", `(?m) load *$`},
		{"settle", "$L run -n 50 -c 3 --interval 50ms --settle 10m -o run.json", `(?m) settle *$`},
		{"teardown", "$L run -n 50 -c 3 --on-eof delay=1m --interval 50ms -o run.json", `(?m) ending *$`},
		{"saving", "mkfifo pipe; exec $L run -n 50 -c 3 --interval 50ms -o pipe", `waiting until somebody reads pipe`},
		{"plateau", "$L run -c 20 --plateau 10m --exchange none --interval 50ms -o run.json", `(?m) hold *$`},
	}
	for _, s := range stages {
		want := expectation{recorded: true, limited: record.LimitInterrupted, says: "stopped by a signal"}
		switch s.name {
		case "settle", "teardown": // all was measured
			want = expectation{recorded: true}
		case "saving":
			want = expectation{recorded: true, says: "the record could not be saved to pipe: nobody reads the pipe"}
		}
		receivers := []string{"parent", "sandbox", "both"}
		if s.name == "saving" {
			receivers = receivers[:1] // the parent saves, and the sandbox has ended
		}
		for _, to := range receivers {
			for _, sig := range ending {
				codes := []int{exitInterrupted}
				switch s.name {
				case "settle", "teardown": // all was measured
					codes = []int{exitOK, exitInvalid, exitInterrupted}
				case "saving":
					codes = []int{exitError, exitInterrupted}
				}
				all = append(all, injury{name: fmt.Sprintf("%s/%v to %s", s.name, sig, to), script: s.script, at: s.at, sig: sig, to: to, codes: codes, want: want})
			}
		}
		for _, sig := range benign {
			// It goes on, and is ended by SIGINT.
			codes := []int{exitOK, exitInvalid, exitInterrupted}
			if s.name == "saving" {
				codes = []int{exitError}
			}
			for _, to := range receivers[:min(2, len(receivers))] {
				all = append(all, injury{name: fmt.Sprintf("%s/%v to %s", s.name, sig, to), script: s.script, at: s.at, sig: sig, to: to, codes: codes, want: want})
			}
		}
		all = append(all, injury{name: s.name + "/killed", script: s.script, at: s.at, sig: syscall.SIGKILL, to: "parent", codes: []int{-1}})
		if len(receivers) > 1 {
			all = append(all, injury{name: s.name + "/sandbox killed", script: s.script, at: s.at, sig: syscall.SIGKILL, to: "sandbox", codes: []int{exitError}, want: killed})
		}
	}
	// Before the load: the process may have no say yet.
	for _, after := range []time.Duration{0, 15, 50, 120} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
			for _, script := range []string{tortureRun, tortureDrain} {
				all = append(all, injury{
					name: fmt.Sprintf("%v after %d ms/%.9s", sig, after, script[3:]), script: script, after: after*time.Millisecond + 1, sig: sig, to: "parent",
					codes: []int{exitInterrupted, -1},
				})
			}
		}
	}
	// The runtime answers these with a trace of all goroutines, where neither the parent nor the child takes care of them.
	for _, after := range []time.Duration{0, 5, 10, 15, 25} {
		for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGXCPU} {
			for _, script := range []string{tortureRun, tortureDrain} {
				all = append(all, injury{
					name: fmt.Sprintf("%v %d ms after the fork/%.9s", sig, after, script[3:]), script: script, after: after * time.Millisecond, forked: true, sig: sig, to: "parent",
					codes: []int{exitInterrupted},
				})
			}
		}
	}
	return all
}

func otherSignals() []injury {
	var all []injury
	for _, stage := range []struct{ at, name string }{{`(?m)^.*connecting`, "connecting"}, {`(?m)^.*watching`, "watching"}} {
		script := tortureDrain
		if stage.name == "watching" {
			script = strings.Replace(script, "--watch 200ms", "--watch 10m", 1)
		} else {
			script += " --after 10m"
		}
		for _, to := range []string{"parent", "sandbox"} {
			for _, sig := range ending {
				all = append(all, injury{
					name: fmt.Sprintf("drain, %s/%v to %s", stage.name, sig, to), script: script, at: stage.at, sig: sig, to: to,
					codes: []int{exitInterrupted},
				})
			}
			for _, sig := range benign {
				all = append(all, injury{
					name: fmt.Sprintf("drain, %s/%v to %s", stage.name, sig, to), script: script, at: stage.at, sig: sig, to: to,
					codes: []int{exitInterrupted},
				})
			}
			codes, want := []int{-1}, expectation{}
			if to == "sandbox" {
				codes, want.says = []int{exitError}, killedSays
			}
			all = append(all, injury{name: fmt.Sprintf("drain, %s/%s killed", stage.name, to), script: script, at: stage.at, sig: syscall.SIGKILL, to: to, codes: codes, want: want})
		}
		for _, to := range []string{"lastack-init", "lastack-reaper", "serve"} {
			for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSTOP, syscall.SIGUSR1, syscall.SIGQUIT} {
				// What ends the server before it is asked to leaves nothing to measure. What is behind it, only SIGKILL ends.
				codes, want := []int{exitOK}, expectation{recorded: true}
				switch ends := sig == syscall.SIGKILL || to == "serve" && (sig == syscall.SIGTERM || sig == syscall.SIGQUIT); {
				case stage.name == "connecting" && ends:
					codes, want = []int{exitError}, expectation{recorded: true, invalid: true, says: "the server was never stopped"}
				case stage.name == "connecting" && to == "serve" && sig == syscall.SIGSTOP:
					codes, want.outcome = []int{exitOK, exitError, exitInvalid}, sockstate.OutcomeRequestTimeout.String() // or no request, or no client, is there in time
				}
				all = append(all, injury{
					name: fmt.Sprintf("drain, %s/%v to %s", stage.name, sig, to), script: strings.ReplaceAll(strings.ReplaceAll(script, "10m", "1s"), "--grace 3s", "--grace 1s"),
					at: stage.at, sig: sig, to: to, codes: codes, want: want,
				})
			}
		}
	}
	for _, s := range []struct{ name, script, at string }{
		{"serve", tortureServe, `listening on`},
		{"serve, lame duck", tortureServe + " --shutdown lame-duck=300ms --grace 10m", `listening on`},
	} {
		for _, sig := range slices.Concat(ending, benign) {
			all = append(all, injury{name: fmt.Sprintf("%s/%v", s.name, sig), script: s.script, at: s.at, sig: sig, to: "parent", codes: []int{exitOK}})
		}
		all = append(all, injury{name: s.name + "/killed", script: s.script, at: s.at, sig: syscall.SIGKILL, to: "parent", codes: []int{-1}})
	}
	return all
}

// calls are system calls that fail, with what a kernel or a container's filter would answer.
var calls = []struct {
	name   string
	nr     uintptr
	errnos []syscall.Errno
}{
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, []syscall.Errno{unix.EPERM, unix.ENOSYS, unix.ENOMEM, unix.EMFILE}},
	{"io_uring_register", unix.SYS_IO_URING_REGISTER, []syscall.Errno{unix.EINVAL, unix.EPERM, unix.ENOMEM}},
	{"io_uring_enter", unix.SYS_IO_URING_ENTER, []syscall.Errno{unix.EPERM, unix.EBUSY}},
	{"socket", unix.SYS_SOCKET, []syscall.Errno{unix.EPERM, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.EAFNOSUPPORT}},
	{"bind", unix.SYS_BIND, []syscall.Errno{unix.EADDRINUSE, unix.EACCES}},
	{"listen", unix.SYS_LISTEN, []syscall.Errno{unix.EADDRINUSE, unix.EOPNOTSUPP}},
	{"connect", unix.SYS_CONNECT, []syscall.Errno{unix.ECONNREFUSED, unix.ENETUNREACH, unix.EPERM}},
	{"accept4", unix.SYS_ACCEPT4, []syscall.Errno{unix.EMFILE, unix.ENOSYS}},
	{"setsockopt", unix.SYS_SETSOCKOPT, []syscall.Errno{unix.EPERM, unix.ENOPROTOOPT}},
	{"getsockopt", unix.SYS_GETSOCKOPT, []syscall.Errno{unix.ENOPROTOOPT}},
	{"sendto", unix.SYS_SENDTO, []syscall.Errno{unix.EPERM, unix.ENOBUFS}},
	{"recvfrom", unix.SYS_RECVFROM, []syscall.Errno{unix.ENOMEM}},
	{"recvmsg", unix.SYS_RECVMSG, []syscall.Errno{unix.ENOMEM}},
	{"sendmsg", unix.SYS_SENDMSG, []syscall.Errno{unix.EPERM}},
	{"shutdown", unix.SYS_SHUTDOWN, []syscall.Errno{unix.ENOTCONN}},
	{"prctl", unix.SYS_PRCTL, []syscall.Errno{unix.EINVAL}},
	{"setns", unix.SYS_SETNS, []syscall.Errno{unix.EPERM, unix.ENOSYS}},
	{"unshare", unix.SYS_UNSHARE, []syscall.Errno{unix.EPERM, unix.ENOSPC}},
	{"mount", unix.SYS_MOUNT, []syscall.Errno{unix.EPERM}},
	{"memfd_create", unix.SYS_MEMFD_CREATE, []syscall.Errno{unix.EPERM, unix.ENOSYS}},
	{"close_range", unix.SYS_CLOSE_RANGE, []syscall.Errno{unix.ENOSYS, unix.EPERM}},
	{"capset", unix.SYS_CAPSET, []syscall.Errno{unix.EPERM}},
	{"capget", unix.SYS_CAPGET, []syscall.Errno{unix.EPERM, unix.ENOSYS}},
	{"waitid", unix.SYS_WAITID, []syscall.Errno{unix.ECHILD, unix.ENOSYS}},
	{"wait4", unix.SYS_WAIT4, []syscall.Errno{unix.ECHILD}},
	{"pidfd_open", unix.SYS_PIDFD_OPEN, []syscall.Errno{unix.ENOSYS, unix.EPERM}},
	{"pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL, []syscall.Errno{unix.ENOSYS, unix.EPERM}},
	{"kill", unix.SYS_KILL, []syscall.Errno{unix.EPERM}},
	{"sched_setaffinity", unix.SYS_SCHED_SETAFFINITY, []syscall.Errno{unix.EPERM, unix.EINVAL}},
	{"sched_setattr", unix.SYS_SCHED_SETATTR, []syscall.Errno{unix.EPERM, unix.ENOSYS}},
	{"sched_setscheduler", unix.SYS_SCHED_SETSCHEDULER, []syscall.Errno{unix.EPERM}},
	{"epoll_pwait2", unix.SYS_EPOLL_PWAIT2, []syscall.Errno{unix.ENOSYS, unix.EPERM}},
	{"setrlimit", unix.SYS_PRLIMIT64, []syscall.Errno{unix.EPERM}},
	{"sysinfo", unix.SYS_SYSINFO, []syscall.Errno{unix.EPERM}},
	{"uname", unix.SYS_UNAME, []syscall.Errno{unix.EPERM}},
	{"statfs", unix.SYS_STATFS, []syscall.Errno{unix.ENOSYS}},
	{"readlinkat", unix.SYS_READLINKAT, []syscall.Errno{unix.EACCES, unix.ENOENT}},
	{"getdents64", unix.SYS_GETDENTS64, []syscall.Errno{unix.EACCES}},
	{"newfstatat", sysNewfstatat, []syscall.Errno{unix.EACCES, unix.ENOENT}},
	{"fstat", unix.SYS_FSTAT, []syscall.Errno{unix.ENOMEM}},
	{"openat", unix.SYS_OPENAT, []syscall.Errno{unix.EACCES, unix.EMFILE, unix.ENOENT}},
	{"pread64", unix.SYS_PREAD64, []syscall.Errno{unix.EIO}},
	{"pipe2", unix.SYS_PIPE2, []syscall.Errno{unix.EMFILE}},
	{"socketpair", unix.SYS_SOCKETPAIR, []syscall.Errno{unix.EMFILE}},
	{"renameat", unix.SYS_RENAMEAT, []syscall.Errno{unix.EACCES, unix.EPERM, unix.EROFS, unix.EXDEV, unix.EBUSY}},
	{"fsync", unix.SYS_FSYNC, []syscall.Errno{unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EINVAL}},
	{"fchmod", unix.SYS_FCHMOD, []syscall.Errno{unix.EPERM}},
	{"fchown", unix.SYS_FCHOWN, []syscall.Errno{unix.EPERM}},
	{"unlinkat", unix.SYS_UNLINKAT, []syscall.Errno{unix.EPERM}},
	{"setsid", unix.SYS_SETSID, []syscall.Errno{unix.EPERM}},
	{"setpgid", unix.SYS_SETPGID, []syscall.Errno{unix.EPERM}},
	{"clone3", unix.SYS_CLONE3, []syscall.Errno{unix.ENOSYS}},
	{"getrandom", unix.SYS_GETRANDOM, []syscall.Errno{unix.ENOSYS}},
	{"fcntl", unix.SYS_FCNTL, []syscall.Errno{unix.EMFILE}},
	{"dup", unix.SYS_DUP, []syscall.Errno{unix.EMFILE}},
	{"ioctl", unix.SYS_IOCTL, []syscall.Errno{unix.ENOTTY, unix.EPERM}},
	{"eventfd2", unix.SYS_EVENTFD2, []syscall.Errno{unix.EMFILE}},
	{"timerfd_create", unix.SYS_TIMERFD_CREATE, []syscall.Errno{unix.EMFILE}},
	{"bpf", unix.SYS_BPF, []syscall.Errno{unix.EPERM}},
	{"getrusage", unix.SYS_GETRUSAGE, []syscall.Errno{unix.EPERM}},
	{"mlock", unix.SYS_MLOCK, []syscall.Errno{unix.EPERM}},
	{"chdir", unix.SYS_CHDIR, []syscall.Errno{unix.ENOENT}},
}

// runtimeNeeds are calls without which no program of the Go runtime starts, or makes its poller.
var runtimeNeeds = map[string]bool{"eventfd2": true, "fcntl": true}

func failingCalls() []injury {
	var all []injury
	scripts := []struct{ name, script string }{
		{"run", tortureShort}, {"run, epoll", tortureShort + " --engine epoll --topology veth"}, {"drain", tortureDrain + " --after 200ms"}, {"doctor", "$L doctor"},
	}
	for _, c := range calls {
		if runtimeNeeds[c.name] {
			continue
		}
		for _, e := range c.errnos {
			for _, s := range []struct{ name, script string }{scripts[0], scripts[1+len(all)/2%(len(scripts)-1)]} {
				row := injury{name: fmt.Sprintf("%s %v/%s", c.name, unix.ErrnoName(e), s.name), script: fmt.Sprintf("faulty %d=%d %s", c.nr, int(e), s.script)}
				row.want.refusal = regexp.QuoteMeta(e.Error())
				if strings.HasPrefix(c.name, "io_uring") && s.name == "run" {
					row.want.engine = "io_uring" // its reason
				}
				if (c.name == "openat" || c.name == "unlinkat" || c.name == "newfstatat") && e != unix.EMFILE {
					row.codes = []int{exitUsage, exitError} // no file can be written, or none be found
				}
				if s.name == "doctor" && c.name != "openat" {
					row.codes = []int{exitOK, exitError}
				}
				all = append(all, row)
			}
		}
	}
	return all
}

var errnos = map[string]syscall.Errno{
	"EMFILE": unix.EMFILE, "ENOBUFS": unix.ENOBUFS, "ETIMEDOUT": unix.ETIMEDOUT, "EADDRINUSE": unix.EADDRINUSE, "ENOMEM": unix.ENOMEM,
	"ECONNABORTED": unix.ECONNABORTED, "EIO": unix.EIO, "EAGAIN": unix.EAGAIN, "EPERM": unix.EPERM,
}

// aimed has a load go to a server of its own in a namespace of their own: a fault that comes before either of the two is of that one
// alone, and by way of epoll, as a seccomp filter does not see what a ring does. end is what happens meanwhile.
func aimed(server, load, flags, end string) string {
	return "exec unshare --net --mount sh -c 'ip link set lo up; " + server +
		"$L serve --listen 127.0.0.1:8080 --exchange echo:1,1 --engine epoll --grace 500ms 2>serve.err & s=$!; until grep -q listening serve.err; do kill -0 $s || exit 77; sleep 0.02; done; " + end + load +
		"$L run 127.0.0.1:8080 --engine epoll --exchange echo:1,1 -d 300ms -c 3 --interval 100ms --connect-timeout 1s --request-timeout 1s --close-timeout 1s -o run.json " + flags +
		"; c=$?; kill $s; wait $s; exit $c'"
}

// loadFaults are faults of the load's own calls, and of its server's: each has its outcome, and its cause.
func loadFaults() []injury {
	var all []injury
	for _, f := range []struct {
		call  string
		nr    uintptr
		errno syscall.Errno
		want  expectation
	}{
		{"socket", unix.SYS_SOCKET, unix.EMFILE, expectation{all: sockstate.OutcomeNoFD.String(), limited: record.LimitFds, says: "found no free descriptor"}},
		{"socket", unix.SYS_SOCKET, unix.ENFILE, expectation{all: sockstate.OutcomeNoFD.String(), limited: record.LimitFds, says: "found no free descriptor"}},
		{"socket", unix.SYS_SOCKET, unix.ENOBUFS, expectation{all: sockstate.OutcomeNoMemory.String(), limited: record.LimitMemory, says: "what tcp_mem allows was not read"}},
		{"socket", unix.SYS_SOCKET, unix.ENOMEM, expectation{all: sockstate.OutcomeNoMemory.String(), limited: record.LimitMemory}},
		{"socket", unix.SYS_SOCKET, unix.EACCES, expectation{all: sockstate.OutcomeOther.String(), errno: "EACCES", limited: record.LimitUnknown, says: "most as other .EACCES .* what this host forbids"}},
		{"connect", unix.SYS_CONNECT, unix.ECONNREFUSED, expectation{all: sockstate.OutcomeRefused.String(), limited: record.LimitServer, says: "lifecycles failed, most as refused"}},
		{"connect", unix.SYS_CONNECT, unix.ETIMEDOUT, expectation{all: sockstate.OutcomeConnectTimeout.String(), limited: record.LimitServer, says: "most as connect_timeout"}},
		{"connect", unix.SYS_CONNECT, unix.EADDRNOTAVAIL, expectation{all: sockstate.OutcomeNoLocalPort.String(), limited: record.LimitPorts, says: "found no free local port"}},
		{"connect", unix.SYS_CONNECT, unix.EADDRINUSE, expectation{all: sockstate.OutcomeNoLocalPort.String(), limited: record.LimitPorts, says: "found no free local port"}},
		{"connect", unix.SYS_CONNECT, unix.ENETUNREACH, expectation{all: sockstate.OutcomeUnreachable.String(), limited: record.LimitNetwork, says: "check the route to the target"}},
		{"connect", unix.SYS_CONNECT, unix.EHOSTUNREACH, expectation{all: sockstate.OutcomeUnreachable.String(), limited: record.LimitNetwork}},
		{"connect", unix.SYS_CONNECT, unix.ENOBUFS, expectation{all: sockstate.OutcomeNoMemory.String(), limited: record.LimitMemory}},
		{"connect", unix.SYS_CONNECT, unix.EPERM, expectation{all: sockstate.OutcomeOther.String(), errno: "EPERM", limited: record.LimitUnknown, says: "what this host forbids: firewall rules"}},
		{"sendto", unix.SYS_SENDTO, unix.EPIPE, expectation{all: sockstate.OutcomeCutInRequest.String(), limited: record.LimitServer}},
		{"sendto", unix.SYS_SENDTO, unix.ECONNRESET, expectation{all: sockstate.OutcomeCutInRequest.String(), limited: record.LimitServer}},
		{"sendto", unix.SYS_SENDTO, unix.ENOBUFS, expectation{all: sockstate.OutcomeNoMemory.String(), limited: record.LimitMemory}},
		{"sendto", unix.SYS_SENDTO, unix.EPERM, expectation{all: sockstate.OutcomeOther.String(), errno: "EPERM", limited: record.LimitUnknown}},
		{"recvfrom", unix.SYS_RECVFROM, unix.ECONNRESET, expectation{all: sockstate.OutcomeCutInRequest.String(), limited: record.LimitServer}},
		{"recvfrom", unix.SYS_RECVFROM, unix.ENOMEM, expectation{all: sockstate.OutcomeOther.String(), errno: "ENOMEM", limited: record.LimitUnknown}},
	} {
		f.want.invalid, f.want.recorded = true, true
		all = append(all, injury{
			name: fmt.Sprintf("the load's %s %s", f.call, unix.ErrnoName(f.errno)), script: aimed("", fmt.Sprintf("faulty %d=%d ", f.nr, int(f.errno)), "", ""),
			codes: []int{exitInvalid}, want: f.want,
		})
	}
	for _, f := range []struct {
		call  string
		nr    uintptr
		errno syscall.Errno
		want  expectation
	}{
		{"accept4", unix.SYS_ACCEPT4, unix.EMFILE, expectation{all: sockstate.OutcomeRequestTimeout.String(), limited: record.LimitServer}},
		{"recvfrom", unix.SYS_RECVFROM, unix.ECONNRESET, expectation{all: sockstate.OutcomeCutInRequest.String(), limited: record.LimitServer}},
		{"sendto", unix.SYS_SENDTO, unix.EPIPE, expectation{all: sockstate.OutcomeCutInRequest.String(), limited: record.LimitServer}},
	} {
		f.want.invalid, f.want.recorded = true, true
		all = append(all, injury{
			name: fmt.Sprintf("the server's %s %s", f.call, unix.ErrnoName(f.errno)), script: aimed(fmt.Sprintf("faulty %d=%d ", f.nr, int(f.errno)), "", "", ""),
			codes: []int{exitInvalid}, want: f.want,
		})
	}
	all = append(all,
		injury{
			name: "the server is killed", script: aimed("", "", "-d 2s", "(sleep 0.3; kill -9 $s) & "), codes: []int{exitInvalid},
			want: expectation{recorded: true, invalid: true, limited: record.LimitServer, outcome: sockstate.OutcomeRefused.String(), says: "most as refused"},
		},
		injury{
			name: "the server is stopped", script: aimed("", "", "-d 2s", "(sleep 0.3; kill -STOP $s; sleep 4; kill -CONT $s) & "),
			want: expectation{recorded: true, outcome: sockstate.OutcomeRequestTimeout.String(), says: "request_timeout"},
		})
	if _, err := exec.LookPath("strace"); err == nil {
		for _, c := range []struct{ call, errno, outcome string }{
			{"connect", "ETIMEDOUT", sockstate.OutcomeConnectTimeout.String()},
			{"connect", "ECONNREFUSED", sockstate.OutcomeRefused.String()},
			{"connect", "EADDRNOTAVAIL", sockstate.OutcomeNoLocalPort.String()},
			{"sendto", "EPIPE", sockstate.OutcomeCutInRequest.String()},
		} {
			inject := fmt.Sprintf("strace -f -qq -o /dev/null -e trace=%s -e inject=%[1]s:error=%s:when=5+5 ", c.call, c.errno)
			all = append(all, injury{name: fmt.Sprintf("the load's %s %s, one in five", c.call, c.errno), script: aimed("", inject, "", ""), want: expectation{recorded: true, outcome: c.outcome}})
		}
	}
	return all
}

// failingOnce has one call of many fail.
func failingOnce() []injury {
	if _, err := exec.LookPath("strace"); err != nil {
		return nil
	}
	var all []injury
	for _, c := range []string{
		"openat:EMFILE", "socket:ENOBUFS", "connect:ETIMEDOUT", "bind:EADDRINUSE", "listen:EADDRINUSE", "setsockopt:ENOMEM", "getsockopt:ENOBUFS", "sendto:ENOBUFS", "recvmsg:ENOBUFS",
		"accept4:ECONNABORTED", "renameat:EIO", "fsync:EIO", "io_uring_setup:ENOMEM", "io_uring_register:ENOMEM", "io_uring_enter:EAGAIN", "setns:EPERM", "memfd_create:ENOMEM",
		"pread64:EIO", "newfstatat:EIO", "readlinkat:EIO", "getdents64:EIO", "sched_setaffinity:EPERM",
	} {
		call, errno, _ := strings.Cut(c, ":")
		for _, n := range []string{"1", "2", "5", "20+20"} {
			all = append(all, injury{
				name:   fmt.Sprintf("%s %s, time %s", call, errno, n),
				script: fmt.Sprintf("exec strace -f -qq -o /dev/null -e trace=%s -e inject=%[1]s:error=%s:when=%s %s", call, errno, n, tortureShort),
				want:   expectation{refusal: regexp.QuoteMeta(errnos[errno].Error())},
			})
		}
	}
	return all
}

func limits() []injury {
	var all []injury
	add := func(limit string, values ...string) {
		for _, v := range values {
			for _, s := range []struct{ name, script string }{{"run", tortureShort}, {"drain", tortureDrain + " --after 200ms"}} {
				row := injury{name: limit + " " + v + "/" + s.name, script: fmt.Sprintf("prlimit --%s=%s %s", limit, v, s.script)}
				switch limit {
				case "nofile": // more is asked for than there may be
					row.codes, row.want.refusal = []int{exitOK, exitError, exitUsage, exitInvalid}, "RLIMIT_NOFILE leaves|too many open files"
				case "fsize":
					row.codes, row.want.says = []int{exitError}, "file too large"
				}
				all = append(all, row)
			}
		}
	}
	add("nofile", "12", "16", "20", "24", "32", "48", "64", "100")
	add("fsize", "0", "1", "1000", "10000")
	add("memlock", "0", "65536")
	add("core", "0")
	add("rss", "0")
	add("stack", "65536", "unlimited")
	add("cpu", "1")
	add("sigpending", "0", "10")
	add("nice", "0")
	add("msgqueue", "0")
	for _, kb := range []string{"16", "40", "64", "200"} {
		all = append(all, injury{name: "disk of " + kb + " kB", script: fmt.Sprintf(
			// What stands there at the end is shown outside, even if it is empty.
			"exec unshare --mount sh -c 'mkdir disk && mount -t tmpfs -o size=%sk none disk && %s; c=$?; test ! -e disk/run.json || cat disk/run.json >run.json; exit $c'",
			kb, strings.Replace(tortureShort, "run.json", "disk/run.json", 1))})
	}
	return all
}

func outputs() []injury {
	var all []injury
	commands := []struct{ name, script string }{
		{"run", tortureShort},
		{"run, jsonl", tortureShort + " --format jsonl"},
		{"drain", tortureDrain + " --after 200ms"},
		{"report", "$L report old.json"},
		{"help", "$L run --help"},
		{"doctor", "$L doctor"},
		{"version", "$L --version"},
		{"wrong", "$L run -c 0"},
	}
	for _, c := range commands {
		for _, r := range []string{
			"<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full", "</dev/null",
			"| true", "2>&1 | true", "| head -c 10", "2>&1 >/dev/null | true", ">/dev/null 2>&1",
		} {
			script := "exec " + c.script + " " + r
			if streams, reader, ok := strings.Cut(r, "|"); ok { // whose code would be the shell's
				script = "{ " + c.script + " " + streams + "; echo $? >code; } |" + reader + "; exit $(cat code)"
			}
			row := injury{name: c.name + " " + r, script: script}
			if c.name == "wrong" {
				row.codes = []int{exitUsage}
			}
			all = append(all, row)
		}
	}
	return all
}

func missingFiles() []injury {
	var all []injury
	// What the kernel tells in other ways, or nothing rests on, may be missing without a word.
	const silent = ""
	for _, f := range []struct{ path, run, doctor string }{
		{"/proc/stat", "/proc/stat", silent},
		{"/proc/meminfo", "/proc/meminfo: ", "not read: /proc/meminfo"},
		{"/proc/cpuinfo", silent, silent},
		{"/proc/loadavg", silent, silent},
		{"/proc/uptime", silent, silent},
		{"/proc/slabinfo", silent, silent},
		{"/proc/version", silent, silent},
		{"/proc/filesystems", silent, silent},
		{"/proc/mounts", silent, silent},
		{"/proc/sys/kernel/random/boot_id", silent, silent},
		{"/proc/sys/kernel/osrelease", silent, silent},
		// A sandbox has these of its own, which are not those over which something is mounted.
		{"/proc/sys/net/ipv4/ip_local_port_range", silent, "not read: net.ipv4.ip_local_port_range"},
		{"/proc/sys/net/ipv4/tcp_max_tw_buckets", silent, "not read: net.ipv4.tcp_max_tw_buckets"},
		{"/proc/sys/net/ipv4/tcp_tw_reuse", silent, "not read: net.ipv4.tcp_tw_reuse"},
		{"/proc/sys/net/core/somaxconn", silent, "not read: net.core.somaxconn"},
		// These are the host's, in any sandbox.
		{"/proc/sys/net/ipv4/tcp_mem", "net.ipv4.tcp_mem: ", "not read: net.ipv4.tcp_mem"},
		{"/proc/sys/net/ipv4/tcp_max_orphans", "net.ipv4.tcp_max_orphans: ", "not read: net.ipv4.tcp_max_orphans"},
		{"/proc/sys/fs/file-max", "fs.file-max: ", "not read: fs.file-max"},
		{"/proc/sys/fs/nr_open", "fs.nr_open: ", "not read: fs.nr_open"},
		{"/proc/pressure/cpu", silent, silent},
		{"/sys/devices/system/cpu/online", silent, silent},
		{"/sys/fs/cgroup/cgroup.controllers", silent, silent},
	} {
		if _, err := os.Stat(f.path); err != nil {
			continue
		}
		for _, s := range []struct {
			name, script, with string
			want               expectation
		}{
			{"run", tortureShort, "/dev/null", expectation{recorded: true, unread: f.run}},
			{"run", tortureShort, "garbage", expectation{recorded: true, unread: f.run}},
			{"doctor", "$L doctor", "garbage", expectation{says: f.doctor}},
		} {
			all = append(all, injury{name: fmt.Sprintf("%s is %s/%s", f.path, s.with, s.name), want: s.want, script: fmt.Sprintf(
				"printf 'x y -1 99999999999999999999\\n\\377 \\n' >garbage; exec unshare --mount sh -c 'mount --bind %s %s && exec %s'", s.with, f.path, s.script)})
		}
		if name, ok := strings.CutPrefix(f.path, "/proc/sys/net/"); ok && f.run == silent {
			all = append(all, injury{
				name: f.path + " is garbage/run, no sandbox", script: aimed("", "printf \"x y\" >garbage; mount --bind garbage "+f.path+"; ", "", ""),
				want: expectation{recorded: true, unread: "net." + strings.ReplaceAll(name, "/", ".") + ": not a valid value"},
			})
		}
	}
	// The shell's process becomes the program's.
	for _, d := range []string{"/proc/sys", "/proc/$$/fd", "/sys", "/proc/$$/net", "/dev", "/etc"} {
		all = append(all, injury{name: d + " is empty", script: fmt.Sprintf("exec unshare --mount sh -c 'mkdir -p none && mount --bind none %s && exec %s'", d, tortureShort)})
	}
	all = append(all, injury{
		name: "no /proc", script: "exec unshare --mount sh -c 'mkdir none && mount --bind none /proc && exec " + tortureShort + "'", codes: []int{exitError},
		want: expectation{says: "reading /proc"},
	})
	return all
}

func hostileRecords() []injury {
	var all []injury
	add := func(name, change string) {
		for _, format := range []string{"text", "json", "jsonl"} {
			all = append(all, injury{name: "report/" + name + "/" + format, script: change + "; exec $L report --format " + format + " bad.json", codes: []int{exitOK, exitError, exitUsage}})
		}
	}
	for _, n := range []int{0, 1, 10, 100, 1000, 4000, 9000} {
		add(fmt.Sprintf("cut at %d", n), fmt.Sprintf("head -c %d old.json >bad.json", n))
	}
	for _, c := range []struct{ name, sed string }{
		{"negative", `s/: [0-9][0-9]*/: -7/g`},
		{"huge", `s/: [0-9][0-9.]*/: 1e300/g`},
		{"beyond", `s/: [0-9][0-9.]*/: 999999999999999999999999/g`},
		{"strings", `s/: [0-9][0-9.]*/: "x"/g`},
		{"nulls", `s/: [0-9][0-9.]*/: null/g`},
		{"empty strings", `s/: "[^"]*"/: ""/g`},
		{"control characters", `s/: "[^"]*"/: "\\u001b[2J\\u009b31m\\u202e"/g`},
		{"objects", `s/: \[/: [{},/g`},
		{"keys", `s/"\([a-z]\)[a-z_]*":/"\1":/g`},
		{"large", `s/: [0-9][0-9]*/: 9007199254740993/g`},
		{"zero", `s/: [0-9][0-9.]*/: 0/g`},
		{"other kind", `s/"kind": "run"/"kind": "drain"/`},
		{"a future schema", `s/run.v1/run\/v99/`},
	} {
		add(c.name, fmt.Sprintf("sed '/schema/b;%s' old.json >bad.json", strings.ReplaceAll(c.sed, "'", "")))
	}
	add("deep", `{ printf '{"schema":"lastack.run/v1","x":'; head -c 200000 /dev/zero | tr '\0' '['; } >bad.json`)
	add("long", `{ printf '{"schema":"lastack.run/v1","kind":"run","version":"'; head -c 3000000 /dev/zero | tr '\0' 'x'; printf '"}'; } >bad.json`)
	add("binary", `head -c 100000 /bin/sh >bad.json`)
	add("directory", `mkdir bad.json`)
	add("pipe", `mkfifo bad.json; cat old.json >bad.json & :`)
	return all
}

func surroundings() []injury {
	var all []injury
	for _, e := range []string{
		"LASTACK_SANDBOX=", "LASTACK_SANDBOX=0", "LASTACK_SANDBOX=1", "LASTACK_SANDBOX=3", "LASTACK_SANDBOX=999999", "LASTACK_SANDBOX=-1", `LASTACK_SANDBOX={"parent":1}`,
		"LASTACK_HOST_FACTS={}", "LASTACK_PROCESS=x", "TMPDIR=/nowhere", "HOME=", "PATH=", "GOMAXPROCS=1", "GOGC=off", "GOTRACEBACK=crash", "COLUMNS=-1", "TERM=", "NO_COLOR=1", "TZ=/nowhere", "LANG=\xff",
	} {
		for _, s := range []struct{ name, script string }{{"run", tortureShort}, {"drain", tortureDrain + " --after 200ms"}} {
			all = append(all, injury{name: "environment " + e + "/" + s.name, script: s.script, env: []string{e}, codes: []int{exitOK, exitInvalid, exitThreshold, exitUsage}})
		}
	}
	for _, s := range []struct{ name, script string }{
		{"run", tortureShort}, {"drain, twice", tortureDrain + " --after 200ms --repeat 2"}, {"larger hash", tortureShort + " --topology veth"},
	} {
		own := strings.ReplaceAll(s.script, "$L", "b/lastack")
		for name, change := range map[string]string{"deleted": "rm -f b/lastack", "replaced": "cp /bin/sh b/new && mv b/new b/lastack"} {
			all = append(all, injury{
				name: "program " + name + "/" + s.name, script: "mkdir b && cp $L b/lastack && { (sleep 0.2; " + change + ") & exec " + own + "; }",
				codes: []int{exitOK, exitUsage, exitError, exitInvalid}, // the drain's server is the same program: it may be gone before the flags are read
			})
		}
	}
	all = append(all,
		injury{name: "record is a directory", script: "mkdir d; exec " + strings.Replace(tortureShort, "run.json", "d", 1), codes: []int{exitUsage}},
		injury{name: "record is nowhere", script: strings.Replace(tortureShort, "run.json", "no/run.json", 1), codes: []int{exitUsage}},
		injury{name: "record is a dangling link", script: "ln -s to link; " + strings.Replace(tortureShort, "run.json", "link", 1) + "; c=$?; test -L link && cat to >run.json && exit $c; exit 77", codes: []int{exitOK, exitInvalid}},
		injury{name: "record is stdout", script: "exec " + strings.Replace(tortureShort, "run.json", "/dev/stdout", 1), codes: []int{exitOK, exitInvalid}},
		injury{name: "record is stderr", script: "exec " + strings.Replace(tortureShort, "run.json", "/dev/stderr", 1), codes: []int{exitOK, exitInvalid}},
		injury{name: "record is full", script: "exec " + strings.Replace(tortureShort, "run.json", "/dev/full", 1), codes: []int{exitError}},
		injury{name: "record is /dev/null", script: "exec " + strings.Replace(tortureShort, "run.json", "/dev/null", 1), codes: []int{exitOK, exitInvalid}},
		injury{name: "renameat refused", script: fmt.Sprintf("exec faulty %d=%d %s", unix.SYS_RENAMEAT, int(unix.EPERM), tortureShort), codes: []int{exitOK, exitInvalid}},
		injury{name: "working directory gone", script: "mkdir gone && cd gone && rmdir ../gone && exec " + strings.Replace(tortureShort, "-o run.json", "-o ../run.json", 1)},
		injury{name: "ledger is a device", script: "exec " + tortureDrain + " --ledger /dev/null", codes: []int{exitUsage}},
		injury{name: "ledger is not written", script: "exec " + tortureDrain + " --after 100ms --ledger old.json"},
		injury{name: "server does not start", script: "exec $L drain 127.0.0.1:8080 --sandbox --exec false -o run.json", codes: []int{exitError}},
		injury{name: "server listens elsewhere", script: "exec $L drain 127.0.0.1:8080 --sandbox --exec '$L serve --listen 127.0.0.1:8081 -w 0 --engine nothing' -o run.json", codes: []int{exitError}},
		injury{name: "nobody listens", script: "exec $L run 127.0.0.1:1 -d 200ms -c 2 -o run.json", codes: []int{exitInvalid, exitOK}},
	)
	return append(all, inPlace()...)
}

// inPlace has the record be a file in a directory whose entries may not be changed.
func inPlace() []injury {
	const (
		mounted   = "mount -t tmpfs none d && : >d/run.json && mount --bind run.json d/run.json && mount -o remount,ro d"
		powerless = "exec setpriv --bounding-set=-all --inh-caps=-all "
		closed    = "chown 65534 . && chmod 666 run.json && " + powerless
		sticky    = "chown 65534 . run.json && chmod 1777 . && chmod 666 run.json && " + powerless
	)
	inD := func(before, script string) string {
		return "mkdir d && exec unshare --mount sh -c '" + mounted + " && exec " + before + strings.Replace(script, "run.json", "d/run.json", 1) + "'"
	}
	codes := []int{exitOK, exitInvalid}
	all := []injury{
		{name: "record is a mounted file", script: "exec unshare --mount sh -c 'mount --bind run.json run.json && exec " + tortureShort + "'", codes: codes},
		{name: "record is a mounted file, read-only directory", script: inD("", tortureShort), codes: codes},
		{name: "record in another's directory", script: closed + tortureShort, codes: codes},
		{name: "record in another's sticky directory", script: sticky + tortureShort, codes: codes},
		{name: "no record yet in another's directory", script: "rm run.json; cp old.json keep; chown 65534 . ; " + powerless[len("exec "):] + tortureShort + "; c=$?; cp keep run.json; exit $c", codes: []int{exitUsage}},
		{name: "record in another's directory, file too large", script: closed + "prlimit --fsize=1000 " + tortureShort, codes: []int{exitError}},
		{
			name: "ledger in another's directory", script: closed[:len(closed)-len(powerless)] + "cp old.json ledger.json; chmod 666 ledger.json; " + powerless + tortureServe,
			at: "listening on", sig: syscall.SIGTERM, to: "parent", codes: []int{exitOK},
		},
	}
	for _, c := range []struct {
		name  string
		nr    uintptr
		errno syscall.Errno
		codes []int
	}{
		{"fallocate ENOSPC", unix.SYS_FALLOCATE, unix.ENOSPC, []int{exitError}},
		{"fallocate EDQUOT", unix.SYS_FALLOCATE, unix.EDQUOT, []int{exitError}},
		{"fallocate EOPNOTSUPP", unix.SYS_FALLOCATE, unix.EOPNOTSUPP, codes},
		{"ftruncate EIO", unix.SYS_FTRUNCATE, unix.EIO, append(codes, exitError)}, // it takes none where the old record is no longer
		{"fsync EIO", unix.SYS_FSYNC, unix.EIO, []int{exitError}},
		{"fsync ENOSPC", unix.SYS_FSYNC, unix.ENOSPC, []int{exitError}},
		{"pread64 EIO", unix.SYS_PREAD64, unix.EIO, []int{exitError}},
		{"flock EWOULDBLOCK", unix.SYS_FLOCK, unix.EWOULDBLOCK, []int{exitError}},
		{"flock ENOLCK", unix.SYS_FLOCK, unix.ENOLCK, codes},
		{"fsync EINVAL", unix.SYS_FSYNC, unix.EINVAL, codes},
	} {
		all = append(all, injury{name: "in place, " + c.name, script: inD(fmt.Sprintf("faulty %d=%d ", c.nr, int(c.errno)), tortureShort), codes: c.codes})
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		all = append(all, injury{name: fmt.Sprintf("in place, %v", sig), script: inD("", tortureRun), at: `(?m) load *$`, sig: sig, to: "parent", codes: []int{exitInterrupted}})
	}
	return all
}

// TestTorture injects every fault of the tables (LASTACK_TORTURE=all), or some of each. A fault may fail a command, but in a
// sentence and with a documented exit code; no record is lost, half or wrong, and nothing stays behind.
func TestTorture(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the program over and over")
	}
	if os.Geteuid() != 0 {
		t.Skip("faults are injected by mounts, limits and signals to all processes of the program, which takes root")
	}
	for _, tool := range []string{"prlimit", "unshare", "mount", "mkfifo", "head", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("faults are injected by %s: %v", tool, err)
		}
	}
	all := injuries()
	if os.Getenv("LASTACK_TORTURE") == "" {
		const some = 24
		var few []injury
		for i := range some {
			few = append(few, all[i*len(all)/some+(i*7)%(len(all)/some)])
		}
		all = few
	}
	names := make(map[string]int)
	var failed, skipped atomic.Int64
	old, program := oldRecord(t), shipped(t)
	t.Run("cases", func(t *testing.T) {
		for _, c := range all {
			if names[c.name]++; names[c.name] > 1 {
				c.name = fmt.Sprintf("%s #%d", c.name, names[c.name])
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				defer func() {
					if t.Failed() {
						failed.Add(1)
					} else if t.Skipped() {
						skipped.Add(1)
					}
				}()
				c.inflict(t, program, old)
			})
		}
	})
	fmt.Printf("torture: %d cases, %d failures, %d skipped\n", len(all), failed.Load(), skipped.Load())
}

// oldRecord is what stands where the record goes: a good one, of before.
func oldRecord(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	if e := runIn(t, dir, "lastack", "run", "-n", "50", "-c", "2", "-q", "-o", "old.json"); e.code != exitOK && e.code != exitInvalid {
		t.Fatalf("exit code %d: %s", e.code, e.stderr)
	}
	return []byte(content(t, filepath.Join(dir, "old.json")))
}

// patience bounds a case: on a machine that is busy with others, none takes a quarter of it.
const patience = 90 * time.Second

func (c *injury) inflict(t *testing.T, program string, old []byte) {
	dir := t.TempDir()
	tmp := t.TempDir()
	for _, name := range []string{"run.json", "old.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), old, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	crashes := listen(t, filepath.Join(dir, "crashes"))
	script := c.script
	if strings.HasPrefix(script, "$L") || strings.HasPrefix(script, "faulty") || strings.HasPrefix(script, "prlimit") {
		script = "exec " + script
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(script, "$L", program))
	var stdout bytes.Buffer
	var stderr rows
	// The program's streams are files where nothing else is asked for: a pipe would be held open by what it leaves behind.
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append(append(os.Environ(), "TMPDIR="+tmp, "TORTURE_CRASHES="+filepath.Join(dir, "crashes")), c.env...)
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	var werr error
	if c.sig != 0 {
		werr = c.shoot(t, cmd.Process.Pid, &stderr, exited)
	} else {
		werr = <-exited
	}
	if errors.Is(werr, exec.ErrWaitDelay) {
		t.Error("something that the program left holds its output open")
	}
	if ctx.Err() != nil {
		t.Errorf("it hung, and was killed after %v", patience)
	}
	c.checkLeft(t, dir)
	end := ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	crash := crashes()
	for _, wrong := range slices.Concat(c.checkEnd(end, crash), c.checkRecord(dir, old, end), c.checkLedger(dir, end)) {
		t.Error(wrong)
	}
	if t.Failed() {
		t.Logf("script: %s\nexit code %d\nstdout: %.600s\nstderr: %.3000s\ncrash: %.3000s", script, end.code, end.stdout, end.stderr, crash)
	}
}

// listen makes a pipe that takes the traces of crashes, and returns how to have what came. A file would be subject to the limits that
// are tried.
func listen(t *testing.T, path string) (crashes func() string) {
	t.Helper()
	if err := unix.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // whatever the umask
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	const end = "\x00"
	all := make(chan string, 1)
	go func() {
		s, err := bufio.NewReader(f).ReadString(end[0])
		if err != nil {
			s = err.Error()
		}
		all <- strings.TrimSuffix(s, end)
	}()
	return func() string {
		defer f.Close()
		if _, err := f.WriteString(end); err != nil {
			return err.Error()
		}
		return <-all
	}
}

// checkEnd wants no trace of the runtime's, and a documented exit code, about which there is a word where anybody can see it.
func (c *injury) checkEnd(end ended, crash string) (wrong []string) {
	if crash != "" {
		wrong = append(wrong, fmt.Sprintf("a crash: %.200s", crash))
	}
	for _, trace := range []string{"goroutine ", "panic:", "runtime error", "fatal error", "SIGSEGV", "runtime: "} {
		if strings.Contains(end.stderr, trace) || strings.Contains(end.stdout, trace) {
			wrong = append(wrong, fmt.Sprintf("a trace (%q)", trace))
			break
		}
	}
	allowed := c.codes
	if allowed == nil {
		allowed = []int{exitOK, exitError, exitInvalid, exitThreshold, exitInterrupted}
	}
	if !slices.Contains(allowed, end.code) {
		wrong = append(wrong, fmt.Sprintf("exit code %d, want one of %v", end.code, allowed))
	}
	if (end.code == exitError || end.code == exitUsage) && !strings.Contains(end.stderr, "lastack: ") && !c.hidden() {
		wrong = append(wrong, fmt.Sprintf("exit code %d without a word", end.code))
	}
	return append(wrong, c.want.checkSaid(end)...)
}

// hides is a redirection by which stderr does not reach the test.
var hides = regexp.MustCompile(`2>(&-|/dev/full|&1)`)

func (c *injury) hidden() bool { return hides.MatchString(c.script) }

// shoot sends the signal, and ends what a harmless one did not end.
func (c *injury) shoot(t *testing.T, pid int, stderr *rows, exited chan error) error {
	wait := func(done func() bool) (err error, ended bool) {
		for limit := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
			select {
			case err := <-exited:
				return err, true
			default:
			}
			if done() {
				return nil, false
			}
			if time.Now().After(limit) {
				t.Errorf("waited %v for %s", patience, c.at)
				return nil, false
			}
		}
	}
	if c.at != "" {
		pattern := regexp.MustCompile(c.at)
		if err, ended := wait(func() bool { return pattern.MatchString(stderr.String()) }); ended {
			t.Error("it ended before the signal")
			return err
		}
	} else {
		if c.forked {
			if err, ended := wait(func() bool { return len(childrenOf(pid)) > 0 }); ended {
				t.Error("it ended before the signal")
				return err
			}
		}
		time.Sleep(c.after) // any moment will do
	}
	targets := []int{pid}
	if c.to != "parent" {
		targets = c.targets(pid)
		if err, ended := wait(func() bool { targets = c.targets(pid); return len(targets) > 0 }); ended {
			return err
		}
	}
	for _, p := range targets {
		_ = syscall.Kill(p, c.sig) // it may have ended
	}
	if !slices.Contains(benign, c.sig) || c.to != "parent" && c.to != "sandbox" {
		return c.patiently(t, pid, exited)
	}
	time.Sleep(100 * time.Millisecond) // so that something could go wrong
	for _, p := range targets {
		_ = syscall.Kill(p, syscall.SIGCONT)
	}
	_ = syscall.Kill(pid, syscall.SIGINT)
	return c.patiently(t, pid, exited)
}

// patiently waits for the end, and asks again when it takes long: a second signal ends every wait.
func (c *injury) patiently(t *testing.T, pid int, exited chan error) error {
	select {
	case err := <-exited:
		return err
	case <-time.After(patience / 3):
		t.Errorf("it did not end within %v of the signal", patience/3)
		_ = syscall.Kill(pid, syscall.SIGTERM)
		return <-exited
	}
}

// targets are the processes that the signal goes to.
func (c *injury) targets(pid int) []int {
	children := childrenOf(pid)
	switch c.to {
	case "sandbox":
		return children
	case "both":
		return append(children, pid)
	}
	var found []int
	for queue := children; len(queue) > 0; queue = queue[1:] {
		queue = append(queue, childrenOf(queue[0])...)
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", queue[0]))
		if err != nil {
			continue
		}
		words := strings.Split(string(b), "\x00")
		if words[0] == c.to || len(words) > 1 && words[1] == c.to {
			found = append(found, queue[0])
		}
	}
	return found
}

func childrenOf(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var pids []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has ended
		}
		for _, s := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(s); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// Where the program says that a record is, or that there is none.
var (
	savedNowhere = regexp.MustCompile(`the record could not be saved to `)
	savedInstead = regexp.MustCompile(`; it is in (/\S+\.json) instead`)
	noRecord     = regexp.MustCompile(regexp.QuoteMeta(noResult))
)

// unwritable are the faults under which no file at all can be written.
var unwritable = regexp.MustCompile(fmt.Sprintf(`prlimit --fsize=|faulty %d=|trace=(openat|write)\b`, unix.SYS_OPENAT))

// savedTo finds where a command saves its record.
var savedTo = regexp.MustCompile(`(run|drain) .*-o (\S+)`)

// checkRecord wants a whole new record, that adds up and says what the exit code says; the old one, untouched, only where the exit
// code or a sentence says that there is no other. Where a sentence says that it could not be saved, there is a whole one where it says.
func (c *injury) checkRecord(dir string, old []byte, end ended) (wrong []string) {
	b, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		return []string{fmt.Sprintf("the record is gone: %v", err)}
	}
	have := 0
	take := func(b []byte) {
		have++
		wrong = append(wrong, c.checkWhole(b, end)...)
	}
	failed := savedNowhere.MatchString(end.stderr)
	switch m := savedInstead.FindStringSubmatch(end.stderr); {
	case m != nil:
		instead, err := os.ReadFile(m[1])
		if err != nil {
			return append(wrong, fmt.Sprintf("the record is not where it is said to be: %v", err))
		}
		take(instead)
	case failed && !unwritable.MatchString(c.script):
		wrong = append(wrong, "the record was saved nowhere")
	}
	if !bytes.Equal(b, old) {
		take(b)
	}
	m := savedTo.FindStringSubmatch(c.script)
	if m == nil {
		return wrong
	}
	switch m[2] {
	case "/dev/stdout":
		_, text, _ := strings.Cut(end.stdout, "\n{\n")
		take([]byte("{" + text))
	case "/dev/stderr":
		_, text, _ := strings.Cut(end.stderr, "\n{\n")
		take([]byte("{" + text))
	case "/dev/null":
		return wrong
	}
	switch {
	case have > 0 || failed:
	case end.code == exitOK, end.code == exitInvalid, end.code == exitThreshold:
		wrong = append(wrong, fmt.Sprintf("exit code %d, and the record was not saved", end.code))
	case end.code == exitInterrupted && !noRecord.MatchString(end.stderr):
		wrong = append(wrong, "interrupted, and the record was not saved, nor is it said why")
	case strings.Contains(end.stdout, "VERDICT") && c.sig != syscall.SIGKILL: // which leaves nobody who could save it
		wrong = append(wrong, "there is a result, and the record was not saved, nor is it said why")
	}
	if c.want.recorded && have == 0 {
		wrong = append(wrong, "want a record")
	}
	return wrong
}

// checkLedger wants a server that has ended well to have left its counts.
func (c *injury) checkLedger(dir string, end ended) []string {
	if !strings.Contains(c.script, "--ledger ledger.json") || end.code != exitOK {
		return nil
	}
	var counts map[string]int64
	b, err := os.ReadFile(filepath.Join(dir, "ledger.json"))
	if err == nil {
		err = json.Unmarshal(b, &counts)
	}
	if err == nil && len(counts) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return []string{fmt.Sprintf("the ledger is not whole: %v", err)}
	}
	return nil
}

// checkWhole wants a record to be whole, and to add up.
func (c *injury) checkWhole(b []byte, end ended) (wrong []string) {
	r, err := record.Read(bytes.NewReader(b))
	if err != nil {
		return []string{fmt.Sprintf("the record of %d bytes is not whole: %v", len(b), err)}
	}
	var sum int64
	for _, n := range r.Outcomes {
		sum += n
	}
	if sum != r.Connections.Attempted {
		wrong = append(wrong, fmt.Sprintf("%d connections were attempted, and have %d outcomes", r.Connections.Attempted, sum))
	}
	checks := slices.Clone(r.Accounting)
	if r.Drain != nil {
		for i := range r.Drain.Tries {
			checks = append(checks, r.Drain.Tries[i].Accounting...)
		}
	}
	for _, check := range checks {
		if check.Exact && !check.OK && r.Verdict.Valid {
			wrong = append(wrong, fmt.Sprintf("the verdict is valid, and %q does not hold: %+v", check.Name, check))
		}
	}
	if code := codeOfRun(r); code != end.code && end.code != exitError {
		wrong = append(wrong, fmt.Sprintf("exit code %d, and the record's is %d", end.code, code))
	}
	return append(wrong, c.want.check(r)...)
}

// TestTortureFindsLostRecords checks the check.
func TestTortureFindsLostRecords(t *testing.T) {
	dir := t.TempDir()
	old, whole := []byte("old"), filepath.Join(dir, "whole.json")
	for name, text := range map[string]string{"run.json": "old", "whole.json": written(t, sampleRun()), "half.json": "{"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const failed = "lastack: the record could not be saved to run.json: no space left on device"
	for _, tt := range []struct{ name, script, said, want string }{
		{"old", "", "", ""},
		{"saved instead", "", failed + "; it is in " + whole + " instead", ""},
		{"half of it instead", "", failed + "; it is in " + filepath.Join(dir, "half.json") + " instead", "the record of 1 bytes is not whole"},
		{"not where it is said to be", "", failed + "; it is in /nowhere/x.json instead", "the record is not where it is said to be"},
		{"nowhere", "", failed, "the record was saved nowhere"},
		{"nowhere, as no file can be written", "prlimit --fsize=0 lastack", failed, ""},
	} {
		c := injury{script: tt.script}
		got := strings.Join(c.checkRecord(dir, old, ended{code: exitError, stderr: tt.said}), "; ")
		if got != tt.want && (tt.want == "" || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

var leftovers sync.Mutex

// checkLeft wants no process and no temporary file of the case's: what it started has its working directory.
func (c *injury) checkLeft(t *testing.T, dir string) {
	left := func() (found []string) {
		procs, _ := filepath.Glob("/proc/[0-9]*")
		for _, p := range procs {
			cwd, err := os.Readlink(p + "/cwd")
			if err != nil || cwd != dir && !strings.HasPrefix(cwd, dir+"/") {
				continue
			}
			if !alive(filepath.Base(p)) {
				continue
			}
			b, _ := os.ReadFile(p + "/cmdline")
			found = append(found, filepath.Base(p)+" "+strings.ReplaceAll(string(b), "\x00", " "))
		}
		return found
	}
	leftovers.Lock() // one at a time: it reads all processes
	defer leftovers.Unlock()
	var found []string
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if found = left(); len(found) == 0 || time.Now().After(limit) {
			break
		}
	}
	for _, f := range found {
		t.Errorf("a process is left: %s", f)
		if pid, err := strconv.Atoi(strings.Fields(f)[0]); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // its working directory is the case's own
		}
	}
	if c.sig == syscall.SIGKILL || strings.HasPrefix(c.name, "unlinkat") {
		return // nobody is left to remove it, or it cannot be removed
	}
	names, _ := filepath.Glob(filepath.Join(dir, ".lastack-*"))
	for _, n := range names {
		t.Errorf("a temporary file is left: %s", n)
	}
}
