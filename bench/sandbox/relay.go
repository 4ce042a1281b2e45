package sandbox

import "lastack/sockstate"

// Frame is an Ethernet frame at the relay.
type Frame struct {
	// From is the side that sent it.
	From sockstate.Side
	// At is when the relay received it, on the clock of clock.Now.
	At int64
	// Data begins with the Ethernet header.
	Data []byte
}

// EthernetHeader is the length of a frame's header; the IP packet follows it.
const EthernetHeader = 14

// Packet is the frame's IP packet.
func (f *Frame) Packet() []byte { return f.Data[min(EthernetHeader, len(f.Data)):] }
