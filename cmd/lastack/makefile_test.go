package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
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
