package report

import (
	"testing"

	"lastack/bench/record"
	"lastack/sockstate"
)

// TestLadderLast: a state that only the end of the watch cut off is not said to stay.
func TestLadderLast(t *testing.T) {
	for _, tt := range []struct{ close, onEOF, state, want string }{
		{"client:fin", "never", "CLOSE_WAIT", "The server stays in CLOSE_WAIT: its program never closes."},
		{"client:fin", "delay=10s", "CLOSE_WAIT", "The server was in CLOSE_WAIT when the watch ended."},
		{"never", "close", "ESTABLISHED", "The server stays ESTABLISHED."},
		{"client:fin", "close", "ESTABLISHED", "The server was ESTABLISHED when the watch ended."},
	} {
		e := record.LadderEnd{States: []record.LadderState{{State: tt.state, ToS: 1}}}
		if got := ladderLast(sockstate.Server, &e, &record.Ladder{Close: tt.close, OnEOF: tt.onEOF}); got != tt.want {
			t.Errorf("%s --on-eof %s: %q, want %q", tt.close, tt.onEOF, got, tt.want)
		}
	}
}
