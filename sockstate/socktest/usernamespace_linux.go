package socktest

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// inUserNS marks the test binary that runs inside a user namespace of its own.
const inUserNS = "LASTACK_TEST_IN_USER_NAMESPACE"

// InUserNamespace is for TestMain. For an ordinary user it runs the tests again inside a user namespace, whose capabilities network
// namespaces need, and does not return. If the kernel refuses one, it returns, and tests that need one skip.
func InUserNamespace() {
	if os.Geteuid() == 0 || InsideUserNamespace() {
		return
	}
	cmd := UserNamespace(os.Args[1:]...)
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "no user namespace for the tests: %v\n", err)
		return
	}
	_ = cmd.Wait() // ProcessState says how it ended
	os.Exit(cmd.ProcessState.ExitCode())
}

// InsideUserNamespace reports whether the tests run in a namespace that UserNamespace made.
func InsideUserNamespace() bool { return os.Getenv(inUserNS) != "" }

// UserNamespace returns the command that runs this test binary as root of a new user namespace.
func UserNamespace(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), inUserNS+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	return cmd
}
