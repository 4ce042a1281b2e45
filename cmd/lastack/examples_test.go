package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"lastack/bench/setup"
)

// foreignHosts finds what a reader who copies it would load: an address that is not loopback, and a name with a port, or in a URL,
// that is neither localhost nor web.example.
func foreignHosts(text string) []string {
	var found []string
	for _, s := range regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b(?:/\d+)?|\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]`).FindAllString(text, -1) {
		s, _, _ = strings.Cut(s, "/")
		if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && !ip.IsLoopback() && !ip.IsUnspecified() {
			found = append(found, s)
		}
	}
	named := regexp.MustCompile(`(?:\bhttp://|\bssh )([a-zA-Z][\w.-]*)`)
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	for _, m := range regexp.MustCompile(`\b([a-z][\w-]*(?:\.[\w-]+)*):\d{2,5}\b`).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	mine := []string{"localhost", "web.example", "HOST", "ADDRESS", "echo"} // echo:REQ,RESP is an exchange
	return slices.DeleteFunc(found, func(s string) bool { return slices.Contains(mine, s) })
}

// What README, the help and the errors name as an example is nobody's: copied as it stands, it loads no stranger.
func TestExamplesLoadNobody(t *testing.T) {
	check := func(where, text string) {
		for _, host := range foreignHosts(text) {
			t.Errorf("%s names %s: want a loopback address or web.example", where, host)
		}
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	check("README.md", string(readme))
	root, _ := newRoot()
	for _, c := range commandsOf(root) {
		c.InitDefaultHelpFlag()
		check("the help of "+c.CommandPath(), c.Long+"\n"+c.Example+"\n"+c.Short)
		c.Flags().VisitAll(func(f *pflag.Flag) { check("--"+f.Name+" of "+c.CommandPath(), f.Usage+" "+f.DefValue) })
	}
	// The examples that errors give, after "like".
	for _, err := range []error{
		errorOf(func() error { _, err := parseTarget(t.Context(), "x"); return err }),
		errorOf(func() error { _, err := listenAddrs("x"); return err }),
		new(setup.SourceList).Set("x"),
	} {
		check("an error", err.Error())
	}
}

func errorOf(f func() error) error { return f() }

func TestForeignHosts(t *testing.T) {
	for text, want := range map[string]string{
		"run 10.0.0.5:80":                               "10.0.0.5",
		"from 192.168.0.0/24 on":                        "192.168.0.0",
		"at [fd00::5]:80":                               "[fd00::5]",
		"'ssh web1 systemctl stop app'":                 "web1",
		"http://www.example.com/":                       "www.example.com",
		"lastack run web:80":                            "web",
		"lastack run 127.0.0.1:80, [::1]:9000, [::]:90": "",
		"http://web.example:80/, HOST:PORT, :9000":      "",
		"ssh web.example, localhost:80":                 "",
		"at 14:04, in 10:30 minutes":                    "",
	} {
		if got := strings.Join(foreignHosts(text), " "); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
