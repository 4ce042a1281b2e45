// Package pcapng writes the packets of a handshake as a capture that Wireshark and tshark read. What is known beside the packets is in their
// comments: the states of both ends, whether a packet was lost, and what it means.
package pcapng

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"lastack/bench/record"
)

// Write writes the packets of all ladders, one after the other. A packet has the time at which it was sent, by the wall clock.
func Write(w io.Writer, run *record.Run) error {
	link, description := "relay", "packets as the relay between both ends took them from their sender"
	if all := run.Handshake.Ladders; len(all) > 0 && all[0].Link != "" {
		link, description = all[0].Link, "packets as the client's host sent and received them, without their link's header"
	}
	b := header("lastack "+run.Version, link, description)
	for i := range run.Handshake.Ladders {
		l := &run.Handshake.Ladders[i]
		began := l.Started
		if began.IsZero() {
			began = run.Started
		}
		for j := range l.Packets {
			p := &l.Packets[j]
			b = packet(b, began.Add(time.Duration(p.AtS*float64(time.Second))), p.Raw, comments(l, j))
		}
	}
	_, err := w.Write(b)
	return err
}

// header is the beginning of a capture that program made: a section, and an interface.
func header(program, link, description string) []byte {
	b := block(nil, sectionHeader, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, byteOrderMagic)
		b = append(b, 1, 0, 0, 0) // version 1.0
		b = binary.LittleEndian.AppendUint64(b, sectionLengthUnset)
		return option(option(b, application, program), 0, "")
	})
	return block(b, interfaceDescription, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, linkTypeRaw)
		b = binary.LittleEndian.AppendUint32(b, 0) // no packet is cut
		b = option(option(b, interfaceName, link), interfaceText, description)
		b = option(b, interfaceSystem, "linux")
		return option(option(b, timeResolution, string(rune(nanoseconds))), 0, "")
	})
}

// packet appends one.
func packet(b []byte, at time.Time, raw []byte, comments []string) []byte {
	return block(b, enhancedPacket, func(b []byte) []byte {
		ns := uint64(at.UnixNano())
		for _, v := range []uint32{0, uint32(ns >> 32), uint32(ns), uint32(len(raw)), uint32(len(raw))} { // interface 0, cut to its whole length
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = padded(b, raw)
		for _, c := range comments {
			b = option(b, comment, c)
		}
		return option(b, 0, "")
	})
}

// comments are those of a packet.
func comments(l *record.Ladder, packet int) (all []string) {
	p := &l.Packets[packet]
	if name := strings.Trim(l.Drill+", "+l.Case, ", "); name != "" {
		all = append(all, name)
	}
	all = append(all, "sent: client "+p.Before.Client+", server "+p.Before.Server)
	switch {
	case p.Fate == record.Lost:
		all = append(all, "lost on its way")
	case p.ArrivedS != nil:
		all = append(all, fmt.Sprintf("arrived after %.3f ms: client %s, server %s", (*p.ArrivedS-p.AtS)*1e3, p.After.Client, p.After.Server))
	}
	if p.Replayed {
		all = append(all, "a copy that the network delivers late")
	}
	for i := range l.Steps {
		if s := &l.Steps[i]; s.Packet == packet+1 && !s.Arrival {
			all = append(all, s.Text)
		}
	}
	return all
}
