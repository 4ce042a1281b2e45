package bench

import (
	"os"
	"testing"
	"time"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
)

// A NAT of two addresses with 50 ports each lets through 100 of 150 connections that are held at once. The SYNs of the others are dropped, and
// the verdict names the NAT's ports. No privilege is needed.
func TestNATPortsRunOut(t *testing.T) {
	const ports, asked = 100, 150
	g := group(t, "client:fin", "close", "none")
	g.Connections, g.Plateau, g.ConnectTimeout = asked, 3*time.Second, 2*time.Second
	box := sandbox.Spec{Topology: sandbox.Routed, NAT: sandbox.NAT{Addresses: 2, Ports: sockstate.PortRange{Lo: 20000, Hi: 20049}}}
	r := carryOut(t, "nobody", trial{Spec: box, Plan: loadgen.Plan{Groups: []loadgen.Group{g}, Workers: 1}}).Run
	if c := r.Connections; c.Opened != ports || r.Outcomes["fin"] != ports || r.Outcomes["connect_timeout"] != asked-ports {
		t.Errorf("%+v, outcomes %v, want %d opened and %d timeouts", c, r.Outcomes, ports, asked-ports)
	}
	// An ACK that is late may find no socket any more: then an RST ends the entry. Two entries are of the connections that proved the sandbox.
	const proofs = 2
	if n := r.Tracking; n == nil || n.InsertFailed < asked-ports || n.Peak < ports || n.StatesReason != "" || n.States["TIME_WAIT"]+n.States["CLOSE"] != ports+proofs {
		t.Errorf("%+v, want %d entries in TIME_WAIT and a failure for each of the others", n, ports)
	}
	if by := r.Verdict.LimitedBy; by != record.LimitNATPorts {
		t.Errorf("limited by %s: %v", by, r.Verdict.Reasons)
	}
}

// A router tracks as many connections as nf_conntrack_max allows, which no namespace can lower, and drops the SYNs of the others. The verdict
// names the table. No privilege is needed.
func TestConntrackFull(t *testing.T) {
	if os.Getenv("LASTACK_LONG") == "" {
		t.Skip("opens as many connections as nf_conntrack_max allows: set LASTACK_LONG=1")
	}
	f, err := host.Read()
	if err != nil {
		t.Fatal(err)
	}
	limit, ok := f.Sysctl("net.netfilter.nf_conntrack_max")
	const more, most = 2000, 500_000
	if !ok || limit <= 0 || limit > most {
		t.Skipf("nf_conntrack_max is %d: want 1 to %d", limit, most)
	}
	mustHaveRoom(t, limit+more)
	g := group(t, "client:fin", "close", "none")
	g.Connections, g.Plateau, g.ConnectTimeout = int(limit)+more, 2*time.Second, 5*time.Second
	r := carryOut(t, "nobody", trial{Spec: sandbox.Spec{Topology: sandbox.Routed, NAT: sandbox.NAT{Addresses: 8}}, Plan: loadgen.Plan{Groups: []loadgen.Group{g}, Workers: 2}}).Run
	if n := r.Tracking; n == nil || n.Peak < limit-1 || n.Peak > limit+1 || n.Dropped < more-4 || n.InsertFailed != 0 {
		t.Errorf("%+v, want %d entries at most, and a packet dropped for each of %d connections more", n, limit, more)
	}
	// Two entries are of the connections that proved the sandbox.
	if c := r.Connections; c.Opened < limit-4 || c.Opened > limit+1 || r.Outcomes["connect_timeout"] != c.Attempted-c.Opened {
		t.Errorf("%+v, outcomes %v, want %d opened and no answer to the others", c, r.Outcomes, limit)
	}
	if by := r.Verdict.LimitedBy; by != record.LimitConntrack {
		t.Errorf("limited by %s: %v", by, r.Verdict.Reasons)
	}
}
