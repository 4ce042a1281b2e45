package record

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"lastack/sockstate"
)

// allocated is how many bytes f allocates: unlike its time, the same on a busy machine.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// histogramOf is an encoded histogram that claims a range and digits, with so many zeros behind its header.
func histogramOf(t *testing.T, low, high int64, digits int32, zeros int) string {
	t.Helper()
	var inner, packed, out bytes.Buffer
	z := zlib.NewWriter(&packed)
	for _, v := range []any{int32(0x1c849313), int32(zeros), int32(0), digits, low, high, float64(1)} {
		if err := binary.Write(&inner, binary.BigEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range [][]byte{inner.Bytes(), make([]byte, zeros)} {
		if _, err := z.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{int32(0x1c849314), int32(packed.Len()), packed.Bytes()} {
		if err := binary.Write(&out, binary.BigEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

// What is read takes memory in proportion to its text, whatever it claims; the sentence says what is absurd.
func TestReadAbsurd(t *testing.T) {
	head := `{"schema":"lastack.run/v1",`
	list := func(key, item string, n int) string {
		return head + `"` + key + `":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`
	}
	object := func(key, value string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"%d":%s,`, i, value)
		}
		return head + `"` + key + `":{` + strings.TrimSuffix(b.String(), ",") + `}}`
	}
	latency := func(hdr string, n int) string {
		return object("latency", `{"count":1,"hdr":"`+hdr+`"}`, n)
	}
	wide, bomb := histogramOf(t, 1, 1<<62, 5, 0), histogramOf(t, 1, 1<<62, 5, 8<<20)
	own := histogramOf(t, sockstate.HistogramMin, sockstate.HistogramMax, sockstate.HistogramDigits, 0)
	ownBomb := histogramOf(t, sockstate.HistogramMin, sockstate.HistogramMax, sockstate.HistogramDigits, 100<<20)
	for _, tt := range []struct {
		name, in string
		fault    fault
		want     string
	}{
		{"empty rows", list("timeline", "{}", 400_000), faultTooLarge, `"timeline" has more objects than a run makes`},
		{"a million intervals", list("timeline", `{"t_s":123456.789}`, 1_000_000), faultTooLarge, `"timeline" holds more than 700000 values`},
		{"empty tries", head + `"drain":{"tries":[` + strings.Repeat("{},", 100_000) + `{}]}}`, faultTooLarge, "more"},
		{"empty groups of a try", head + `"drain":{"tries":[{"groups":[` + strings.Repeat("{},", 100_000) + `{}]}]}}`, faultTooLarge, "more"},
		{"warnings", list("warnings", `"w"`, 20_000), faultTooLarge, `"warnings" holds more than 10000 values`},
		{"keys", object("outcomes", "1", 20_000), faultTooLarge, `"outcomes" holds more than 10000 values`},
		{"keys in another case", object("OutComes", "1", 20_000), faultTooLarge, "holds more than 10000 values"},
		{"a long text", head + `"warnings":["` + strings.Repeat("x", 2<<20) + `"]}`, faultTooLarge, `a text in "warnings" has more than 1048576 bytes`},
		{"many long texts", list("warnings", `"`+strings.Repeat("x", 1<<19)+`"`, 40), faultTooLarge, "its long texts have more than 16777216 bytes"},
		{"a long key", head + `"outcomes":{"` + strings.Repeat("x", 1<<19) + `":-1}}`, faultDamaged, "... "},
		{"a long time", head + `"started":"` + strings.Repeat("x", 1<<19) + `"}`, faultDamaged, " ... "},
		{"deep", head + `"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, faultTooLarge, "deep"},
		{"histograms of five digits", latency(wide, 90), faultDamaged, "with 5 digits, expected"},
		{"a histogram that is a bomb", latency(bomb, 1), faultDamaged, "with 5 digits, expected"},
		{"a histogram of the right range that is a bomb", latency(ownBomb, 90), faultDamaged, "PayloadLength"},
		{"many histograms", latency(own, 20_000), faultTooLarge, `"latency" holds more than 100 values`},
		{"histograms of another count", latency(own, 90), faultDamaged, "holds 0 values, its summary says 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			n := allocated(func() { _, err = Read(strings.NewReader(tt.in)) })
			f, ok := errors.AsType[*formatError](err)
			if !ok || f.Fault != tt.fault || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 2000 {
				t.Errorf("got %.300v; want %d, %q", err, tt.fault, tt.want)
			}
			if most := uint64(20*len(tt.in) + 64<<20); n > most {
				t.Errorf("%d MiB were allocated for %d KiB", n>>20, len(tt.in)>>10)
			}
		})
	}
}

// endless is what has no end and is no JSON.
type endless struct{ n int64 }

func (e *endless) Read(b []byte) (int, error) {
	clear(b)
	e.n += int64(len(b))
	return len(b), nil
}

func TestReadEndless(t *testing.T) {
	var zeros endless
	_, err := Read(&zeros)
	if f, ok := errors.AsType[*formatError](err); !ok || f.Fault != faultNotJSON || zeros.n > 1<<20 {
		t.Errorf("got %v after %d bytes", err, zeros.n)
	}
}

// What a long run, many sources and a large drain bring is no absurdity.
func TestReadLarge(t *testing.T) {
	r := sample(t)
	states := map[string]int{"ESTABLISHED": 5, "TIME_WAIT": 7}
	for i := range 86_400 / 16 {
		r.Timeline = append(r.Timeline, Interval{TS: float64(i), Client: states, Server: states, Failures: map[string]int64{"refused": 1}, Counters: map[string]int64{"TcpOutRsts": 1}})
	}
	r.Plan.Groups = []Group{{Name: "run"}}
	for i := range 60_000 {
		r.Plan.Groups[0].Sources = append(r.Plan.Groups[0].Sources, fmt.Sprintf("127.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	r.Drain = &Drain{Tries: make([]DrainTry, 300)}
	for i := range r.Drain.Tries {
		r.Drain.Tries[i].Slices = make([]DrainSlice, 70)
		r.Drain.Tries[i].Groups = make([]DrainGroup, 5)
	}
	b, err := Marshal(r, " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range [][]byte{b, bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\n"), nil), []byte(" "), nil)} {
		if _, err := Read(bytes.NewReader(in)); err != nil {
			t.Error(err)
		}
	}
}
