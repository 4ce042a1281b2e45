package ladder

import "lastack/sockstate"

// Machine infers the states of an end from the packets that it sends and receives, by RFC 9293, sections 3.5 and 3.6. It cannot know what
// its program does, or when a timer ends a state.
//
//	CLOSED   > SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT
//	LISTEN   > SYN_RECV > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED
//	                                    FIN_WAIT_1 > CLOSING > TIME_WAIT
type Machine struct {
	State sockstate.State
	// fin is the number behind its FIN.
	fin uint32
}

// Sent takes a packet that the end has sent.
func (m *Machine) Sent(p *Packet) {
	switch {
	case p.Flags.Has(RST):
		m.State = sockstate.Closed
	case p.Flags.Has(SYN) && !p.Flags.Has(ACK):
		m.State = sockstate.SynSent
	case p.Flags.Has(SYN) && m.State == sockstate.Listen:
		m.State = sockstate.SynRecv
	case p.Flags.Has(FIN):
		m.fin = p.next()
		switch m.State {
		case sockstate.Established, sockstate.SynRecv:
			m.State = sockstate.FinWait1
		case sockstate.CloseWait:
			m.State = sockstate.LastAck
		}
	}
}

// Received takes a packet that the end has received.
func (m *Machine) Received(p *Packet) {
	if p.Flags.Has(RST) {
		if m.State != sockstate.Listen {
			m.State = sockstate.Closed
		}
		return
	}
	switch acked := p.Flags.Has(ACK) && p.Ack == m.fin; {
	case m.State == sockstate.SynSent && p.Flags.Has(SYN|ACK):
		m.State = sockstate.Established
	case m.State == sockstate.SynRecv && p.Flags.Has(ACK):
		m.State = sockstate.Established
	case m.State == sockstate.FinWait1 && acked:
		m.State = sockstate.FinWait2
	case m.State == sockstate.Closing && acked:
		m.State = sockstate.TimeWait
	case m.State == sockstate.LastAck && acked:
		m.State = sockstate.Closed
	}
	if !p.Flags.Has(FIN) {
		return
	}
	switch m.State {
	case sockstate.Established:
		m.State = sockstate.CloseWait
	case sockstate.FinWait1:
		m.State = sockstate.Closing
	case sockstate.FinWait2:
		m.State = sockstate.TimeWait
	}
}
