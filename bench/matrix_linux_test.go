package bench

import (
	"fmt"
	"os"
	"testing"

	"lastack/bench/sandbox"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// policyCell is a close policy and an exchange where nothing races, and what it comes to for
// every lifecycle.
type policyCell struct {
	closes, exchange string
	outcome          string
	// timeWaits, abortOnData and abortOnClose are the kernel's counters for each lifecycle,
	// holder who has the TIME_WAIT.
	timeWaits, abortOnData, abortOnClose int64
	holder                               sockstate.Side
}

func policyCells() []policyCell {
	const client, server = sockstate.Client, sockstate.Server
	var cells []policyCell
	for _, exch := range []string{"none", "echo:1,1"} {
		cells = append(cells,
			policyCell{"client:fin", exch, "fin", 1, 0, 0, client},
			policyCell{"server:fin", exch, "fin", 1, 0, 0, server},
			policyCell{"client:half", exch, "fin", 1, 0, 0, client},
			policyCell{"server:half", exch, "fin", 1, 0, 0, server},
			policyCell{"client:rst", exch, "rst_sent", 0, 1, 0, 0},
			policyCell{"server:rst", exch, "rst_received", 0, 1, 0, 0},
		)
	}
	return append(cells,
		policyCell{"client:unread", "echo:1,1", "rst_sent", 0, 0, 1, 0},
		policyCell{"server:unread", "echo:1,1", "rst_received", 0, 0, 1, 0},
	)
}

// Every connection is accounted for, by us and by the kernel, to the last one: for root in each case, for others in every second case each,
// or in all with LASTACK_LONG=1.
func TestEveryPolicyIsAccountedFor(t *testing.T) {
	t.Parallel()
	settings := []struct {
		mode     string
		topology sandbox.Topology
		n        int64
	}{
		{"root", sandbox.Lo, 500},
		{"root", sandbox.Veth, 500},
		{"nobody", sandbox.Lo, 200},
		{"user", sandbox.Veth, 200},
	}
	for i, cell := range policyCells() {
		for _, set := range settings {
			n := set.n
			if turn := []string{"nobody", "user"}[(i+i/6)%2]; set.mode != "root" && set.mode != turn && os.Getenv("LASTACK_LONG") == "" {
				continue
			}
			if set.mode == "root" && set.topology == sandbox.Lo && i == 0 {
				n = 20_000 // most of the local ports
			}
			t.Run(fmt.Sprintf("%s/%s/%s,%s", set.mode, set.topology, cell.closes, cell.exchange), func(t *testing.T) {
				t.Parallel()
				f := carryOut(t, set.mode, trial{
					Spec: sandbox.Spec{Topology: set.topology},
					Plan: counted(t, n, cell.closes, "close", cell.exchange),
				})
				cell.compare(t, &f, n)
			})
		}
	}
}

func (c *policyCell) compare(t *testing.T, f *finding, n int64) {
	t.Helper()
	r := f.Run
	if got := r.Connections; got.Attempted != n || got.Completed != n || got.Opened != n {
		t.Errorf("attempted %d, opened %d, completed %d, want %d each; outcomes %v, errnos %v", got.Attempted, got.Opened, got.Completed, n, r.Outcomes, r.Errnos)
	}
	if r.Outcomes[c.outcome] != n {
		t.Errorf("outcomes %v, want %s for all", r.Outcomes, c.outcome)
	}
	want := map[string]int64{
		teardown.CounterTimeWaits:    c.timeWaits * n,
		teardown.CounterAbortOnData:  c.abortOnData * n,
		teardown.CounterAbortOnClose: c.abortOnClose * n,
	}
	for name, k := range want {
		ck := f.check(t, name)
		if ck.Want.Min != k || ck.Want.Max != k || ck.Got != k {
			t.Errorf("%s: predicted %d to %d, counted %d, want %d", name, ck.Want.Min, ck.Want.Max, ck.Got, k)
		}
	}
	for _, ck := range r.Accounting {
		if !ck.Exact {
			t.Errorf("%s is not exact: %s", ck.Name, ck.Note)
		}
	}
	// By /proc alone.
	if k := f.grown("TcpActiveOpens"); k != n {
		t.Errorf("ActiveOpens %d, want %d", k, n)
	}
	if k := f.grown("TcpExtTW", "TcpExtTWKilled", "TcpExtTCPTimeWaitOverflow"); k != c.timeWaits*n {
		t.Errorf("TW + TWKilled + TCPTimeWaitOverflow %d, want %d", k, c.timeWaits*n)
	}
	if k := f.grown("TcpExtTCPAbortOnData"); k != c.abortOnData*n {
		t.Errorf("TCPAbortOnData %d, want %d", k, c.abortOnData*n)
	}
	if k := f.grown("TcpExtTCPAbortOnClose"); k != c.abortOnClose*n {
		t.Errorf("TCPAbortOnClose %d, want %d", k, c.abortOnClose*n)
	}
	f.mustCountAlike(t)
	c.compareTimeWaits(t, f, n)
}

// compareTimeWaits looks where the TIME_WAITs stand: in the closing side's namespace and
// nowhere else.
func (c *policyCell) compareTimeWaits(t *testing.T, f *finding, n int64) {
	t.Helper()
	r := f.Run
	// Nothing resets under a policy that leaves TIME_WAITs, but for two races of CPUs:
	//   - A delayed ACK that one CPU sends arrives behind the FIN that another sends. TIME_WAIT
	//     answers it, the peer is gone and resets, and TIME_WAIT dies of that (RFC 1337).
	//   - A FIN is looked up while its socket is replaced by a minisocket that cannot be held yet
	//     (inet_twsk_hashdance_schedule). It is answered by a reset, and the minisocket stays in FIN_WAIT_2.
	resets := f.grown("TcpOutRsts")
	all, waiting := 0, 0
	for _, states := range f.Left {
		for state, k := range states {
			switch state {
			case "TIME_WAIT":
			case "FIN_WAIT_2":
				waiting += k
			default:
				t.Errorf("%d sockets left in %s", k, state)
			}
			all += k
		}
	}
	if c.timeWaits == 0 {
		if all != 0 {
			t.Errorf("%d sockets left, want none", all)
		}
		return
	}
	if int64(waiting) > resets {
		t.Errorf("%d sockets left in FIN_WAIT_2, %d resets sent", waiting, resets)
	}
	// Loopback takes the client's TIME_WAIT ports over by itself (tcp_tw_reuse=2). The server's are
	// reopened by a SYN from the same port, on any link, and the kernel does not count that.
	total, least := int64(all)+f.grown("TcpExtTWRecycled"), n-resets
	if c.holder == sockstate.Server {
		least = n / 2
	}
	if total < least || total > n {
		t.Errorf("%d TIME_WAITs and minisockets, taken over ones included, want %d to %d", total, least, n)
	}
	if len(f.Left) == 1 {
		return
	}
	got := f.left(c.holder, "TIME_WAIT")
	if got := f.left(c.holder.Other(), "TIME_WAIT"); got != 0 {
		t.Errorf("%d TIME_WAITs in the namespace of the %s, which did not close first", got, c.holder.Other())
	}
	if census := r.States.Final[c.holder.String()]["TIME_WAIT"]; census != got {
		t.Errorf("the record's last census has %d TIME_WAITs of the %s, /proc %d", census, c.holder, got)
	}
	if r.Predicted.TimeWait != c.holder.String() {
		t.Errorf("TIME_WAIT was predicted on %q, want %s", r.Predicted.TimeWait, c.holder)
	}
}
