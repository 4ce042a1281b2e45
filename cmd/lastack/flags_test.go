package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"lastack/bench/quantity"
)

// TestDecimal has every flag that holds a whole number read it as people write it: 010 is ten.
func TestDecimal(t *testing.T) {
	root, _ := newRoot()
	for _, c := range commandsOf(root) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if _, ok := f.Value.(quantity.Decimal); !ok && strings.Contains(f.Value.Type(), "int") {
				t.Errorf("%s --%s is pflag's %s, which takes 010 for 8", c.CommandPath(), f.Name, f.Value.Type())
			}
		})
	}
}

func TestListenAddrs(t *testing.T) {
	for s, want := range map[string]string{
		"127.0.0.1:80": "[127.0.0.1:80]", ":80": "[[::]:80]", "0.0.0.0:80": "[0.0.0.0:80]", "[::]:0": "[[::]:0]", "10.0.0.5:1": "[10.0.0.5:1]",
		"localhost:0": "[127.0.0.1:0]",
	} {
		if got, err := listenAddrs(s); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", s, got, err, want)
		}
	}
	want := "[127.0.0.1:80]"
	if hasIPv6Loopback() {
		want = "[127.0.0.1:80 [::1]:80]"
	}
	if got, err := listenAddrs("localhost:80"); err != nil || fmt.Sprint(got) != want {
		t.Errorf("localhost:80: %v, %v, want %s", got, err, want)
	}
	for s, want := range map[string]string{
		"255.255.255.255:80": "the broadcast address, to which no client can connect", "127.255.255.255:80": "broadcast address", "239.1.1.1:80": "multicast",
		"[ff02::1]:80": "multicast", "240.0.0.1:80": "reserved", "0.0.0.5:80": "no host's address",
		"[fe80::1]:80": "is a link-local address, which lastack does not support: want another address of this host", "web.example:80": "want an IP address", "[::ffff:224.0.0.1]:80": "multicast",
	} {
		if got, err := listenAddrs(s); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--listen "+s) {
			t.Errorf("%s: %v, %v, want %q", s, got, err, want)
		}
	}
}
