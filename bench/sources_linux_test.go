package bench

import (
	"net/netip"
	"strings"
	"testing"

	"lastack/bench/sandbox"
)

// A broadcast address is refused in the sandbox too, whose networks are its own. What is the last address of a part of its
// network only is not.
func TestBroadcastSourceInside(t *testing.T) {
	t.Parallel()
	for source, refused := range map[string]bool{"127.255.255.255": true, "127.0.0.255": false} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			plan := counted(t, 20, "client:fin", "close", "echo:1,1")
			plan.Groups[0].Sources = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr(source), netip.MustParseAddr("127.0.0.2")}
			f := carryOut(t, "root", trial{Spec: sandbox.Spec{Topology: sandbox.Lo}, Plan: plan, MayFail: true})
			if got := strings.Contains(f.Err, "--source "+source+": is a broadcast address here"); got != refused || !refused && f.Run.Connections.Completed != 20 {
				t.Errorf("%q, record %v", f.Err, f.Run)
			}
		})
	}
}
