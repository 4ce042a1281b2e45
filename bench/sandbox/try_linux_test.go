package sandbox

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A sandbox tells which sysctls it accepts: those of the base stay, the others are undone, and none is the host's.
func TestTry(t *testing.T) {
	before, err := os.ReadFile(procSys("net.ipv4.tcp_fin_timeout"))
	if err != nil {
		t.Skip(err)
	}
	everywhere(t, func(t *testing.T, mode Mode) {
		got, err := Try(t.Context(), Spec{Mode: mode}, Trial{
			Base: []Sysctl{{"net.ipv4.tcp_fin_timeout", "7"}, {"net.ipv4.tcp_timestamps", "1"}, {"net.ipv4.tcp_fin_timeout", "7"}, {"net.ipv4.tcp_mem", "1 2 3"}},
			Each: []Sysctl{
				{"net.ipv4.tcp_timestamps", "0"},
				{"net.ipv4.tcp_tw_reuse_delay", "0"},
				{"net.ipv4.no_such_key", "1"},
				{"net.ipv4.ip_local_port_range", "5000 4000"},
				{"net.ipv4.tcp_fin_timeout", "x"},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []bool{false, true, true, false} {
			if got.Kept[i] != want {
				t.Errorf("base %d: kept is %t", i, got.Kept[i])
			}
		}
		for i, want := range []error{nil, nil, nil, syscall.ENOENT} {
			if !errors.Is(got.Base[i], want) {
				t.Errorf("base %d: %v, want %v", i, got.Base[i], want)
			}
		}
		if e, ok := errors.AsType[*SysctlError](got.Base[3]); !ok || !e.HostWide && !e.Hidden {
			t.Errorf("tcp_mem: %v, want that it is the whole host's", got.Base[3])
		}
		for i, want := range []error{nil, syscall.EINVAL, syscall.ENOENT, syscall.EINVAL, syscall.EINVAL} {
			if !errors.Is(got.Each[i], want) {
				t.Errorf("each %d: %v, want %v", i, got.Each[i], want)
			}
		}
	})
	if after, err := os.ReadFile(procSys("net.ipv4.tcp_fin_timeout")); err != nil || strings.TrimSpace(string(after)) != strings.TrimSpace(string(before)) {
		t.Errorf("the host's tcp_fin_timeout was %s and is %s (%v)", before, after, err)
	}
}
