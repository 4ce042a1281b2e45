package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"lastack/bench/lab/gallery"
)

// tool is a server's program as it is installed here.
type tool struct {
	path, version string
	modules       string   // Apache's
	prefix        []string // what it needs to be started by
}

// distribution is where Debian has the servers: before PATH, where shims may stand that start them as children.
var distribution = []string{"/usr/sbin", "/usr/bin"}

// apacheModules are the places of Apache's modules, Debian's first.
var apacheModules = []string{"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2"}

// find looks for a server's program. The error says what to install.
func find(ctx context.Context, s *gallery.Server) (t tool, err error) {
	if len(s.Programs) == 0 {
		t.path, err = os.Executable()
		t.version = strings.TrimPrefix(runtime.Version(), "go")
		return t, err
	}
	if t.path = locate(s.Programs); t.path == "" {
		return t, fmt.Errorf("%s is not installed (Debian: apt-get install %s)", s.Programs[0], s.Package)
	}
	t.version = ask(ctx, t.path, s.Version)
	if s.ID == "apache" {
		return t, t.apache()
	}
	return t, nil
}

func locate(programs []string) string {
	for _, name := range programs {
		for _, dir := range distribution {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// apache finds the modules. Apache will not serve as root: as root it changes its user, and in a user namespace,
// which has none to change to, it starts in another where it is somebody else.
func (t *tool) apache() error {
	for _, dir := range apacheModules {
		if _, err := os.Stat(filepath.Join(dir, "mod_mpm_event.so")); err == nil {
			t.modules = dir
		}
	}
	if t.modules == "" {
		return errors.New("its modules were found in none of " + strings.Join(apacheModules, ", "))
	}
	if os.Geteuid() != 0 {
		unshare := locate([]string{"unshare"})
		if unshare == "" {
			return errors.New("it needs another user than root, and there is no unshare (Debian: apt-get install util-linux)")
		}
		t.prefix = []string{unshare, "--user", "--map-user=65534", "--map-group=65534"}
	}
	return nil
}

var version = regexp.MustCompile(`\d+(\.\d+)+[^\s,)]*`)

// ask asks a program for its version.
func ask(ctx context.Context, path, arg string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, arg).CombinedOutput()
	if v := version.FindString(string(out)); err == nil && v != "" {
		return v
	}
	return "of an unknown version"
}
