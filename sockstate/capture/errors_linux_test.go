package capture

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
	"lastack/sockstate/socktest"
)

func TestOpenErrors(t *testing.T) {
	socktest.Guard(t)
	down, err := netns.New() // its lo is down
	if errors.Is(err, unix.EPERM) && !socktest.Capable(t, unix.CAP_SYS_ADMIN) {
		t.Skipf("CAP_SYS_ADMIN is not in effect: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer down.Close()
	up := socktest.NewNamespace(t)
	server := netip.MustParseAddrPort("127.0.0.1:80")
	tests := []struct {
		name string
		cfg  Config
		call string
		want error
	}{
		{"no server", Config{Namespace: up}, "route", unix.EADDRNOTAVAIL},
		{"any address", Config{Namespace: up, Server: netip.MustParseAddrPort("0.0.0.0:80")}, "route", unix.EADDRNOTAVAIL},
		{"no route", Config{Namespace: up, Server: netip.MustParseAddrPort("192.0.2.1:80")}, "route", unix.ENETUNREACH},
		{"no link", Config{Namespace: up, Server: server, Link: "none"}, "link", unix.ENODEV},
		{"link down", Config{Namespace: down, Server: server, Link: "lo"}, "link", unix.ENETDOWN},
	}
	for _, tt := range tests {
		c, err := Open(tt.cfg)
		var e *Error
		if !errors.As(err, &e) || e.Call != tt.call || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s: %v", tt.name, err, tt.call, tt.want)
		}
		if c != nil {
			t.Errorf("%s: a capture", tt.name)
		}
	}
}

// Without the capability there is one sentence that says what to do.
func TestOpenDenied(t *testing.T) {
	socktest.Guard(t)
	// A thread's capabilities are its own, and this one ends with the function.
	err := netns.OnOwnThread(func() error {
		none := make([]unix.CapUserData, 2)
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&head, &none[0]); err != nil {
			t.Errorf("give capabilities up: %v", err)
			return nil
		}
		_, err := Open(Config{Server: netip.MustParseAddrPort("127.0.0.1:80")})
		return err
	})
	var e *Error
	if !errors.As(err, &e) || e.Call != "socket" || !errors.Is(err, unix.EPERM) {
		t.Fatalf("Open without capabilities: %v, want socket: EPERM", err)
	}
	if s := err.Error(); !strings.Contains(s, "needs CAP_NET_RAW in the user namespace that owns the network namespace") {
		t.Errorf("no remedy in %q", s)
	}
}

// In a user namespace of one's own, no privilege is needed.
func TestRootless(t *testing.T) {
	if socktest.InsideUserNamespace() {
		t.Skip("all tests run in a user namespace already")
	}
	var out strings.Builder
	cmd := socktest.UserNamespace("-test.run=^TestLoopback$", "-test.v")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, &out, &out
	err := cmd.Start()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL) {
		t.Skipf("the kernel refuses a user namespace: %v", err)
	}
	if err == nil {
		err = cmd.Wait()
	}
	if passed := regexp.MustCompile(`(?m)^--- PASS: `).FindAllString(out.String(), -1); err != nil || len(passed) != 1 {
		t.Errorf("%v\n%s", err, out.String())
	}
}
