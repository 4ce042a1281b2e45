package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// outcomesOf lists the outcomes of a class.
func outcomesOf(class sockstate.OutcomeClass) (terms []definition) {
	for o := sockstate.OutcomeFIN; int(o) < sockstate.NumOutcomes; o++ {
		if o.Class() == class {
			terms = append(terms, definition{o.String(), o.Means()})
		}
	}
	return terms
}

// fates are the words of a drain's page.
func fates() []definition {
	return []definition{
		{"LOST", "a request without a whole reply: cut, timed out, or the reply not valid"},
		{"safe", "lost, but the server's process has certainly not read it whole: a client may send it again"},
		{"unsafe", "lost, and the server may have begun it: sent again, it may be done twice"},
		{"arrived after close", "the server had closed the connection before the request came"},
		{"not received whole", "the server's kernel had not all of the request"},
		{"QUEUED", "connections that waited in the accept queue when the stop began"},
		{"RECONNECT", "clients that lost their connection, and connected again"},
		{"LEFT BEHIND", "sockets of the server that outlive it, and whether its port can be bound"},
	}
}

func outcomeTerms() (terms []definition) {
	for class := sockstate.ClassEnd; class <= sockstate.ClassServer; class++ {
		terms = append(terms, outcomesOf(class)...)
	}
	return append(terms, fates()...)
}

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
		writeDefinitions(w, class.heading, outcomesOf(class.of))
	}
	writeDefinitions(w, "In a drain", fates())
	fmt.Fprint(w, `
rst_received counts as completed if --close makes the peer reset, otherwise as
failed. For a client that closes first, fin means its own close: it does not see
what the target does afterwards. A failure is never a latency sample, and never
ends the run.
`)
}

func stateTerms() (terms []definition) {
	for s := sockstate.Established; s < sockstate.NewSynRecv; s++ {
		terms = append(terms, definition{s.String(), s.Means()})
	}
	return terms
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
	writeDefinitions(w, "States", stateTerms())
	fmt.Fprint(w, `
Many in CLOSE_WAIT: the local program does not close its sockets. Many in
FIN_WAIT_2: the peer does not. TIME_WAIT is normal on the side that closes
first; it matters on a client, where it occupies local ports.
`)
}

// howTerms are the ways to close, reactionTerms those to answer it.
func howTerms() (calls []definition) {
	seen := make(map[teardown.How]bool)
	for _, p := range teardown.Policies() {
		if !seen[p.How] && p.Who != teardown.Nobody {
			seen[p.How] = true
			calls = append(calls, definition{p.How.String(), p.How.Calls()})
		}
	}
	return calls
}

func reactionTerms() (reactions []definition) {
	for k := teardown.ReactClose; k <= teardown.ReactRST; k++ {
		reactions = append(reactions, definition{k.String(), k.Does()})
	}
	return reactions
}

// asked is the exchange of which help predicts the states.
func asked() exchange.Spec { return exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1} }

// writePolicy explains a policy like client:fin, a way to close, or a reaction; the latter two all for "all".
func writePolicy(w io.Writer, name string) (known bool) {
	if p, err := teardown.ParsePolicy(name); err == nil {
		known = true
		if p.Who != teardown.Nobody {
			writeDefinitions(w, "", []definition{{p.String(), "closes first by " + p.How.Calls()}})
		}
		fmt.Fprintf(w, "  The states after ESTABLISHED, with an exchange (echo:1,1) and --on-eof close\n%s", paths(teardown.Predict(p, teardown.Reaction{}, asked(), teardown.Env{})))
	}
	short, _, _ := strings.Cut(name, "=")
	for _, of := range []struct {
		heading string
		terms   []definition
	}{{"HOW", howTerms()}, {"--on-eof", reactionTerms()}} {
		found := slices.DeleteFunc(of.terms, func(t definition) bool {
			n, _, _ := strings.Cut(t.name, "=")
			return name != "all" && n != short
		})
		if len(found) > 0 {
			known = true
			writeDefinitions(w, of.heading, found)
		}
	}
	return known
}

func writePolicies(w io.Writer) {
	fmt.Fprint(w, `--close WHO:HOW says which side closes first, and by which calls. --on-eof says
how the other side reacts to the EOF. Every run compares this prediction with
the kernel's counters.
`)
	writeDefinitions(w, "HOW", howTerms())
	writeDefinitions(w, "--on-eof", reactionTerms())

	fmt.Fprint(w, "\nThe states after ESTABLISHED, with an exchange (echo:1,1) and --on-eof close\n")
	var ways []string // in the order of their first policy
	policies := make(map[string][]string)
	for _, p := range teardown.Policies() {
		way := paths(teardown.Predict(p, teardown.Reaction{}, asked(), teardown.Env{}))
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
