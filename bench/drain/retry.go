package drain

import "lastack/loadgen"

// retry says whether a lost request may be sent again.
type retry uint8

const (
	retryUnsafe      retry = iota // the server may have begun it
	retrySafe                     // it has certainly not read it whole
	retryUnreceived               // nor had its kernel received it whole
	retryArrivedLate              // and it arrived after the server had closed the connection
)

// retry judges a lost request. When a server closes a socket, the kernel sends a FIN if the process has read all that arrived, and an RST
// if not (tcp_close). A FIN acknowledges all that arrived, and so does the RST of a close. So
//
//	failed before all of it was passed to the kernel   it never left whole
//	RST before the request was sent                    it arrived after the close
//	FIN that does not acknowledge all of it            likewise
//	FIN that does                                      it was read: the server may have begun it
//	RST alone that does not acknowledge all of it      it had not arrived whole
//	RST alone that does, and nobody uses SO_LINGER 0   it arrived and was not read whole, or was never accepted
//
// With SO_LINGER 0 (TCPAbortOnData) an RST says nothing about what was read.
func (j *joined) retry(r *request, aborts bool) retry {
	if r.Touched || r.Fate != loadgen.CutByFIN && r.Fate != loadgen.CutByRST {
		return retryUnsafe
	}
	var end ending
	traced := r.conn != nil && r.conn.traced
	arrived := false
	if traced {
		end, arrived = r.conn.ending, r.arrived(&j.groups[r.Group])
	}
	switch {
	case traced && end.fin == 0 && end.rst != 0 && end.rst <= r.Sent, traced && end.fin != 0 && !arrived, !traced && r.Unacked:
		return retryArrivedLate
	case r.Unsent, traced && end.rst != 0 && end.known && !arrived:
		return retryUnreceived
	case !traced:
		return retryUnsafe
	case end.fin == 0 && end.rst != 0 && !aborts:
		return retrySafe
	}
	return retryUnsafe
}

// aborts reports whether the server may have closed with SO_LINGER 0. TCPAbortOnData counts that, and data that arrives after the server's
// FIN.
func (j *joined) aborts() bool {
	const counter = "TcpExtTCPAbortOnData"
	if !j.ownCounters || j.packets == nil || !j.counted(counter) {
		return true // not known
	}
	late := int64(0)
	for i := range j.requests {
		r := &j.requests[i]
		if r.conn == nil || !r.conn.traced || !r.Fate.Lost() {
			continue
		}
		if end := &r.conn.ending; end.fin != 0 && end.rst >= end.fin && !r.arrived(&j.groups[r.Group]) {
			late++
		}
	}
	return j.grown(counter) > late
}
