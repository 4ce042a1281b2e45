package drain

import (
	"testing"
	"time"

	"lastack/sockstate/exchange"
)

func TestFirst(t *testing.T) {
	ref := reference{Shutdown: "graceful", Exchange: exchange.Spec{Kind: exchange.HTTP, Path: "/"}, Addr: at, Delay: 5 * time.Millisecond}
	tr := trial{
		Load: Load{Idle: 50, InFlight: 10, Arrivals: 200, Partial: 2},
		Stop: Stop{Exec: ref.args(), After: 200 * time.Millisecond, Watch: 100 * time.Millisecond},
	}
	run := tr.drained(t)
	for _, tr := range run.Drain.Tries {
		t.Log(tr.Score)
		t.Logf("%+v", tr)
	}
}
