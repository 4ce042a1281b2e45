package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// LatencySum adds latencies, bucket by bucket: the sum is what one histogram of all their values would be. The zero value is empty.
//
// A merge of many records adds tens of thousands of them. So the sum is an array, in pages of which it has those with values, and an encoded
// histogram is added to it without making one.
type LatencySum struct {
	pages []*[pageBuckets]uint32
	used  int // of the pages
	// over has what does not fit into them, in units of 2^32.
	over  map[int]int64
	count int64
}

const (
	pageBuckets = 256
	// Of the buckets of HdrHistogram with three digits and 1 ns as the smallest value, the first 2048 hold one value each, and each following
	// 1024 twice as many as those before.
	subBuckets = 1024
	numBuckets = (highestMagnitude + 2) * subBuckets
	// highestMagnitude is by how often the last buckets' width has doubled.
	highestMagnitude = 31
)

// bucketOf is the number of the bucket that holds a value; bucketValue is the smallest value of a bucket.
func bucketOf(ns int64) int {
	magnitude := max(bits.Len64(uint64(ns))-11, 0)
	return magnitude*subBuckets + int(ns>>magnitude)
}

func bucketValue(i int) int64 {
	magnitude := max(i/subBuckets-1, 0)
	return int64(i-magnitude*subBuckets) << magnitude
}

// Add adds a latency. The error is ErrNoHistogram, or says how the encoding is damaged.
func (s *LatencySum) Add(l *Latency) error {
	switch {
	case l.Count == 0 && l.Hdr == "":
		return nil
	case l.Hdr == "":
		return ErrNoHistogram
	case len(l.Hdr) > maxText:
		return errors.New("the latency histogram is damaged: it is too long")
	case l.Count > math.MaxInt64-s.count:
		return errors.New("the latency histogram is damaged: it holds more values than there can be")
	}
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	if counts, ok := d.decode(l.Hdr); ok {
		n, total, ok := s.addCounts(counts, 1, &d.steps)
		if ok && total == l.Count {
			return nil
		}
		s.addCounts(counts[:n], -1, &d.steps)
	}
	// The library takes what is encoded in another way, or says what is wrong. The packed form takes memory by its values, and not by the
	// range that it claims.
	h, err := hdr.DecodePacked([]byte(l.Hdr))
	if err != nil {
		return fmt.Errorf("the latency histogram is damaged: %w", err)
	}
	if err := checkGeometry(h); err != nil {
		return err
	}
	// Its total is not the sum of the counts if that is more than it can be.
	total := int64(0)
	for _, n := range h.ForEachBucket {
		if n > math.MaxInt64-total {
			return errors.New("the latency histogram is damaged: it holds more values than there can be")
		}
		total += n
	}
	if err := l.checkCount(total); err != nil {
		return err
	}
	for ns, n := range h.ForEachBucket {
		s.add(bucketOf(ns), n)
	}
	return nil
}

func (s *LatencySum) add(bucket int, n int64) {
	s.count += n
	p := s.page(bucket)
	sum := int64(p[uint(bucket)%pageBuckets]) + n
	p[uint(bucket)%pageBuckets] = uint32(sum)
	if over := sum >> 32; over != 0 {
		if s.over == nil {
			s.over = make(map[int]int64)
		}
		s.over[bucket] += over
	}
}

// page is the page of a bucket.
func (s *LatencySum) page(bucket int) *[pageBuckets]uint32 {
	if s.pages == nil {
		s.pages = make([]*[pageBuckets]uint32, numBuckets/pageBuckets)
	}
	p := &s.pages[uint(bucket)/pageBuckets]
	if *p == nil {
		*p = new([pageBuckets]uint32)
		s.used++
	}
	return *p
}

// addCounts adds encoded buckets, sign times: the count of each, or, as a negative number, how many have none. It returns how many bytes it
// has added, the sum of their counts, and whether that was all.
func (s *LatencySum) addCounts(b []byte, sign int64, steps *steps) (n int, total int64, ok bool) {
	for at := int64(0); n < len(b); {
		if sign > 0 {
			length, next, added := s.addShort(b[n:], at, steps)
			n, at, total = n+length, next, total+added
			if n == len(b) {
				break
			}
		}
		u, length := uint64(b[n]), 1
		if u >= 0x80 {
			// A number of nine bytes is encoded otherwise than here, and no count has so many.
			if u, length = binary.Uvarint(b[n:min(n+8, len(b))]); length <= 0 {
				return n, total, false
			}
		}
		v := int64(u>>1) ^ -int64(u&1) // zigzag
		n += length
		switch {
		case v < 0 && -v > numBuckets-at:
			return n - length, total, false
		case v < 0:
			at -= v
			continue
		case at >= numBuckets || v > math.MaxInt64/numBuckets:
			return n - length, total, false
		case v > 0:
			s.add(int(at), sign*v)
			total += v
		}
		at++
	}
	return n, total, true
}

// addShort adds encoded buckets from the bucket at on, as long as they have one or two bytes and their sums 32 bits: all but a few. It returns how
// many bytes it added, the bucket that follows, and the sum of the counts.
func (s *LatencySum) addShort(b []byte, at int64, steps *steps) (n int, next, total int64) {
	for at < numBuckets && len(b)-n >= wordSize {
		first := at &^ (pageBuckets - 1)
		length, i, added := addToPage(s.page(int(at)), b[n:], uint64(at-first), steps)
		n, at, total = n+length, first+int64(i), total+added
		if i < pageBuckets {
			break
		}
	}
	s.count += total
	return n, at, total
}

// addToPage is addShort within a page, from its bucket i on. Lengths and signs come in no order that a CPU could predict, so nothing branches on them;
// and it reads eight bytes at a time, so that a number does not wait until the length of the last one is known.
func addToPage(page *[pageBuckets]uint32, b []byte, i uint64, steps *steps) (n int, next uint64, total int64) {
	const every, exceptLast = 0x8080808080808080, 0x0080808080808080 // the bit that says that a number goes on
	for len(b)-n >= wordSize {
		w := binary.LittleEndian.Uint64(b[n:])
		if w&every == 0 {
			for range wordSize {
				if i >= pageBuckets {
					return n, i, total
				}
				step := steps[w&0x7f]
				sum := page[i] + uint32(step>>32)
				if sum < uint32(step>>32) {
					return n, i, total
				}
				page[i] = sum
				total += int64(step >> 32)
				i += step & math.MaxUint32
				w >>= 8
				n++
			}
			continue
		}
		if w&(w>>8)&exceptLast != 0 {
			break
		}
		for range wordSize / 2 {
			if i >= pageBuckets {
				return n, i, total
			}
			two := w >> 7 & 1
			v := unzigzag(uint32(w&0x7f | w>>1&0x3f80&-two))
			negative := v >> 31 // all bits, or none
			count := uint32(v &^ negative)
			sum := page[i] + count
			if sum < count {
				return n, i, total
			}
			page[i] = sum
			total += int64(count)
			n += 1 + int(two)
			i += uint64(1&^negative | -v&negative)
			w >>= 8 + two*8
		}
	}
	return n, i, total
}

const wordSize = 8

// steps has, for each number of one byte, its count<<32 and the buckets to the next.
type steps [128]uint64

func (s *steps) make() {
	for u := range s {
		if v := unzigzag(uint32(u)); v < 0 {
			s[u] = uint64(-v)
		} else {
			s[u] = uint64(v)<<32 | 1
		}
	}
}

func unzigzag(u uint32) int32 { return int32(u>>1) ^ -int32(u&1) }

// Latency is the sum.
func (s *LatencySum) Latency() (Latency, error) {
	if s.count == 0 {
		return Latency{}, nil
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	encoded, err := e.encode(s)
	if err != nil {
		return Latency{}, fmt.Errorf("encode a latency histogram: %w", err)
	}
	l := s.summary()
	l.Hdr = string(encoded)
	return l, nil
}

// summary is what Summarize makes of the same values, of which there are some.
func (s *LatencySum) summary() Latency {
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	l := Latency{Count: s.count}
	quantiles := []struct {
		rank int64
		to   *float64
	}{{Rank(50, s.count), &l.P50Us}, {Rank(90, s.count), &l.P90Us}, {Rank(99, s.count), &l.P99Us}, {Rank(99.9, s.count), &l.P999Us}, {s.count, &l.MaxUs}}
	var seen int64
	var mean float64
	for i, n := range s.counts {
		value, next := bucketValue(i), bucketValue(i+1)
		if seen == 0 {
			l.MinUs = us(value)
		}
		mean += float64(n) * float64(value+(next-value)/2) / float64(s.count)
		for seen += n; len(quantiles) > 0 && quantiles[0].rank <= seen; quantiles = quantiles[1:] {
			*quantiles[0].to = us(next - 1)
		}
	}
	l.MeanUs = mean / 1e3
	return l
}

// AddSum adds another sum.
func (s *LatencySum) AddSum(other *LatencySum) {
	for i, n := range other.counts {
		s.add(i, n)
	}
}

// Pages is how much memory the sum takes, in units of 1 KB.
func (s *LatencySum) Pages() int { return s.used }

// Count is how many values there are.
func (s *LatencySum) Count() int64 { return s.count }

// SumNs is the sum of the values, as far as their buckets tell.
func (s *LatencySum) SumNs() float64 {
	sum := 0.0
	for ns, n := range s.Buckets {
		width := int64(1) << max(bits.Len64(uint64(ns))-11, 0)
		sum += float64(n) * float64(ns+width/2)
	}
	return sum
}

// Buckets yields the buckets that have values, in their order: the smallest value of each in nanoseconds, and how many it has.
func (s *LatencySum) Buckets(yield func(ns, count int64) bool) {
	for i, n := range s.counts {
		if !yield(bucketValue(i), n) {
			return
		}
	}
}

// counts yields them by the number of the bucket.
func (s *LatencySum) counts(yield func(bucket int, count int64) bool) {
	for i, p := range s.pages {
		if p == nil {
			continue
		}
		for k, n := range p {
			bucket := i*pageBuckets + k
			if n := int64(n) + s.over[bucket]<<32; n > 0 && !yield(bucket, n) {
				return
			}
		}
	}
}
