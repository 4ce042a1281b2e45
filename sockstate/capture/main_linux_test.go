package capture

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// inUserNS marks the test binary that runs inside a user namespace of its own.
const inUserNS = "LASTACK_TEST_IN_USER_NAMESPACE"

// TestMain gives an ordinary user the capabilities that network namespaces take, by running the tests
// again inside a user namespace. Where that is refused they run as they are, and those that need one skip.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 && os.Getenv(inUserNS) == "" {
		cmd := userNamespace(os.Args[1:]...)
		err := cmd.Start()
		if err == nil {
			_ = cmd.Wait() // its state is the answer
			os.Exit(cmd.ProcessState.ExitCode())
		}
		fmt.Fprintf(os.Stderr, "no user namespace for the tests: %v\n", err)
	}
	os.Exit(m.Run())
}

// userNamespace runs the tests as root of a new user namespace, whatever the user.
func userNamespace(args ...string) *exec.Cmd {
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
