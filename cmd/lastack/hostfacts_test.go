package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/host"
)

// TestHostFacts checks what the child in the sandbox gets of what the parent read.
func TestHostFacts(t *testing.T) {
	t.Setenv(hostEnv, "") // so that it is restored
	outer, err := hostFacts()
	if errors.Is(err, host.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var handed host.Facts
	if err := json.Unmarshal([]byte(os.Getenv(hostEnv)), &handed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(outer, &handed); diff != "" {
		t.Errorf("handed down (-outer +handed):\n%s", diff)
	}

	// What bench/sandbox takes for its own child: the parent says so in the environment.
	t.Setenv("LASTACK_SANDBOX", fmt.Sprintf(`{"parent":%d}`, os.Getppid()))
	const elsewhere = `{"kernel":"elsewhere","cpus":3}`
	for _, tt := range []struct{ handed, kernel string }{
		{elsewhere, "elsewhere"},
		{"{", outer.Kernel}, // the child reads what it can itself
	} {
		t.Setenv(hostEnv, tt.handed)
		if f, err := hostFacts(); err != nil || f.Kernel != tt.kernel {
			t.Errorf("inside, with %q handed down, the facts are %+v, %v, want kernel %q", tt.handed, f, err, tt.kernel)
		}
		if now := os.Getenv(hostEnv); now != tt.handed {
			t.Errorf("the child changed what was handed down from %q to %q", tt.handed, now)
		}
	}
}
