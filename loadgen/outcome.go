package loadgen

import (
	"syscall"

	"lastack/sockstate/sockio"
)

// Outcome is how a lifecycle ended: a small closed set.
type Outcome uint8

// The outcomes. FIN, RSTSent and RSTReceived are ends as the policy wants them; Held and
// Interrupted are unfinished; the rest are failures. RSTReceived is a failure where the policy does
// not predict it.
const (
	NoOutcome      Outcome = iota
	FIN                    // closed by FIN: under client:* but half by this side, which does not see the rest
	RSTSent                // aborted by this side, as asked
	RSTReceived            // aborted by the peer
	Held                   // never closed, by policy
	Refused                // RST or ICMP in answer to the SYN, or nobody but itself
	ConnectTimeout         // no answer to the SYN in time
	NoLocalPort            // EADDRNOTAVAIL: every local port of the pair is taken
	NoFd                   // EMFILE, ENFILE
	NoMemory               // ENOMEM, ENOBUFS
	Unreachable            // EHOSTUNREACH, ENETUNREACH and their like
	CutInRequest           // RST or EOF before the whole reply
	ClosedEarly            // the peer closed before its turn
	HTTPStatus             // 5xx
	RequestTimeout         // no whole reply in time
	CloseTimeout           // the peer's part of the close did not come in time
	Other                  // anything else, counted by errno, or by fault where what came was not a reply
	Interrupted            // open when the run was stopped

	NumOutcomes = int(Interrupted) + 1
)

var outcomeNames = [NumOutcomes]string{
	"", "fin", "rst_sent", "rst_received", "held", "refused", "connect_timeout", "no_local_port", "no_fd",
	"no_memory", "unreachable", "cut_in_request", "closed_early", "http_status", "request_timeout",
	"close_timeout", "other", "interrupted",
}

func (o Outcome) String() string { return outcomeNames[o] }

// Failed reports whether o is a failure in itself; see Ledger.Failed for RSTReceived.
func (o Outcome) Failed() bool { return o >= Refused && o <= Other }

// dialOutcome classifies a failed step of a dial. sent says that a SYN was sent, so that the error came from the network: as ICMP, or
// its lack.
func dialOutcome(op sockio.Op, e sockio.Errno, sent bool) Outcome {
	switch e {
	case syscall.ECONNREFUSED:
		return Refused
	case syscall.ETIMEDOUT:
		return ConnectTimeout
	case syscall.EADDRNOTAVAIL:
		// From bind it means an address that is not local.
		if op == sockio.OpConnect {
			return NoLocalPort
		}
	case syscall.EADDRINUSE:
		return NoLocalPort
	case syscall.EMFILE, syscall.ENFILE:
		return NoFd
	case syscall.ENOMEM, syscall.ENOBUFS:
		return NoMemory
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return Unreachable
	}
	if sent && sockio.MayBeICMP(e) {
		return Unreachable
	}
	return Other
}
