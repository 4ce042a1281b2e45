package loadgen

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
)

func TestBackoff(t *testing.T) {
	for _, tt := range []struct {
		reconnect time.Duration
		refusals  uint8
		want      time.Duration
	}{
		{200 * time.Millisecond, 0, 200 * time.Millisecond}, // the connection was lost, not refused
		{200 * time.Millisecond, 1, 200 * time.Millisecond},
		{200 * time.Millisecond, 2, 400 * time.Millisecond},
		{200 * time.Millisecond, 5, 3200 * time.Millisecond},
		{200 * time.Millisecond, 6, 5 * time.Second},
		{200 * time.Millisecond, 8, 5 * time.Second},
		{time.Hour, 8, time.Hour},
	} {
		g := Group{Reconnect: tt.reconnect}
		if got := time.Duration(g.backoff(tt.refusals)); got != tt.want {
			t.Errorf("after %d refusals with %v: %v, want %v", tt.refusals, tt.reconnect, got, tt.want)
		}
	}
}

// A client that is refused waits twice as long each time, whether the load has a journal or not.
func TestJournalDoesNotSteer(t *testing.T) {
	const attempts, reconnect = 7, 2 * time.Millisecond
	for _, journal := range []bool{false, true} {
		t.Run(fmt.Sprintf("journal %v", journal), func(t *testing.T) {
			p := fakePlan(0)
			p.Duration = MaxTime
			g := &p.Groups[0]
			g.Connections, g.Keep, g.Reconnect, g.Exchange = 1, KeepIdle, reconnect, exchange.Spec{}
			dials := make(chan int64, attempts)
			loops := &fakeLoops{on: func(l *fakeLoop, c call) {
				if c.op != sockio.OpConnect {
					wellBehaved(l, c)
					return
				}
				select {
				case dials <- c.at:
				default:
				}
				l.complete(sockio.OpConnect, c.s, syscall.ECONNREFUSED, 1)
			}}
			load, err := New(Config{Plan: p, Backend: sockio.Backend{New: loops.new}, Slots: 16, Journal: journal})
			if err != nil {
				t.Fatal(err)
			}
			mustStart(context.Background(), t, load)
			last := <-dials
			for refusals := 1; refusals < attempts; refusals++ {
				at := <-dials
				if waited, want := time.Duration(at-last), reconnect<<(refusals-1); waited < want {
					t.Errorf("refused %d times in a row it waited %v, want %v", refusals, waited, want)
				}
				last = at
			}
			if err := load.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
