package record

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// The histograms of a timeline are most of a record's text, and the decoder of JSON reads each of its bytes several times. So the intake cuts
// them out, and leaves a mark for each in its place.

// histogramText is a histogram that was cut out, and where its mark begins.
type histogramText struct {
	at   int
	text string
}

// mark begins a mark; its number follows.
const mark = "#"

// cutHistogram ends a histogram. One that means something else in JSON than its bytes stays in the text, for the decoder to judge.
func (in *intake) cutHistogram() {
	in.cutting = false
	p := &in.timeline[len(in.timeline)-1]
	if !isPlain(in.histogram) {
		p.restore()
	}
	if len(in.histogram) == 0 || p.restored {
		p.text = append(p.text, in.histogram...)
		return
	}
	p.histograms = append(p.histograms, histogramText{len(p.text), in.keep(in.histogram)})
	p.text = strconv.AppendInt(append(p.text, mark...), int64(len(p.histograms)-1), 10)
}

// keep makes a text of b, in one piece of memory with others: a long timeline has tens of thousands.
func (in *intake) keep(b []byte) string {
	const room = 64 << 10
	if in.kept.Cap()-in.kept.Len() < len(b) {
		in.kept = strings.Builder{}
		in.kept.Grow(max(room, len(b)))
	}
	at := in.kept.Len()
	in.kept.Write(b)
	return in.kept.String()[at:]
}

// putBack puts the histograms into the decoded intervals.
func (p *piece) putBack(ivs []Interval) {
	for i := range ivs {
		for _, l := range []*Latency{ivs[i].Lifecycle, ivs[i].Connect} {
			if l == nil {
				continue
			}
			number, marked := strings.CutPrefix(l.Hdr, mark)
			if n, err := strconv.Atoi(number); marked && err == nil && n >= 0 && n < len(p.histograms) {
				l.Hdr = p.histograms[n].text
			}
		}
	}
}

// restore makes the text what it was, and has it stay so: something in it could be taken for a mark, or a mark's key for another.
func (p *piece) restore() {
	p.text, p.histograms, p.restored = p.whole(), nil, true
}

// whole is the text as it was.
func (p *piece) whole() []byte {
	var b []byte
	done := 0
	for i, h := range p.histograms {
		b = append(append(b, p.text[done:h.at]...), h.text...)
		done = h.at + len(mark) + len(strconv.Itoa(i))
	}
	return append(b, p.text[done:]...)
}

// isPlain reports whether all bytes are ASCII, no control characters and no backslash, so that they are what they mean in JSON.
func isPlain(b []byte) bool {
	if bytes.IndexByte(b, '\\') >= 0 {
		return false
	}
	// Eight at a time: less 0x20, a control character has the highest bit.
	const ones, highest = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if v := binary.LittleEndian.Uint64(b); (v|(v-0x20*ones))&highest != 0 {
			return false
		}
	}
	for _, c := range b {
		if c < 0x20 || c >= 0x80 {
			return false
		}
	}
	return true
}
