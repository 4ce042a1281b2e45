package bench

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnpredicted(t *testing.T) {
	paths := map[string][]string{"client": {"ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"}, "server": {"ESTABLISHED > CLOSE_WAIT"}}
	seen := map[string]map[string]int64{
		"client": {"CLOSED>SYN_SENT": 9, "SYN_SENT>ESTABLISHED": 9, "ESTABLISHED>FIN_WAIT_1": 9, "FIN_WAIT_1>FIN_WAIT_2": 9, "FIN_WAIT_2>TIME_WAIT": 7, "FIN_WAIT_2>CLOSED": 2, "TIME_WAIT>CLOSED": 1},
		"server": {"LISTEN>SYN_RECV": 9, "SYN_RECV>ESTABLISHED": 9, "ESTABLISHED>CLOSE_WAIT": 9},
	}
	want := map[string]map[string]int64{"client": {"FIN_WAIT_2>CLOSED": 2}}
	if diff := cmp.Diff(want, unpredicted(seen, paths, 1)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := unpredicted(seen, paths, 2); got != nil {
		t.Errorf("with two groups: %v", got)
	}
}
