package setup

import (
	"strings"
	"testing"

	"lastack/sockstate/teardown"
)

func TestCheckReaction(t *testing.T) {
	for policy, want := range map[string]string{
		"client:fin": "", "server:rst": "",
		"never":    "--on-eof rst: with --close never no side reads EOF",
		"both:fin": "--on-eof rst: with --close both:fin no side reads EOF",
	} {
		p, err := teardown.ParsePolicy(policy)
		if err != nil {
			t.Fatal(err)
		}
		err = CheckReaction(p, teardown.Reaction{Kind: teardown.ReactRST})
		if want == "" && err == nil {
			continue
		}
		if err == nil || want == "" || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("--close %s --on-eof rst: %v, want %q", policy, err, want)
		}
	}
}
