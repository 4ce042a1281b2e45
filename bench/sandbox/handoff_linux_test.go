package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// envPiped is set in a process that has a cell's pipes.
const envPiped = "SANDBOX_TEST_PIPED"

// TestHandoffIsOurs has the environment name descriptors of all kinds: only a sealed file from the parent makes a cell's process, and only
// where it has the pipes.
func TestHandoffIsOurs(t *testing.T) {
	for range pipes { // so that the pipe that follows is not where those of a cell are
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	piped := os.Getenv(envPiped) != ""
	if !piped {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestHandoffIsOurs$")
		cmd.Env, cmd.ExtraFiles = append(os.Environ(), envPiped+"=1"), []*os.File{r, w}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	ours := handoff{Parent: os.Getppid()}
	sealed := func(h handoff) int {
		f, err := h.file()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3) // receive closes it
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	plain := func(h handoff) int {
		b, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "handoff")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return int(f.Fd())
	}
	unreadable := func(h handoff) int {
		fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", sealed(h)), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	for _, tt := range []struct {
		name, value string
		want        bool
	}{
		{"empty", "", false},
		{"garbage", "garbage", false},
		{"JSON in the variable", fmt.Sprintf(`{"parent":%d}`, os.Getppid()), false},
		{"stdin", "0", false},
		{"negative", "-1", false},
		{"no such descriptor", "9999", false},
		{"a pipe", fmt.Sprint(r.Fd()), false},
		{"a file", fmt.Sprint(plain(ours)), false},
		{"of another's parent", fmt.Sprint(sealed(handoff{Parent: os.Getpid()})), false},
		{"ours, with the pipes or without", fmt.Sprint(sealed(ours)), piped},
	} {
		t.Setenv(envName, tt.value)
		if h, err := receive(); (h != nil) != tt.want || err != nil {
			t.Errorf("%s: inside %t, %v, want %t", tt.name, h != nil, err, tt.want)
		}
		if v, ok := os.LookupEnv(envName); ok {
			t.Errorf("%s: the variable is still set: %q", tt.name, v)
		}
	}
	// A sandbox's process that took itself for another would make a sandbox of its own, and so would that one's.
	t.Setenv(envName, fmt.Sprint(unreadable(ours)))
	if h, err := receive(); h != nil || errors.Is(err, unix.EBADF) != piped {
		t.Errorf("unreadable: inside %t, %v, want an error: %t", h != nil, err, piped)
	}
}
