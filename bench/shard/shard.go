// Package shard divides a load among several processes: shard I of N has every N-th arrival of an open loop, and an N-th of all connections,
// counts and source addresses. It is pure.
package shard

import (
	"strconv"
	"strings"

	"lastack/sockstate"
)

// Shard is one of N processes, I from 0 to N-1. The zero value is a load that is not divided.
type Shard struct {
	I int `json:"i"`
	N int `json:"n"`
}

// Most is as many processes as a load may have.
const Most = 10_000

// Divided reports whether there are other shards.
func (s Shard) Divided() bool { return s.N > 1 }

// Part is the shard's part of n things: the first shards have one more where it does not divide evenly.
func (s Shard) Part(n int64) int64 {
	if !s.Divided() {
		return n
	}
	k := n / int64(s.N)
	if int64(s.I) < n%int64(s.N) {
		k++
	}
	return k
}

// Phase is the share of a gap between two arrivals of a shard by which its arrivals are later than those of shard 0.
func (s Shard) Phase() float64 {
	if !s.Divided() {
		return 0
	}
	return float64(s.I) / float64(s.N)
}

// Deal returns the shard's things, every N-th, or all if there are fewer than shards.
func Deal[T any](s Shard, all []T) []T {
	if !s.Divided() || len(all) < s.N {
		return all
	}
	var mine []T
	for i := s.I; i < len(all); i += s.N {
		mine = append(mine, all[i])
	}
	return mine
}

const help = "want I/N with I from 0 to N-1, like 0/4; N, if the environment says I; auto; or off"

// Parse reads I/N; N, whose I the environment tells; auto, which takes both from there and has one shard if it says nothing; or off.
func Parse(text string, getenv func(string) string) (Shard, error) {
	bad := func(format string, args ...any) (Shard, error) {
		return Shard{}, sockstate.BadValue("shard", text, format, args...)
	}
	found, err := find(getenv)
	switch text {
	case "off":
		return Shard{}, nil
	case "auto":
		if err == nil && found.index && found.N == 0 {
			return bad("%s says this is process %d, but not of how many: want --shard N", found.by, found.I)
		}
		return found.Shard, err
	}
	first, second, both := strings.Cut(text, "/")
	if !both {
		n, ok := number(first)
		switch {
		case !ok || n < 1 || n > Most:
			return bad(help)
		case err != nil:
			return Shard{}, err
		case !found.index:
			return bad("no variable of the environment says which of them this is: want I/%d, or one of %s", n, strings.Join(indexes(), ", "))
		case found.N != 0 && found.N != n:
			return bad("%s says that there are %d", found.by, found.N)
		}
		return Shard{found.I, n}.check(text)
	}
	i, ok1 := number(first)
	n, ok2 := number(second)
	if !ok1 || !ok2 {
		return bad(help)
	}
	return Shard{i, n}.check(text)
}

func (s Shard) check(text string) (Shard, error) {
	switch {
	case s.N < 1 || s.N > Most:
		return Shard{}, sockstate.BadValue("shard", text, "want 1 to %d shards", Most)
	case s.I < 0 || s.I >= s.N:
		return Shard{}, sockstate.BadValue("shard", text, "there is no shard %d of %d: they are 0 to %d", s.I, s.N, s.N-1)
	}
	return s, nil
}

func number(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil
}

// String is I/N.
func (s Shard) String() string { return strconv.Itoa(s.I) + "/" + strconv.Itoa(s.N) }

// Names lists shards, whose numbers rise, in a sentence: "shard 3", "shards 1, 2 and 5", "shards 0 and 16 to 63".
func Names(all []int) string {
	const fewest, most = 3, 8 // of a range that is one, and of words
	var words []string
	for i := 0; i < len(all); {
		n := 1
		for i+n < len(all) && all[i+n] == all[i]+n {
			n++
		}
		if n < fewest {
			n = 1
		}
		w := strconv.Itoa(all[i])
		if n > 1 {
			w += " to " + strconv.Itoa(all[i+n-1])
		}
		if words = append(words, w); len(words) == most && i+n < len(all) {
			words[most-1] = strconv.Itoa(len(all)-i) + " more"
			break
		}
		i += n
	}
	switch n := len(words); {
	case n == 0:
		return "no shard"
	case len(all) == 1:
		return "shard " + words[0]
	case n == 1:
		return "shards " + words[0]
	default:
		return "shards " + strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}
