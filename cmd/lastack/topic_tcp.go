package main

import (
	"fmt"
	"io"
	"strings"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

func writeOutcomes(w io.Writer) {
	fmt.Fprint(w, `Every connection that a load starts ends with exactly one outcome, so that
attempted = completed + failed + unfinished. The record has them under outcomes.
A threshold can test one: --threshold 'outcomes.refused==0'.
`)
	for _, class := range []struct {
		of      sockstate.OutcomeClass
		heading string
	}{
		{sockstate.ClassEnd, "Completed"},
		{sockstate.ClassFailure, "Failed"},
		{sockstate.ClassUnfinished, "Unfinished"},
		{sockstate.ClassServer, "Only in the ledger of lastack serve"},
	} {
		var terms []definition
		for o := sockstate.OutcomeFIN; int(o) < sockstate.NumOutcomes; o++ {
			if o.Class() == class.of {
				terms = append(terms, definition{o.String(), o.Means()})
			}
		}
		writeDefinitions(w, class.heading, terms)
	}
	fmt.Fprint(w, `
rst_received counts as completed if --close makes the peer reset, otherwise as
failed. For a client that closes first, fin means its own close: it does not see
what the target does afterwards. A failure is never a latency sample, and never
ends the run.
`)
}

func writeStates(w io.Writer) {
	fmt.Fprint(w, `The life of a connection. Who closes first is the active closer, client or
server; see lastack help policies.

  client                                 server
  SYN_SENT   -------- SYN ------------>  LISTEN
             <----- SYN, ACK ----------  SYN_RECV
  ESTABLISHED ------- ACK ------------>  ESTABLISHED

  active closer                          passive closer
  close()    -------- FIN ------------>
  FIN_WAIT_1 <------- ACK -------------  CLOSE_WAIT   reads EOF
  FIN_WAIT_2 <------- FIN -------------  LAST_ACK     close()
  TIME_WAIT  -------- ACK ------------>  CLOSED
  CLOSED     after 60 s

  Both at once: FIN_WAIT_1 > CLOSING > TIME_WAIT on both sides.
  By RST: CLOSED on both sides at once, and no TIME_WAIT.
`)
	var terms []definition
	for s := sockstate.Established; s < sockstate.NewSynRecv; s++ {
		terms = append(terms, definition{s.String(), s.Means()})
	}
	writeDefinitions(w, "States", terms)
	fmt.Fprint(w, `
Many in CLOSE_WAIT: the local program does not close its sockets. Many in
FIN_WAIT_2: the peer does not. TIME_WAIT is normal on the side that closes
first; it matters on a client, where it occupies local ports.
`)
}

func writePolicies(w io.Writer) {
	fmt.Fprint(w, `--close WHO:HOW says which side closes first, and by which calls. --on-eof says
how the other side reacts to the EOF. Every run compares this prediction with
the kernel's counters.
`)
	var calls []definition
	seen := make(map[teardown.How]bool)
	for _, p := range teardown.Policies() {
		if !seen[p.How] && p.Who != teardown.Nobody {
			seen[p.How] = true
			calls = append(calls, definition{p.How.String(), p.How.Calls()})
		}
	}
	writeDefinitions(w, "HOW", calls)
	var reactions []definition
	for k := teardown.ReactClose; k <= teardown.ReactRST; k++ {
		reactions = append(reactions, definition{k.String(), k.Does()})
	}
	writeDefinitions(w, "--on-eof", reactions)

	fmt.Fprint(w, "\nThe states after ESTABLISHED, with an exchange (echo:1,1) and --on-eof close\n")
	echo := exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}
	var ways []string // in the order of their first policy
	policies := make(map[string][]string)
	for _, p := range teardown.Policies() {
		way := paths(teardown.Predict(p, teardown.Reaction{}, echo, teardown.Env{}))
		if policies[way] == nil {
			ways = append(ways, way)
		}
		policies[way] = append(policies[way], p.String())
	}
	for _, way := range ways {
		fmt.Fprintf(w, "  %s\n%s", strings.Join(policies[way], ", "), way)
	}
}

// paths prints the paths of both sides, one per line.
func paths(q teardown.Prediction) string {
	var b strings.Builder
	for _, side := range []sockstate.Side{sockstate.Client, sockstate.Server} {
		name := side.String()
		for _, path := range q.Paths[side] {
			way := path[1:].String()
			if len(path) == 1 {
				way = "stays in " + path.String()
			}
			fmt.Fprintf(&b, "    %-7s %s\n", name, way)
			name = "or"
		}
	}
	return b.String()
}
