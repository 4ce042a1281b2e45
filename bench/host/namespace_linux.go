package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// proofTimeout bounds the child that tries a user namespace.
const proofTimeout = 10 * time.Second

// tryNetNS makes a network namespace on a separate thread and uses it.
func tryNetNS() Feature {
	ns, err := netns.New()
	if err != nil {
		if e, ok := errors.AsType[*netns.Error](err); ok {
			err = step(e.Call+"(CLONE_NEWNET)", e.Err)
		}
		return answer(err, unix.EINVAL)
	}
	defer ns.Close()
	return answer(ns.Do(useNamespace))
}

// useNamespace does in the calling thread's network namespace, a new one, what a
// sandbox must be able to do. That the namespace was made is not enough: AppArmor
// may allow that and then deny everything inside.
func useNamespace() error {
	if err := sockio.LoopbackUp(); err != nil {
		return step("bringing lo up", err)
	}
	// Write the value that was read, so that nothing changes even if the namespace is not new.
	const sysctl = "/proc/sys/net/ipv4/tcp_fin_timeout"
	was, err := os.ReadFile(sysctl)
	if err != nil {
		return step("reading a sysctl inside", err)
	}
	if err := os.WriteFile(sysctl, was, 0); err != nil {
		return step("writing a sysctl inside", err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return step("listening inside", err)
	}
	return l.Close()
}

// tryUserNS starts program as proofName in a new user and network namespace, as its
// root. unshare(CLONE_NEWUSER) would fail here: it needs a process with one thread.
func tryUserNS(ctx context.Context, program string) Feature {
	if program == "" {
		return Feature{Answer: sockstate.AnswerUntried, Why: "no program given to try it in"}
	}
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()

	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = []string{proofName}
	cmd.Env = []string{}
	cmd.Stdout = &out
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	// Pdeathsig is sent when the thread that forked ends, so that thread must outlive the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		if e, ok := errors.AsType[*os.PathError](err); ok {
			err = e.Err // without the program's path
		}
		return answer(step("clone(CLONE_NEWUSER|CLONE_NEWNET)", err), unix.EINVAL)
	}
	waitErr := cmd.Wait()
	f, ok := parseProof(out.Bytes())
	if !ok {
		return Feature{Answer: sockstate.AnswerFailed, Why: fmt.Sprintf("the child in the namespace did not answer: %v", waitErr)}
	}
	return f
}

// parseProof reads the output of Proof. ok is false if it is anything else.
func parseProof(b []byte) (f Feature, ok bool) {
	if err := json.Unmarshal(b, &f); err != nil {
		return Feature{}, false
	}
	switch f.Answer {
	case sockstate.AnswerSupported, sockstate.AnswerDenied, sockstate.AnswerUnsupported, sockstate.AnswerFailed:
		return f, true
	}
	return Feature{}, false
}

// proofName is the name (argv[0]) of the child in which Probe tries a user namespace.
const proofName = "lastack-namespace-proof"

// Proof does the work of the child of Probe and exits, in a process that Probe has started: it uses the process's network namespace, and
// prints the result. In any other it returns. main calls it first.
func Proof() {
	if os.Args[0] != proofName {
		return
	}
	if json.NewEncoder(os.Stdout).Encode(answer(useNamespace())) != nil {
		os.Exit(1)
	}
	os.Exit(0)
}
