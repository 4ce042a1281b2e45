package fleet

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sshScript is a script for hosts a, b and c, whose ssh runs this host's programs. Its lastack is a shell's: a load that lasts until it is stopped.
// Host b has none.
func sshScript(t *testing.T) (cmd *exec.Cmd, dir string, out *bytes.Buffer) {
	t.Helper()
	dir, out = t.TempDir(), &bytes.Buffer{}
	for name, text := range map[string]string{
		"ssh": "#!/bin/sh\nHOST=$1\nexport HOST\nshift\nexec sh -c \"$*\"\n",
		"lastack": `#!/bin/sh
case "$1 $HOST" in
"run b") echo "lastack: it is not installed" >&2; exit 127 ;;
run*) trap 'echo record; echo >"$DIR/ended-$HOST"; exit 130' TERM; echo >"$DIR/began-$HOST"; while :; do sleep 0.02; done ;;
merge*) echo "$@" >"$DIR/merge"; exit 3 ;;
esac
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil { //nolint:gosec // to be run
			t.Fatal(err)
		}
	}
	s := testSpec()
	s.N, s.Hosts, s.Collect = 3, []string{"a", "b", "c"}, dir
	text, err := Print("ssh", s)
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), "sh", "-c", text)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "DIR="+dir, "HOST=", "TMPDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, dir, "began-a", "began-c")
	return cmd, dir, out
}

// await waits for files.
func await(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("there is no %s", name)
			}
		}
	}
}

// Ctrl-C stops the load on each host, and merges what they saved. What a host says has its name before it.
func TestSSHInterrupted(t *testing.T) {
	t.Parallel()
	cmd, dir, out := sshScript(t)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit code %d, want merge's", code)
	}
	await(t, dir, "ended-a", "ended-c")
	merged, err := os.ReadFile(filepath.Join(dir, "merge"))
	if s := string(merged); err != nil || !strings.Contains(s, "/shard-0.json ") || strings.Contains(s, "/shard-1.json ") || !strings.Contains(s, "/shard-2.json ") {
		t.Errorf("merged with %q, %v", s, err)
	}
	if !strings.Contains(out.String(), "b: lastack: it is not installed\n") || !strings.Contains(out.String(), "the records are in "+dir) {
		t.Error(out)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "tmp.*")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// No load goes on without the script.
func TestSSHKilled(t *testing.T) {
	t.Parallel()
	cmd, dir, _ := sshScript(t)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, dir, "ended-a", "ended-c")
}
