package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/socktest"
)

// deny has what this thread executes answered with an errno where it calls one of the system calls, as containers' filters do.
func deny(errno syscall.Errno, calls ...uint32) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the system call's number
	for i, call := range calls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jt: uint8(len(calls) - i)})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
	)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

// denial is what a denied program finds.
type denial struct {
	Errno   syscall.Errno
	Calls   []uint32
	Contain Contain
	// Found by it: the server, all processes that it started, what a signal and End came to, and how the server ended.
	Server      int
	Pids        []int
	Signal, End string
	Exit        Exit
}

func init() {
	// denied executes itself once more, under a filter, to start a server, signal it and end it.
	programs["denied"] = func(arg string) int {
		runtime.LockOSThread() // the filter is the thread's, and the thread becomes the program
		var d denial
		err := json.Unmarshal([]byte(arg), &d)
		if err == nil {
			err = deny(d.Errno, d.Calls...)
		}
		if err == nil {
			err = os.Setenv(envProgram, "signaller")
		}
		if err == nil {
			err = syscall.Exec("/proc/self/exe", []string{"denied"}, os.Environ())
		}
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	programs["signaller"] = func(arg string) int {
		var d denial
		if err := json.Unmarshal([]byte(arg), &d); err != nil {
			return 97
		}
		p, err := Start(Spec{Args: []string{"/proc/self/exe"}, Contain: d.Contain, env: append(os.Environ(), envProgram+"=family"), patience: time.Second})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 96
		}
		began := time.Now()
		for children := 0; children != 2 || len(d.Pids) != 4; { // the server, two children and a daemon
			tree, err := p.tree()
			if err != nil {
				return 95
			}
			if time.Since(began) > time.Minute {
				fmt.Fprintln(os.Stderr, "a server, two children and a daemon are to run:", d.Pids, p.Said())
				return 93
			}
			d.Pids, children = numbers(tree), 0
			for _, o := range tree {
				if o.parent == p.pid {
					children++
				}
			}
		}
		d.Server = p.PID()
		p.patience = time.Second // as the reaper's, so that both see at one moment that nothing can be killed
		d.Signal = fmt.Sprint(p.Signal(unix.SIGTERM))
		if d.Signal == "<nil>" {
			<-p.Exited()
		}
		d.End = fmt.Sprint(p.End())
		d.Exit = p.Exit()
		if json.NewEncoder(os.Stdout).Encode(d) != nil {
			return 94
		}
		return 0
	}
	programs["family"] = func(string) int {
		for range 2 {
			fork("idle")
		}
		daemonize("idle")
		return idle()
	}
	programs["idle"] = func(string) int { return idle() }
}

// TestSignalDenied signals and ends servers where pidfd_send_signal is denied, and where kill is too: the first does no harm, the second
// is told, and does not outlive who started it.
func TestSignalDenied(t *testing.T) {
	socktest.Guard(t)
	contains := []Contain{Group}
	if ok, _ := newSpaceEnded(t); ok {
		contains = append(contains, PIDNamespace)
	}
	for _, contain := range contains {
		for _, errno := range []syscall.Errno{unix.EPERM, unix.ENOSYS} {
			for _, kill := range []bool{false, true} {
				if kill && contain == PIDNamespace {
					continue // the runtime uses kill itself where it forks into one
				}
				t.Run(fmt.Sprintf("%s %v kill %v", contain, unix.ErrnoName(errno), kill), func(t *testing.T) {
					t.Parallel()
					d := denial{Errno: errno, Contain: contain, Calls: []uint32{unix.SYS_PIDFD_SEND_SIGNAL}}
					if kill {
						d.Calls = append(d.Calls, unix.SYS_KILL)
					}
					arg, err := json.Marshal(d)
					if err != nil {
						t.Fatal(err)
					}
					cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
					cmd.Env = append(os.Environ(), envProgram+"=denied", envArg+"="+string(arg))
					var out, said bytes.Buffer
					cmd.Stdout, cmd.Stderr = &out, &said
					if err := cmd.Run(); err != nil {
						t.Fatalf("%v: %s", err, &said)
					}
					if err := json.Unmarshal(out.Bytes(), &d); err != nil {
						t.Fatalf("%v: %s", err, &out)
					}
					if kill {
						// The server dies with its reaper; what it has forked cannot be killed from within the filter.
						forked := slices.DeleteFunc(d.Pids, func(pid int) bool { return pid == d.Server })
						for _, left := range watch(t, forked) {
							_ = left.Signal(unix.SIGKILL)
							await(t, fmt.Sprintf("the end of process %d", left.PID()), left.Exited())
						}
						for limit := time.Now().Add(time.Minute); (one{pid: d.Server}).runs(); time.Sleep(10 * time.Millisecond) {
							if time.Now().After(limit) {
								t.Fatal("the server did not end")
							}
						}
						if !strings.Contains(d.Signal, "a seccomp filter or a security policy") || !strings.Contains(d.End, "left behind") || !strings.Contains(d.End, "they live 1s after SIGKILL") {
							t.Errorf("signal: %s, end: %s: want both refused, and that said", d.Signal, d.End)
						}
						return
					}
					if d.Signal != "<nil>" || d.End != "<nil>" || d.Exit.Signal != unix.SIGTERM {
						t.Errorf("signal: %s, exit: %+v, end: %s", d.Signal, d.Exit, d.End)
					}
					for _, pid := range d.Pids {
						if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
							t.Errorf("process %d: %v, want it gone", pid, err)
						}
					}
				})
			}
		}
	}
}
