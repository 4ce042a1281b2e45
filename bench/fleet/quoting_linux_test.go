package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hostile are arguments that mean something to a shell, or to an engine.
var hostile = []string{
	"web.example:80", "-H", "X: it's $(touch here)", "-H", "Y: `touch here` \"$HOME\" \\ \\n ${HOME} %s %d ! # & ; | < > * ? ~ { } [ ]", "-H", "Z: two\nlines'\n\"", "-H", "$$ $(A) $$(B)",
	"", "'", "\\", "é \t", "-H=",
}

// Each script hands the arguments on as they are, through all shells on the way. The engines are stand-ins, which run on this host what they are told.
func TestHostileArguments(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"slurm", "mpi", "ssh"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			const skip = "#!/bin/sh\nwhile test \"$1\" != sh; do shift; done\n"
			for name, text := range map[string]string{
				"srun": skip + "SLURM_PROCID=0 exec \"$@\"\n", "mpirun": skip + "OMPI_COMM_WORLD_RANK=0 exec \"$@\"\n",
				"ssh": "#!/bin/sh\nshift\nexec sh -c \"$*\"\n",
				"la'st $ack": "#!/bin/sh\ntest \"$1\" != run || { echo \"token $LASTACK_TOKEN\" >\"$DIR/token\"; printf '%s\\0' \"$@\" >\"$DIR/arguments-$$\"; }\n" +
					"echo record\nfor a; do test \"${last-}\" != -o || echo record >\"$a\"; last=$a; done\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil { //nolint:gosec // to be run
					t.Fatal(err)
				}
			}
			s := testSpec()
			s.Run, s.N, s.Collect, s.Program = hostile, 2, dir+"/a b'$c", filepath.Join(dir, "la'st $ack")
			if engine == "ssh" {
				s.Hosts = []string{"user@a", "b"}
			}
			text, err := Print(engine, s)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "sh")
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(text)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "DIR="+dir, "SLURM_JOB_ID=7")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			files, err := filepath.Glob(filepath.Join(dir, "arguments-*"))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				args := strings.Split(string(b), "\x00")
				if d := cmp.Diff(hostile, args[1:min(len(args), 1+len(hostile))]); d != "" {
					t.Error(d)
				}
				if i := slices.Index(args, "--rendezvous"); engine == "ssh" && args[i+1] != "a:9100" {
					t.Errorf("the rendezvous is at %q", args[i+1])
				}
			}
			if b, err := os.ReadFile(filepath.Join(dir, "token")); err != nil || string(b) != fmt.Sprintln("token", s.Token) {
				t.Errorf("the token: %q, %v", b, err)
			}
			if _, err := os.Stat(filepath.Join(dir, "here")); err == nil {
				t.Error("an argument was run")
			}
		})
	}
}

// A linter of shells has no warning. It is in Debian's package shellcheck.
func TestShellcheck(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skipf("no linter: %v", err)
	}
	for _, engine := range []string{"slurm", "mpi", "ssh"} {
		s := testSpec()
		text, err := Print(engine, s)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), path, "--severity=warning", "-")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", engine, err, out)
		}
	}
}
