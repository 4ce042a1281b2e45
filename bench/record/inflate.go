package record

import (
	"encoding/binary"
	"hash/adler32"
	"math/bits"
)

// inflater decompresses what zlib compressed (RFC 1950 and 1951), a short text at a time, from memory to memory. A merge of
// many records does hardly anything else. compress/zlib, which reads its source byte by byte, takes three times as long, and
// klauspost/compress would take half a millisecond at each start of the program. A text that this refuses can still be good: the library judges.
type inflater struct {
	src  []byte // with padding behind it
	pos  int
	acc  uint64 // the next bits, the first one lowest
	have uint   // how many of them count
	over bool   // the text has ended too early

	literals, distances, lengths codes
}

// padding behind the text lets eight bytes be read at any place in it.
const padding = 16

// codes has, for the next bits of the text, which symbol's code they begin with and how long that is: symbol<<4 | length, or noCode.
type codes struct {
	table [1 << maxCode]uint16
	mask  uint64
}

// noCode is a symbol that there is not, in no bits.
const noCode = 511 << 4

// Limits of RFC 1951.
const (
	maxCode                          = 15
	numLiterals, numDistances        = 286, 30
	endOfBlock, numLengths, maxMatch = 256, 19, 258
)

// The smallest length and distance of a symbol, and how many bits add to it.
var (
	lengthBase   = [...]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthMore   = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase = [...]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceMore = [...]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	// lengthOrder is the order in which a block gives the lengths of the codes of lengths.
	lengthOrder = [numLengths]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// inflate decompresses src into dst, which must be empty, up to a length of most. It overwrites the padding behind src, if there is room for it.
func (z *inflater) inflate(dst, src []byte, most int) ([]byte, bool) {
	end := len(src)
	if end < 6 || src[0] != 0x78 || src[1]&0x20 != 0 || binary.BigEndian.Uint16(src)%31 != 0 {
		return dst, false
	}
	begin := len(dst)
	z.src = append(src, make([]byte, padding)...)
	z.pos, z.acc, z.have, z.over = 2, 0, 0, false
	for last := false; !last; {
		last = z.bits(1) == 1
		var ok bool
		switch z.bits(2) {
		case 0:
			dst, ok = z.stored(dst, end)
		case 1:
			z.fixed()
			dst, ok = z.block(dst, most)
		case 2:
			if ok = z.header(); ok {
				dst, ok = z.block(dst, most)
			}
		}
		if !ok || z.over || len(dst) > most {
			return dst, false
		}
	}
	z.align()
	return dst, z.pos+4 == end && binary.BigEndian.Uint32(z.src[z.pos:]) == adler32.Checksum(dst[begin:])
}

// refill makes at least 56 bits count.
func (z *inflater) refill() {
	if z.pos+8 > len(z.src) {
		z.over = true
		z.have |= 56
		return
	}
	z.acc |= binary.LittleEndian.Uint64(z.src[z.pos:]) << z.have
	z.pos += int((63 - z.have) >> 3)
	z.have |= 56
}

// bits takes the next n bits, up to 16.
func (z *inflater) bits(n uint) uint {
	if z.have < n {
		z.refill()
	}
	v := uint(z.acc & (1<<n - 1))
	z.acc >>= n
	z.have -= n
	return v
}

// align goes to the next whole byte.
func (z *inflater) align() {
	z.pos -= int(z.have >> 3)
	z.acc, z.have = 0, 0
}

// stored appends a block that is not compressed.
func (z *inflater) stored(dst []byte, end int) ([]byte, bool) {
	z.align()
	if z.pos+4 > end {
		return dst, false
	}
	n, inverse := int(binary.LittleEndian.Uint16(z.src[z.pos:])), binary.LittleEndian.Uint16(z.src[z.pos+2:])
	if z.pos += 4; inverse != ^uint16(n) || z.pos+n > end {
		return dst, false
	}
	dst = append(dst, z.src[z.pos:z.pos+n]...)
	z.pos += n
	return dst, true
}

// fixed sets the codes of a block that has none of its own.
func (z *inflater) fixed() {
	var literals [288]uint8
	var distances [32]uint8
	for i := range literals {
		switch {
		case i < 144, i >= 280:
			literals[i] = 8
		case i < 256:
			literals[i] = 9
		default:
			literals[i] = 7
		}
	}
	for i := range distances {
		distances[i] = 5
	}
	z.literals.set(literals[:])
	z.distances.set(distances[:])
}

// header reads the codes of a block.
func (z *inflater) header() bool {
	literals, distances, n := z.bits(5)+257, z.bits(5)+1, z.bits(4)+4
	var of [numLengths]uint8
	for _, i := range lengthOrder[:n] {
		of[i] = uint8(z.bits(3))
	}
	if literals > numLiterals || distances > numDistances || !z.lengths.set(of[:]) {
		return false
	}
	var all [numLiterals + numDistances]uint8
	for i := uint(0); i < literals+distances; {
		if z.have < maxCode {
			z.refill()
		}
		e := z.lengths.table[z.acc&z.lengths.mask]
		if e == noCode || z.over {
			return false
		}
		z.bits(uint(e & 15))
		length, repeat := uint8(e>>4), uint(1)
		switch length {
		case 16:
			if i == 0 {
				return false
			}
			length, repeat = all[i-1], z.bits(2)+3
		case 17:
			length, repeat = 0, z.bits(3)+3
		case 18:
			length, repeat = 0, z.bits(7)+11
		}
		if i+repeat > literals+distances {
			return false
		}
		for ; repeat > 0; repeat-- {
			all[i] = length
			i++
		}
	}
	return z.literals.set(all[:literals]) && z.distances.set(all[literals:literals+distances])
}

// set makes the codes of symbols with these lengths (RFC 1951, section 3.2.2).
func (c *codes) set(lengths []uint8) bool {
	var count, next [maxCode + 2]uint
	longest := uint8(1)
	for _, l := range lengths {
		count[l]++
		longest = max(longest, l)
	}
	count[0] = 0
	var code, place [maxCode + 2]uint // the first of each length
	for l := 1; l <= maxCode; l++ {
		if code[l]+count[l] > 1<<l {
			return false // more than there are
		}
		code[l+1] = (code[l] + count[l]) << 1
		place[l+1] = place[l] + count[l]
	}
	var ordered [288]uint16 // the symbols by the length of their codes
	next = place
	for symbol, l := range lengths {
		if l > 0 {
			ordered[next[l]] = uint16(symbol)
			next[l]++
		}
	}
	// A table of codes one bit longer begins as that of the shorter ones, twice: so each symbol is written once.
	c.table[0] = noCode
	for l := uint8(1); l <= longest; l++ {
		half := 1 << (l - 1)
		copy(c.table[half:2*half], c.table[:half])
		for i, symbol := range ordered[place[l]:place[l+1]] {
			c.table[bits.Reverse16(uint16(code[l])+uint16(i))>>(16-l)] = symbol<<4 | uint16(l)
		}
	}
	c.mask = 1<<longest - 1
	return true
}

// block appends a block whose codes the header gave.
func (z *inflater) block(dst []byte, most int) ([]byte, bool) {
	acc, have, n := z.acc, z.have, len(dst)
	dst = dst[:cap(dst)]
	for {
		if have < 48 { // the most that one match takes
			z.acc, z.have = acc, have
			z.refill()
			acc, have = z.acc, z.have
		}
		if len(dst)-n < maxMatch {
			if n > most {
				return dst[:n], false
			}
			dst = append(dst[:n], make([]byte, n+8<<10)...)
		}
		e := z.literals.table[acc&z.literals.mask]
		acc >>= e & 15
		have -= uint(e & 15)
		symbol := int(e >> 4)
		if symbol < endOfBlock {
			dst[n] = byte(symbol)
			n++
			// Mostly more follow, and two have their bits already.
			for range 2 {
				if e = z.literals.table[acc&z.literals.mask]; e>>4 >= endOfBlock {
					break
				}
				acc >>= e & 15
				have -= uint(e & 15)
				dst[n] = byte(e >> 4)
				n++
			}
			continue
		}
		switch {
		case z.over:
			return dst[:n], false
		case symbol == endOfBlock:
			z.acc, z.have = acc, have
			return dst[:n], true
		}
		if symbol -= endOfBlock + 1; symbol >= len(lengthBase) {
			return dst[:n], false
		}
		more := lengthMore[symbol]
		end := n + int(lengthBase[symbol]) + int(acc&(1<<more-1))
		acc >>= more
		have -= uint(more)
		e = z.distances.table[acc&z.distances.mask]
		if int(e>>4) >= len(distanceBase) {
			return dst[:n], false
		}
		acc >>= e & 15
		more = distanceMore[e>>4]
		back := int(distanceBase[e>>4]) + int(acc&(1<<more-1))
		acc >>= more
		have -= uint(e&15) + uint(more)
		if back > n {
			return dst[:n], false
		}
		for from := n - back; n < end; {
			n += copy(dst[n:end], dst[from:n])
		}
	}
}
