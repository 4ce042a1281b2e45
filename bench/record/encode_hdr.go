package record

import (
	"bytes"
	"slices"
)

// As a decoder reads the histograms of a timeline several times (see intake_hdr.go), an encoder copies each of their bytes several times. So
// it gets marks in their place.

// withoutHistograms is r with marks in place of the histograms of its timeline, and those histograms.
func (r *Run) withoutHistograms() (*Run, []string) {
	var histograms []string
	light := *r
	light.Timeline = slices.Clone(r.Timeline)
	for i := range light.Timeline {
		iv := &light.Timeline[i]
		for _, l := range []**Latency{&iv.Lifecycle, &iv.Connect} {
			if *l != nil && isBase64((*l).Hdr) {
				histograms = append(histograms, (*l).Hdr)
				marked := **l
				marked.Hdr = mark
				*l = &marked
			}
		}
	}
	return &light, histograms
}

// insert puts histograms in the place of their marks. It is not ok if there are others.
func insert(b []byte, histograms []string) ([]byte, bool) {
	if len(histograms) == 0 {
		return b, true
	}
	size := len(b)
	for _, h := range histograms {
		size += len(h) - len(mark)
	}
	whole := make([]byte, 0, size)
	for _, key := range []string{`"hdr": "`, `"hdr":"`} { // indented, and not
		if bytes.Count(b, []byte(key+mark+`"`)) != len(histograms) {
			continue
		}
		for _, h := range histograms {
			at := bytes.Index(b, []byte(key+mark+`"`)) + len(key)
			whole = append(append(whole, b[:at]...), h...)
			b = b[at+len(mark):]
		}
		return append(whole, b...), true
	}
	return nil, false
}

// base64Letters has a bit for each byte of base64, which an encoder of JSON leaves as they are.
var base64Letters = [256 / 64]uint64{
	1<<'+' | 1<<'/' | (1<<10-1)<<'0' | 1<<'=',
	(1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64),
}

func isBase64(s string) bool {
	for i := range len(s) {
		if base64Letters[s[i]/64]>>(s[i]%64)&1 == 0 {
			return false
		}
	}
	return s != ""
}
