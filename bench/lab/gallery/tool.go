package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"lastack/bench/lab"
)

// tool is an installed server program.
type tool struct {
	path, version string
	modules       string   // Apache's
	prefix        []string // command to start it by
	err           error    // why it cannot be used
}

// apacheModules are the directories of Apache's modules, Debian's first.
var apacheModules = []string{"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2"}

// find finds a server's program. The error says what to install.
func find(ctx context.Context, s *server) (t tool, err error) {
	if len(s.Programs) == 0 {
		t.path, err = os.Executable()
		t.version = strings.TrimPrefix(runtime.Version(), "go")
		return t, err
	}
	if t.path, err = lab.Find(s.Package, s.Programs...); err != nil {
		return t, err
	}
	t.version = cmp.Or(version.FindString(lab.Ask(ctx, t.path, s.Version)), "of an unknown version")
	if s.ID == "apache" {
		return t, t.apache()
	}
	return t, nil
}

// apache finds the modules. Apache does not serve as root. Started by root, it changes its user. In a user namespace, which has no other
// user, it is started in another one, where it is not root.
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
		unshare, err := lab.Find("util-linux", "unshare")
		if err != nil {
			return fmt.Errorf("it needs another user than root, and %w", err)
		}
		t.prefix = []string{unshare, "--user", "--map-user=65534", "--map-group=65534"}
	}
	return nil
}

var version = regexp.MustCompile(`\d+(\.\d+)+[^\s,)]*`)
