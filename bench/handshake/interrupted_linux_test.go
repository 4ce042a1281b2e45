package handshake

import (
	"context"
	"strings"
	"testing"

	"lastack/bench/record"
	"lastack/sockstate/teardown"
)

// A watch that is ended while it waits for TIME_WAIT has what it saw until then; one that is ended before it began has nothing.
func TestWatchInterrupted(t *testing.T) {
	t.Parallel()
	s, err := Resolve(Spec{Close: teardown.Policy{}, Exchange: echo, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	run, err := Watch(ctx, []Setup{s}, 1, func(record.Event) { stop() })
	mustWatch(t, err)
	if run == nil || !run.Interrupted {
		t.Fatalf("the record is marked: %t", run != nil && run.Interrupted)
	}
	if way := path(&run.Handshake.Ladders[0].Client); !strings.HasSuffix(way, "> TIME_WAIT") {
		t.Errorf("the client went %s", way)
	}
	if run, err := Watch(ctx, []Setup{s}, 1, func(record.Event) {}); run != nil || err != nil {
		t.Errorf("a watch that was over before it began has a record (%t), %v", run != nil, err)
	}
}
