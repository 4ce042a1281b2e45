// Package pcapng writes the packets of a handshake as a capture that Wireshark and tshark read. What is known beside the packets is in their
// comments: the states of both ends, whether a packet was lost, and what it means.
package pcapng

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"lastack/bench/record"
)

// Write writes the packets of all ladders, one after the other. A packet has the time at which it was sent, by the wall clock.
func Write(w io.Writer, run *record.Run) error {
	link := pcapgo.DefaultNgInterface
	link.Name, link.LinkType = "relay", layers.LinkTypeRaw
	link.Description = "packets as the relay between both ends took them from their sender"
	if all := run.Handshake.Ladders; len(all) > 0 && all[0].Link != "" {
		link.Name, link.Description = all[0].Link, "packets as the client's host sent and received them, without their link's header"
	}
	section := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "lastack " + run.Version}}
	out, err := pcapgo.NewNgWriterInterface(w, link, section)
	if err != nil {
		return err
	}
	for i := range run.Handshake.Ladders {
		l := &run.Handshake.Ladders[i]
		began := l.Started
		if began.IsZero() {
			began = run.Started
		}
		for j := range l.Packets {
			p := &l.Packets[j]
			info := gopacket.CaptureInfo{
				Timestamp: began.Add(time.Duration(p.AtS * float64(time.Second))), CaptureLength: len(p.Raw), Length: len(p.Raw),
			}
			if err := out.WritePacketWithOptions(info, p.Raw, pcapgo.NgPacketOptions{Comments: comments(l, j)}); err != nil {
				return err
			}
		}
	}
	return out.Flush()
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
