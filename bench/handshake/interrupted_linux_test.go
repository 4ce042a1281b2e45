package handshake

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/sockstate/teardown"
)

// What failed beside an interruption is said, and what was seen is kept.
func TestEnded(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	interrupted := &sandbox.DiedError{Signal: syscall.SIGINT}
	for _, tc := range []struct {
		name        string
		errs        []error
		interrupted bool
		keeps       bool
		want        error
	}{
		{"all well", []error{nil, nil}, false, true, nil},
		{"one fails, and so ends the others", []error{context.Canceled, broken, context.Canceled}, false, false, broken},
		{"a signal to a sandbox alone", []error{nil, interrupted}, false, false, interrupted},
		{"interrupted", []error{nil, context.Canceled, interrupted}, true, true, nil},
		{"one fails beside the interruption", []error{nil, broken, context.Canceled, interrupted}, true, true, broken},
	} {
		run, err := ended(&record.Run{}, tc.errs, tc.interrupted)
		if (run != nil) != tc.keeps || run != nil && run.Interrupted != tc.interrupted || (err != nil) != (tc.want != nil) || !errors.Is(err, tc.want) {
			t.Errorf("%s: %+v, %v", tc.name, run, err)
		}
	}
	if run, err := ended(nil, []error{broken}, true); run != nil || !errors.Is(err, broken) {
		t.Errorf("nothing seen: %+v, %v", run, err)
	}
}

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
