package bench

import (
	"testing"
	"time"

	"lastack/bench/host"
	"lastack/bench/model"
	"lastack/bench/quantity"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// A hundred thousand connections at once, both ends in one process, whatever RLIMIT_NOFILE is:
// opened, held, seen by a census, and closed as fast as it goes.
func TestPlateauOfAHundredThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 800 MB, and a minute on a slow machine")
	}
	if err := sockio.ProbeRing(); err != nil {
		t.Skip(err)
	}
	const n = 100_000
	plan := loadgen.Plan{Groups: []loadgen.Group{group(t, "client:fin", "close", "none")}, Workers: 2}
	plan.Groups[0].Connections = n
	plan.Groups[0].Plateau = 5 * time.Second // a census comes at a tick, and takes its time
	mustHaveRoom(t, n)

	f := carryOut(t, "nobody", trial{Spec: sandbox.Spec{Topology: sandbox.Lo}, Plan: plan, Interval: 500 * time.Millisecond})
	r := f.Run
	if r.Plan.Engine != "uring" || r.Plan.EngineReason != "" {
		t.Errorf("engine %q (%s)", r.Plan.Engine, r.Plan.EngineReason)
	}
	if c := r.Connections; c.Attempted != n || c.Opened != n || c.Completed != n || c.PeakOpen != n || r.Outcomes["fin"] != n {
		t.Errorf("%+v, outcomes %v, want %d everywhere", c, r.Outcomes, n)
	}
	for _, side := range []string{"client", "server"} {
		if peak := r.States.Peak[side]; peak["ESTABLISHED"] != n {
			t.Errorf("the most that a census saw at the %s: %v, want %d ESTABLISHED", side, peak, n)
		}
	}

	for name, want := range map[string]int64{
		"TcpActiveOpens": n, "TcpPassiveOpens": n, "TcpAttemptFails": 0, "TcpEstabResets": 0,
		"TcpExtTCPAbortOnData": 0, "TcpExtTCPAbortOnClose": 0, "TcpExtTCPAbortOnMemory": 0,
	} {
		if got := f.grown(name); got != want {
			t.Errorf("%s %d, want %d", name, got, want)
		}
	}
	if got := f.grown("TcpExtTW", "TcpExtTWKilled", "TcpExtTCPTimeWaitOverflow"); got != n {
		t.Errorf("%d closes came to TIME_WAIT, or skipped it for want of room; want %d", got, n)
	}
	if ck := f.check(t, teardown.CounterTimeWaits); ck.Got != n || !ck.Exact {
		t.Errorf("%+v, want exactly %d", ck, n)
	}
	for state, left := range f.Left[sockstate.Client] {
		if state != "TIME_WAIT" {
			t.Errorf("%d sockets are left in %s", left, state)
		}
	}
	f.mustCountAlike(t)
}

// mustHaveRoom skips where the host has too little for so many connections with both ends here.
func mustHaveRoom(t *testing.T, connections int64) {
	t.Helper()
	f, err := host.Read()
	if err != nil {
		t.Fatal(err)
	}
	const atLeast = 1 << 20                                 // for the rings, of RLIMIT_MEMLOCK
	need := connections*(2*model.SocketBytes+1024) + 64<<20 // with a TIME_WAIT, and with what is this process
	if have, _ := f.UsableMemory(); have/10*9 < need {
		t.Skipf("needs %s of memory, and of %s a load may take nine tenths", quantity.Bytes(need), quantity.Bytes(have))
	}
	if files, ok := f.Sysctl("fs.file-max"); ok && files-f.Usage.Files < 2*connections {
		t.Skipf("needs %d open files, and fs.file-max is %d, of which %d are taken", 2*connections, files, f.Usage.Files)
	}
	if memory, bound := f.LockableMemory(); bound && memory < atLeast {
		t.Skipf("RLIMIT_MEMLOCK is %s, and the rings take 576 KiB", quantity.Bytes(memory))
	}
}
