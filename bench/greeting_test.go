package bench

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

type pipe struct{ net.Conn }

func (pipe) SetLinger(int) error { return nil }

// Each target has its moment to speak late, and a thousand have no more together.
func TestEndProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e experiment
		for i := range 1000 {
			here, there := net.Pipe()
			defer there.Close()
			e.probes = append(e.probes, &Probe{target: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(1+i)), conn: pipe{here}})
			if i == 7 {
				go func() { _, _ = io.WriteString(there, "220 hello") }() // it ends with the pipe at the latest
			}
		}
		e.probes = append(e.probes, &Probe{}) // was not accepted
		began := time.Now()
		e.endProbes()
		if took := time.Since(began); took > time.Millisecond || e.probed != 1000 || e.probes != nil {
			t.Errorf("%d targets took %v", e.probed, took)
		}
		if diff := cmp.Diff(map[string]string{"127.0.0.1:8": `"220 hello"`}, e.greetings); diff != "" {
			t.Error(diff)
		}
	})
}
