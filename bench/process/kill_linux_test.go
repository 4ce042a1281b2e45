package process

import (
	"path/filepath"
	"strings"
	"testing"

	"lastack/sockstate/socktest"
)

// TestEndChain ends what is a new process all the time.
func TestEndChain(t *testing.T) {
	scripts := map[string]string{
		"fork":   `next() { next & }; echo ready >"$PROCESS_TEST_TOLD"; next`,
		"execve": `[ "$1" ] || echo ready >"$PROCESS_TEST_TOLD"; "$0" again &`,
		"setsid": `[ "$1" ] || echo ready >"$PROCESS_TEST_TOLD"; setsid "$0" again &`,
	}
	for name, script := range scripts {
		path := filepath.Join(t.TempDir(), name)
		if err := socktest.WriteProgram(path, strings.NewReader("#!/bin/sh\n"+script+"\n")); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, r *rig, contain Contain) {
				p := r.start(Spec{Args: []string{path}, Contain: contain, env: r.env("", "")})
				r.lines("ready")
				await(t, "Exited", p.Exited())
				if err := p.End(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
