package process

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
	"lastack/sockstate/socktest"
)

// TestAsSomebodyElse runs the tests as a user without privilege, where root may do so, while those of this process run: it is the first, and
// waits behind the others.
func TestAsSomebodyElse(t *testing.T) {
	if os.Getenv(envRoot) != "" {
		t.Skip("this is somebody else")
	}
	if os.Geteuid() != 0 || !socktest.Capable(t, unix.CAP_SETUID) || !socktest.Capable(t, unix.CAP_SETGID) {
		t.Skipf("user %d cannot become another", os.Geteuid())
	}
	l := socktest.Listen(t, nil, "127.0.0.1:0", false)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.timeout=100s", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), envRoot+"="+l.Addr.String(), "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	file, err := os.CreateTemp(t.TempDir(), "") // no pipe, whose end would close a descriptor in a test beside
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Start()
	t.Parallel()
	if err == nil {
		err = cmd.Wait()
	}
	out, rerr := os.ReadFile(file.Name())
	if rerr != nil {
		t.Fatal(rerr)
	}
	if err != nil && len(out) == 0 && !netns.InInitialUserNamespace() {
		t.Skipf("no other user in this user namespace: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// That it ran is seen by what only an ordinary user can be told.
	for _, name := range []string{"TestDenied", "TestExit/wait/group", "TestEnd/group", "TestKilled/group"} {
		if !strings.Contains(string(out), "--- PASS: "+name+" ") {
			t.Errorf("%s did not pass\n%s", name, out)
		}
	}
}
