package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSlowReader reads nothing of what a command prints until the record is there: no reader holds up saving, and what is printed is
// complete in the end.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const drain = "lastack drain 127.0.0.1:8080 --sandbox --idle 2 --in-flight 2 -R 20 --after 500ms --watch 100ms -o run.json --exec 'lastack serve --listen 127.0.0.1:8080 --exchange http:/'"
	for _, tt := range []struct{ name, command string }{
		{"intervals", "lastack run -d 500ms -c 2 -q --interval 10ms --format jsonl -o run.json"},
		{"rows", "lastack run -d 500ms -c 2 --interval 10ms --format jsonl -o run.json 2>&1 >result; cat result"},
		{"tries", drain + " -q --format jsonl"},
		{"phases", drain + " --format jsonl 2>&1 >result; cat result"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", tt.command)
			cmd.Dir, cmd.Stdout = dir, w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = w.Close()
			saved := filepath.Join(dir, "run.json")
			until(t, "the record", func() bool { _, err := os.Stat(saved); return err == nil })
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != exitInvalid { // others may keep this machine busy
				t.Fatalf("%v: %s", err, b)
			}
			printed := string(b)
			if _, err := os.Stat(filepath.Join(dir, "result")); err == nil {
				printed = content(t, filepath.Join(dir, "result"))
			}
			if e := lastack(t, "report", "--format", "jsonl", saved); e.code != exitOK || e.stdout != printed {
				t.Errorf("the report has %d bytes, and the command has printed %d:\n%.300s", len(e.stdout), len(printed), printed)
			}
		})
	}
}
