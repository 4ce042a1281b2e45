package handshake

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/sandbox"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// Follow waits for what is predicted, and for nothing where no end is left waiting.
func TestAwaits(t *testing.T) {
	const tw, fw2 = sockstate.TimeWait, sockstate.FinWait2
	target := netip.MustParseAddrPort("127.0.0.1:80")
	never, late := teardown.Reaction{Kind: teardown.ReactNever}, teardown.Reaction{Kind: teardown.ReactDelay, Delay: 5e9}
	short := []sandbox.Sysctl{{Key: "net.ipv4.tcp_fin_timeout", Value: "60"}, {Key: "net.ipv4.tcp_fin_timeout", Value: "1"}}
	for _, tt := range []struct {
		name string
		spec Spec
		want []sockstate.State
	}{
		{"client:fin", Spec{}, []sockstate.State{tw}},
		{"both:fin", Spec{Close: teardown.Policy{Who: teardown.BothAtOnce}}, []sockstate.State{tw}},
		{"client:rst", Spec{Close: teardown.Policy{How: teardown.RST}}, nil},
		{"client:unread", Spec{Close: teardown.Policy{How: teardown.Unread}, Exchange: echo}, nil},
		{"on EOF rst", Spec{OnEOF: teardown.Reaction{Kind: teardown.ReactRST}}, nil},
		{"on EOF never", Spec{OnEOF: never}, []sockstate.State{fw2}},
		{"half, on EOF never", Spec{Close: teardown.Policy{How: teardown.Half}, OnEOF: never}, nil},
		{"late", Spec{OnEOF: late}, []sockstate.State{tw}},
		{"too late", Spec{OnEOF: late, Sysctls: short}, []sockstate.State{fw2}},
		{"never", Spec{Close: teardown.Never}, nil},
		{"client:fin to a target", Spec{Target: target}, []sockstate.State{tw}},
		{"server:fin of a target", Spec{Target: target, Close: teardown.Policy{Who: teardown.ServerFirst}}, nil},
	} {
		tt.spec.Follow = true
		setup := Setup{tt.spec}
		if diff := cmp.Diff(tt.want, setup.Awaits()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if setup.Follow = false; setup.Awaits() != nil {
			t.Errorf("%s: awaited without Follow: %v", tt.name, setup.Awaits())
		}
	}
}
