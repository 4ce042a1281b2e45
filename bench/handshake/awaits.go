package handshake

import (
	"slices"
	"strconv"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// Awaits lists the states for whose end Follow waits, as they are predicted: TIME_WAIT, and FIN_WAIT_2 without a process. It is empty if no
// end will be in either.
func (s *Setup) Awaits() (all []sockstate.State) {
	if !s.Follow {
		return nil
	}
	q := teardown.Predict(s.Close, s.OnEOF, s.Exchange, teardown.Env{FinTimeout: s.finTimeout()})
	ends := func(last ...sockstate.State) bool {
		for side := range q.Paths {
			if s.Target.IsValid() && sockstate.Side(side) == sockstate.Server {
				continue // its minisockets are not seen
			}
			for _, p := range q.Paths[side] {
				if n := len(p) - len(last); n >= 0 && slices.Equal(p[n:], last) {
					return true
				}
			}
		}
		return false
	}
	if ends(sockstate.TimeWait) {
		all = append(all, sockstate.TimeWait)
	}
	if ends(sockstate.FinWait2, sockstate.Closed) && s.OnEOF.Kind != teardown.ReactRST {
		all = append(all, sockstate.FinWait2)
	}
	return all
}

// finTimeout is the sandbox's tcp_fin_timeout, 0 if it is the kernel's default.
func (s *Spec) finTimeout() time.Duration {
	for _, c := range slices.Backward(s.Sysctls) {
		if c.Key == "net.ipv4.tcp_fin_timeout" {
			n, _ := strconv.Atoi(c.Value) // the kernel refuses what is no number
			return time.Duration(n) * time.Second
		}
	}
	return 0
}
