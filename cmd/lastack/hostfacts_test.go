package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/host"
)

// TestHostFacts checks what the child in the sandbox gets of what the parent read.
func TestHostFacts(t *testing.T) {
	outer := &host.Facts{Kernel: "outer", CPUs: 3, NoFileSoft: 1024, Sysctls: map[string]string{"net.ipv4.tcp_mem": "1 2 3"}}
	inner := &host.Facts{Kernel: "inner", CPUs: 1}

	t.Setenv(hostEnv, "") // so that it is restored
	if got := hostFacts(outer); got != outer {
		t.Errorf("outside, the facts are %+v", got)
	}
	handed := os.Getenv(hostEnv)

	// What bench/sandbox takes for its own child: the parent says so in the environment.
	t.Setenv("LASTACK_SANDBOX", fmt.Sprintf(`{"parent":%d}`, os.Getppid()))
	if diff := cmp.Diff(outer, hostFacts(inner)); diff != "" {
		t.Errorf("inside (-outer +got):\n%s", diff)
	}
	if os.Getenv(hostEnv) != handed {
		t.Error("the child changed what was handed down")
	}
	t.Setenv(hostEnv, "{")
	if got := hostFacts(inner); got != inner {
		t.Errorf("inside, with nothing handed down, the facts are %+v", got)
	}
}
