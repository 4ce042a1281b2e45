package loadgen

import (
	"syscall"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// dialOutcome classifies a failed step of a dial. sent says that a SYN was sent, so that the error came from the network: as ICMP, or
// its lack.
func dialOutcome(op sockio.Op, e sockio.Errno, sent bool) sockstate.Outcome {
	switch e {
	case syscall.ECONNREFUSED:
		return sockstate.OutcomeRefused
	case syscall.ETIMEDOUT:
		return sockstate.OutcomeConnectTimeout
	case syscall.EADDRNOTAVAIL:
		// From bind it means an address that is not local.
		if op == sockio.OpConnect {
			return sockstate.OutcomeNoLocalPort
		}
	case syscall.EADDRINUSE:
		return sockstate.OutcomeNoLocalPort
	case syscall.EMFILE, syscall.ENFILE:
		return sockstate.OutcomeNoFD
	case syscall.ENOMEM, syscall.ENOBUFS:
		return sockstate.OutcomeNoMemory
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return sockstate.OutcomeUnreachable
	}
	if sent && sockio.MayBeICMP(e) {
		return sockstate.OutcomeUnreachable
	}
	return sockstate.OutcomeOther
}
