package teardown

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// script is a Loop that performs nothing and keeps what it was asked for.
type script struct {
	sockio.Loop
	calls []string
}

func (l *script) say(format string, args ...any) {
	l.calls = append(l.calls, fmt.Sprintf(format, args...))
}

func (l *script) Now() int64            { return 1000 }
func (l *script) Recv(sockio.Sock, int) { l.say("recv") }
func (l *script) Poll(sockio.Sock)      { l.say("poll") }
func (l *script) PeerEnd(_ sockio.Sock, keep bool) {
	if keep {
		l.say("look, keeping")
		return
	}
	l.say("look")
}

func (l *script) Shutdown(sockio.Sock)             { l.say("shutdown") }
func (l *script) SetLinger(_ sockio.Sock, n int)   { l.say("linger %d", n) }
func (l *script) SetTimer(_ sockio.Sock, at int64) { l.say("timer %v", time.Duration(at-1000)) }
func (l *script) StopTimer(sockio.Sock)            { l.say("stop") }

func (l *script) Close(_ sockio.Sock, lingers bool) {
	if lingers {
		l.say("close, lingering")
		return
	}
	l.say("close")
}

// Completions by name.
var (
	data     = sockio.Completion{Op: sockio.OpRecv, N: 3}
	eof      = sockio.Completion{Op: sockio.OpRecv}
	rst      = sockio.Completion{Op: sockio.OpRecv, Errno: syscall.ECONNRESET}
	lost     = sockio.Completion{Op: sockio.OpRecv, Errno: syscall.ETIMEDOUT}
	readable = sockio.Completion{Op: sockio.OpPoll, N: 1}
	ended    = sockio.Completion{Op: sockio.OpPoll}
	timeout  = sockio.Completion{Op: sockio.OpTimeout}
	gone     = sockio.Completion{Op: sockio.OpClose}
	sawEOF   = sockio.Completion{Op: sockio.OpPeerEnd}
	sawRST   = sockio.Completion{Op: sockio.OpPeerEnd, Errno: syscall.ECONNRESET}
	sawLost  = sockio.Completion{Op: sockio.OpPeerEnd, Errno: syscall.ETIMEDOUT}
	late     = sockio.Completion{Op: sockio.OpSend}
	refused  = sockio.Completion{Op: sockio.OpShutdown, Errno: syscall.ENOTCONN}
)

// Each policy and reaction on both sides, completion by completion: what is asked of
// the loop, and what it comes to.
func TestCloser(t *testing.T) {
	const client, server = sockstate.Client, sockstate.Server
	type step struct {
		done  sockio.Completion
		calls []string
		want  Step
	}
	closing := []string{"stop", "close"}
	abort := []string{"linger 0", "stop", "close"}
	first := []string{"look", "stop", "close"}
	half := []string{"look", "shutdown", "recv"}
	unread := []string{"look, keeping", "stop", "close"}
	out := step{gone, nil, Step{Gone: true}}
	tests := []struct {
		policy   string
		reaction string
		side     sockstate.Side
		name     string
		begin    []string
		steps    []step
		end      End
	}{
		{"client:fin", "close", client, "", first, []step{out}, endFIN},
		{"client:fin", "close", client, "the peer closed before", first, []step{{sawEOF, nil, Step{}}, out}, EndEarly},
		{"client:fin", "close", client, "the peer reset before", first, []step{{sawRST, nil, Step{}}, out}, EndRSTReceived},
		{"client:fin", "close", client, "given up by the kernel before", first, []step{{sawLost, nil, Step{Errno: syscall.ETIMEDOUT}}, out}, EndOther},
		{"client:fin", "close", client, "what was pending completes late", first, []step{{late, nil, Step{}}, {timeout, nil, Step{}}, {rst, nil, Step{}}, {data, nil, Step{}}, out}, endFIN},
		{"client:fin", "close", server, "", []string{"recv"}, []step{{data, []string{"recv"}, Step{}}, {eof, closing, Step{PeerEnded: true}}, out}, endFIN},
		{"client:fin", "close", server, "reset", []string{"recv"}, []step{{rst, closing, Step{PeerEnded: true}}, out}, EndRSTReceived},
		{"client:fin", "close", server, "given up by the kernel", []string{"recv"}, []step{{lost, closing, Step{Errno: syscall.ETIMEDOUT}}, out}, EndOther},
		{"client:fin", "close", server, "the peer is too slow", []string{"recv"}, []step{{timeout, nil, Step{TimedOut: true}}}, Open},
		{"client:fin", "delay=2s", server, "", []string{"recv"}, []step{{eof, []string{"timer 2s"}, Step{PeerEnded: true}}, {timeout, closing, Step{}}, out}, endFIN},
		{"client:fin", "never", server, "", []string{"recv"}, []step{{eof, nil, Step{PeerEnded: true, Held: true}}}, Open},
		{"client:fin", "rst", server, "", []string{"recv"}, []step{{eof, abort, Step{PeerEnded: true}}, out}, EndRSTSent},
		{"client:half", "close", client, "", half, []step{{data, []string{"recv"}, Step{}}, {eof, closing, Step{PeerEnded: true}}, out}, endFIN},
		{"client:half", "close", client, "the peer closed before", half, []step{{sawEOF, nil, Step{}}, {eof, closing, Step{PeerEnded: true}}, out}, EndEarly},
		{"client:half", "close", client, "the peer reset before", half, []step{{sawRST, nil, Step{}}, {refused, nil, Step{}}, {eof, closing, Step{PeerEnded: true}}, out}, EndRSTReceived},
		{"client:half", "rst", client, "", half, []step{{rst, closing, Step{PeerEnded: true}}, out}, EndRSTReceived},
		{"client:half", "close", client, "reset before", half, []step{{refused, nil, Step{}}, {rst, closing, Step{PeerEnded: true}}, out}, EndRSTReceived},
		{"client:half", "never", client, "", half, []step{{timeout, nil, Step{TimedOut: true}}}, Open},
		{"client:rst", "close", client, "", append([]string{"look"}, abort...), []step{out}, EndRSTSent},
		{"client:rst", "close", client, "the peer closed before", append([]string{"look"}, abort...), []step{{sawEOF, nil, Step{}}, out}, EndEarly},
		{"client:rst", "close", client, "the peer reset before", append([]string{"look"}, abort...), []step{{sawRST, nil, Step{}}, out}, EndRSTReceived},
		{"client:linger=2s", "close", client, "", []string{"look", "linger 2", "stop", "close, lingering"}, []step{out}, endFIN},
		{"client:linger=2s", "close", client, "the peer closed before", []string{"look", "linger 2", "stop", "close, lingering"}, []step{{sawEOF, nil, Step{}}, out}, EndEarly},
		{"client:unread", "close", client, "", []string{"poll"}, []step{{readable, unread, Step{}}, out}, EndRSTSent},
		{"client:unread", "close", client, "the peer reset since", []string{"poll"}, []step{{readable, unread, Step{}}, {sawRST, nil, Step{}}, out}, EndRSTReceived},
		{"client:unread", "close", client, "EOF instead of data", []string{"poll"}, []step{{ended, []string{"recv"}, Step{}}, {eof, closing, Step{PeerEnded: true}}, out}, EndEarly},
		{"client:unread", "close", client, "EOF behind data", []string{"poll"}, []step{{ended, []string{"recv"}, Step{}}, {data, []string{"recv"}, Step{}}, {eof, closing, Step{PeerEnded: true}}, out}, EndEarly},
		{"client:unread", "close", client, "reset instead of data", []string{"poll"}, []step{{ended, []string{"recv"}, Step{}}, {rst, closing, Step{PeerEnded: true}}, out}, EndRSTReceived},
		{"client:unread", "close", client, "no data", []string{"poll"}, []step{{timeout, nil, Step{TimedOut: true}}}, Open},
		{"server:fin", "close", server, "", closing, []step{out}, endFIN},
		{"server:fin", "rst", client, "", []string{"recv"}, []step{{eof, abort, Step{PeerEnded: true}}, out}, EndRSTSent},
		{"server:unread", "close", server, "", []string{"poll"}, []step{{readable, closing, Step{}}, out}, EndRSTSent},
		{"both:fin", "never", client, "", closing, []step{out}, endFIN},
		{"both:fin", "never", server, "", closing, []step{out}, endFIN},
		{"never", "close", client, "", []string{"recv"}, []step{{data, []string{"recv"}, Step{}}}, Open},
		{"never", "close", client, "the peer closes", []string{"recv"}, []step{{eof, closing, Step{PeerEnded: true}}, out}, EndEarly},
		{"never", "close", server, "the peer resets", []string{"recv"}, []step{{rst, closing, Step{PeerEnded: true}}, out}, EndRSTReceived},
	}
	for _, test := range tests {
		name := fmt.Sprintf("%s on-eof %s, %v %s", test.policy, test.reaction, test.side, test.name)
		t.Run(name, func(t *testing.T) {
			m := Closer{Side: test.side}
			var err error
			if m.Policy, err = ParsePolicy(test.policy); err != nil {
				t.Fatal(err)
			}
			if m.Reaction, err = ParseReaction(test.reaction); err != nil {
				t.Fatal(err)
			}
			l, c := &script{}, Conn{}
			if c.phase != phaseNone {
				t.Error("begun before it has")
			}
			m.Begin(l, 0, &c)
			if c.phase == phaseNone {
				t.Error("not begun after it has")
			}
			if diff := cmp.Diff(test.begin, l.calls); diff != "" {
				t.Errorf("begin: -want +got:\n%s", diff)
			}
			for i, s := range test.steps {
				l.calls = nil
				done := s.done
				got := m.Complete(l, &c, &done)
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Errorf("step %d: -want +got:\n%s", i, diff)
				}
				if diff := cmp.Diff(s.calls, l.calls); diff != "" {
					t.Errorf("step %d: -want +got:\n%s", i, diff)
				}
			}
			if c.End() != test.end {
				t.Errorf("ended as %d; want %d", c.End(), test.end)
			}
			if want := test.end != Open; (c.phase == phaseClosing) != want {
				t.Errorf("closing: %v", c.phase == phaseClosing)
			}
			if want := test.policy == "never" && test.end == Open || test.reaction == "never" && test.side == server && test.end == Open; c.Held() != want {
				t.Errorf("held: %v; want %v", c.Held(), want)
			}
		})
	}
}

func TestCloserAbandon(t *testing.T) {
	l, c := &script{}, Conn{}
	m := Closer{Policy: Never}
	m.Begin(l, 0, &c)
	m.Abandon(l, 0, &c)
	if diff := cmp.Diff([]string{"recv", "stop", "close"}, l.calls); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if c.End() != EndOther || c.phase != phaseClosing || c.Held() {
		t.Errorf("after it: %+v", c)
	}
}
