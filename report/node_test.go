package report

import (
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// node is JSON, read without the types that the report reads it with.
type node struct{ v any }

func parseNode(t testing.TB, b []byte) node {
	t.Helper()
	var n node
	if err := json.Unmarshal(b, &n.v); err != nil {
		t.Fatal(err)
	}
	return n
}

// at follows keys.
func (n node) at(keys ...string) node {
	for _, key := range keys {
		m, _ := n.v.(map[string]any)
		n = node{m[key]}
	}
	return n
}

func (n node) items() (list []node) {
	all, _ := n.v.([]any)
	for _, v := range all {
		list = append(list, node{v})
	}
	return list
}

func (n node) keys() []string {
	m, _ := n.v.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

// num is 0 if there is none, as a record leaves out zeros.
func (n node) num() float64 { v, _ := n.v.(float64); return v }

func (n node) text() string { s, _ := n.v.(string); return s }

// gap is NaN if there is no number.
func (n node) gap() float64 {
	if v, ok := n.v.(float64); ok {
		return v
	}
	return math.NaN()
}

func (n node) sum(keys ...string) (sum float64) {
	for _, key := range keys {
		sum += n.at(key).num()
	}
	return sum
}

// histogram decodes one in microseconds.
func (n node) histogram(t testing.TB) *hdr.Histogram {
	t.Helper()
	h, err := hdr.Decode([]byte(n.at("hdr").text()))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// percentileUs is the least value that at least this percentage of all is not above, in microseconds: counted from the slots, not asked of the library.
func percentileUs(h *hdr.Histogram, percent string) float64 {
	p, ok := new(big.Rat).SetString(percent)
	if !ok {
		return math.NaN()
	}
	p.Mul(p, big.NewRat(h.TotalCount(), 100))
	var below int64
	for _, slot := range h.Distribution() {
		if below += slot.Count; slot.Count > 0 && p.Cmp(new(big.Rat).SetInt64(below)) <= 0 {
			if p.Sign() == 0 {
				return float64(slot.From) / 1e3
			}
			return float64(slot.To) / 1e3
		}
	}
	return math.NaN()
}
