package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate/socktest"
)

// make installs packages only where somebody says so: not in a script, nor in a CI job.
func TestMakeAsksBeforeItInstalls(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skipf("there is no make: %v", err)
	}
	makefile, err := filepath.Abs(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"apt-get": "#!/bin/sh\necho APT \"$@\"\n",
		"id":      "#!/bin/sh\necho 0\n",
		"mk":      "include " + makefile + "\ntry:\n\t@missing=' one two'; \\\n\t$(INSTALL_MISSING)\nnone:\n\t@missing=; \\\n\t$(INSTALL_MISSING)\n",
	} {
		if err := socktest.WriteProgram(filepath.Join(dir, name), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"try"}, "not installed, and left out (as root on Debian, INSTALL=1 installs them): one two\n"},
		{[]string{"none"}, ""},
		{[]string{"try", "INSTALL=1"}, "APT update -q\nAPT install -q -y --no-install-recommends one\nAPT install -q -y --no-install-recommends two\n"},
	} {
		cmd := exec.CommandContext(t.Context(), "make", append([]string{"-s", "-f", filepath.Join(dir, "mk")}, tt.args...)...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "MAKEFLAGS=")
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != tt.want {
			t.Errorf("make %s: %v, %q, want %q", strings.Join(tt.args, " "), err, out, tt.want)
		}
	}
	text, err := os.ReadFile(makefile)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "apt-get install"); n != 1 {
		t.Errorf("%d places install packages, want the one that asks", n)
	}
}

// The program with the tag man makes a manual page for each command, with the flags as help shows them.
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	man := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "-trimpath", "-tags", "man", ".", "man"}, args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "SOURCE_DATE_EPOCH=0")
		out, err := cmd.CombinedOutput()
		if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
			t.Skipf("there is no Go tool: %v", err)
		}
		return string(out)
	}
	if out := man(dir); out != "" {
		t.Fatal(out)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	root, _ := newRoot()
	want = append(want, "lastack.1")
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			want = append(want, "lastack-"+c.Name()+".1")
		}
	}
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	page, err := os.ReadFile(filepath.Join(dir, "lastack-run.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`.TH "LASTACK-RUN" "1" "Jan 1970"`, "Open and close connections under load", `\fBlastack run [TARGET...] [flags]\fP`,
		"\n.SS Embedded server\n", "\n  -o, --output FILE", "\n.nh\n.ad l\n", "\n.SH EXAMPLES\n", "\n  lastack run -c 256 -d 30s --close server:fin\n",
	} {
		if !strings.Contains(strings.ReplaceAll(string(page), `\-`, "-"), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if out := man(filepath.Join(dir, "no", "such")); !strings.Contains(out, "want an existing, writable directory\n") {
		t.Errorf("got %q", out)
	}
}
