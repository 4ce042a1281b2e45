package bench

import (
	"testing"
	"time"

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
	if n := r.Tracking; n == nil || n.InsertFailed < asked-ports || n.Peak < ports || n.StatesReason != "" || n.States["TIME_WAIT"] != ports {
		t.Errorf("%+v, want %d entries in TIME_WAIT and a failure for each of the others", n, ports)
	}
	if by := r.Verdict.LimitedBy; by != record.LimitNATPorts {
		t.Errorf("limited by %s: %v", by, r.Verdict.Reasons)
	}
}
