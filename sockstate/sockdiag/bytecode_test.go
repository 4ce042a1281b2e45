package sockdiag

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

func servers(ports ...uint16) []netip.AddrPort {
	var s []netip.AddrPort
	for _, p := range ports {
		s = append(s, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), p))
	}
	return s
}

func TestPortRanges(t *testing.T) {
	var scattered []uint16
	for i := range uint16(maxRanges + 1) {
		scattered = append(scattered, 1000+2*i)
	}
	tests := []struct {
		name  string
		ports []uint16
		want  []sockstate.PortRange
	}{
		{"none", nil, nil},
		{"one", []uint16{80}, []sockstate.PortRange{{Lo: 80, Hi: 80}}},
		{"the same", []uint16{80, 80}, []sockstate.PortRange{{Lo: 80, Hi: 80}}},
		{"adjacent, in any order", []uint16{82, 80, 443, 81}, []sockstate.PortRange{{Lo: 80, Hi: 82}, {Lo: 443, Hi: 443}}},
		{"the ends", []uint16{0, 65535, 65534}, []sockstate.PortRange{{Lo: 0, Hi: 0}, {Lo: 65534, Hi: 65535}}},
		{"as many as allowed", scattered[1:], func() (r []sockstate.PortRange) {
			for _, p := range scattered[1:] {
				r = append(r, sockstate.PortRange{Lo: p, Hi: p})
			}
			return r
		}()},
		{"too many", scattered, []sockstate.PortRange{{Lo: 1000, Hi: 1000 + 2*maxRanges}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := portRanges(servers(tt.ports...))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// The kernel's own golden: what a program for one port looks like, field by field.
func TestPortBytecode(t *testing.T) {
	op := func(code, yes byte, no uint16) []byte {
		return binary.NativeEndian.AppendUint16([]byte{code, yes}, no)
	}
	var want []byte
	for _, o := range [][]byte{
		op(bcSGe, 8, 20), op(0, 0, 80), op(bcSLe, 8, 12), op(0, 0, 80), op(bcJmp, 4, 24),
		op(bcDGe, 8, 24), op(0, 0, 80), op(bcDLe, 8, 16), op(0, 0, 80), op(bcJmp, 4, 4),
	} {
		want = append(want, o...)
	}
	if d := cmp.Diff(want, portBytecode([]sockstate.PortRange{{Lo: 80, Hi: 80}})); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// FuzzPortBytecode runs programs as the kernel does.
func FuzzPortBytecode(f *testing.F) {
	f.Add([]byte{0, 80, 1, 187}, uint16(80), uint16(1))
	f.Add([]byte{255, 255, 0, 0}, uint16(65535), uint16(0))
	f.Add([]byte{}, uint16(1), uint16(2))
	f.Fuzz(func(t *testing.T, in []byte, sport, dport uint16) {
		var ports []uint16
		for ; len(in) >= 2; in = in[2:] {
			ports = append(ports, binary.BigEndian.Uint16(in))
		}
		rs := portRanges(servers(ports...))
		code := portBytecode(rs)
		if !audit(code) {
			t.Fatalf("the kernel would refuse % x", code)
		}
		if len(code) == 0 {
			return
		}
		inside := func(p uint16) bool {
			for _, r := range rs {
				if r.Lo <= p && p <= r.Hi {
					return true
				}
			}
			return false
		}
		if got, want := run(t, code, sport, dport), inside(sport) || inside(dport); got != want {
			t.Errorf("ports %d > %d and ranges %v: %v, want %v", sport, dport, rs, got, want)
		}
		for _, p := range ports {
			if !run(t, code, p, 1) || !run(t, code, 1, p) {
				t.Errorf("port %d is not let through by ranges %v", p, rs)
			}
		}
	})
}

// audit is inet_diag_bc_audit, with valid_port_comparison and valid_cc.
func audit(code []byte) bool {
	validCC := func(cc int) bool {
		for at := 0; len(code)-at >= 0; {
			if len(code)-at == cc {
				return true
			}
			if at == len(code) || code[at+1] < 4 || code[at+1]&3 != 0 {
				return false
			}
			at += int(code[at+1])
		}
		return false
	}
	at := 0
	for left := len(code); left > 0; left = len(code) - at {
		least := 4
		switch code[at] {
		case bcSGe, bcSLe, bcDGe, bcDLe:
			if least = 8; left < least {
				return false
			}
		case bcJmp:
		default:
			return false
		}
		yes, no := int(code[at+1]), int(binary.NativeEndian.Uint16(code[at+2:]))
		if no < least || no > left+4 || no&3 != 0 || no < left && !validCC(left-no) {
			return false
		}
		// A jump's own least is that of any instruction.
		if yes < least || yes > left+4 || yes&3 != 0 {
			return false
		}
		at += yes
	}
	return at == len(code)
}

// run is inet_diag_bc_run.
func run(t *testing.T, code []byte, sport, dport uint16) bool {
	at := 0
	for steps := 0; at < len(code); steps++ {
		if steps > len(code) {
			t.Fatalf("% x does not end", code)
		}
		arg := uint16(0)
		if at+8 <= len(code) {
			arg = binary.NativeEndian.Uint16(code[at+6:])
		}
		yes := false
		switch code[at] {
		case bcSGe:
			yes = sport >= arg
		case bcSLe:
			yes = sport <= arg
		case bcDGe:
			yes = dport >= arg
		case bcDLe:
			yes = dport <= arg
		}
		if yes {
			at += int(code[at+1])
		} else {
			at += int(binary.NativeEndian.Uint16(code[at+2:]))
		}
	}
	return at == len(code)
}
