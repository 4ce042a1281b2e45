package main

import (
	"embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

//go:embed servers
var templates embed.FS

// slowFor is how long the handlers of /slow sleep.
const slowFor = 1500 * time.Millisecond

// site is the environment of a server: the data of its templates.
type site struct {
	Dir     string // its own, absolute
	Program string // a path
	Modules string // Apache's
	Mode    string // the entry's
	Addr    netip.AddrPort
}

// Host and Port are the parts of Addr.
func (p site) Host() string { return p.Addr.Addr().String() }

// Port is Addr's.
func (p site) Port() uint16 { return p.Addr.Port() }

// SlowMS is slowFor in milliseconds.
func (p site) SlowMS() int64 { return slowFor.Milliseconds() }

// SlowS is SlowMS in seconds.
func (p site) SlowS() float64 { return slowFor.Seconds() }

// Bytes is a body of n bytes.
func (p site) Bytes(n int) string { return strings.Repeat("x", n) }

// prepare writes the server's files and returns the command that runs it in the foreground. The
// directory must exist and be empty.
func (s *server) prepare(p site) (command []string, err error) {
	for name, source := range s.Files {
		text, err := templates.ReadFile("servers/" + source)
		if err != nil {
			return nil, err
		}
		content, err := render(source, string(text), p)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(p.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	command = []string{p.Program}
	for _, arg := range s.Args {
		arg, err := render("argument", arg, p)
		if err != nil {
			return nil, err
		}
		command = append(command, arg)
	}
	return command, nil
}

func render(name, text string, p site) (string, error) {
	t, err := template.New(name).Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, p); err != nil {
		return "", fmt.Errorf("the gallery's own %s: %w", name, err)
	}
	return b.String(), nil
}
