package pcapng

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// The blocks and options of pcapng that a capture of one interface needs: draft-ietf-opsawg-pcapng, sections 3.5 and 4. gopacket's writer
// writes the same bytes, which a test holds; but in the program its tables would be 5 MB more for each garbage collection to look through.
const (
	sectionHeader        = 0x0a0d0d0a
	interfaceDescription = 1
	enhancedPacket       = 6

	comment            = 1
	interfaceName      = 2
	interfaceText      = 3
	application        = 4
	timeResolution     = 9
	interfaceSystem    = 12
	byteOrderMagic     = 0x1a2b3c4d
	linkTypeRaw        = 101 // a packet begins with its IP header
	nanoseconds        = 9   // of a time: 10^-9 s
	sectionLengthUnset = 1<<64 - 1
)

// block appends a block to b: its type, its length, what fill appends, and its length again.
func block(b []byte, kind uint32, fill func([]byte) []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = fill(binary.LittleEndian.AppendUint32(b, 0))
	length := uint32(len(b) - start + 4)
	binary.LittleEndian.PutUint32(b[start+4:], length)
	return binary.LittleEndian.AppendUint32(b, length)
}

// option appends an option, cut to the length that it can have, between two characters. A list of options ends with one of code 0 and without a value.
func option(b []byte, code uint16, value string) []byte {
	if end := math.MaxUint16; len(value) > end {
		for end > math.MaxUint16-utf8.UTFMax && !utf8.RuneStart(value[end]) {
			end--
		}
		value = value[:end]
	}
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return padded(b, value)
}

// padded appends bytes, up to a multiple of four.
func padded[T string | []byte](b []byte, value T) []byte {
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}
