package report

import (
	"bytes"
	"errors"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"
	"time"

	"lastack/bench/compare"
	"lastack/bench/record"
)

// fill sets v to something random that the codec lets through, the extremes and the names
// that mean something included.
func fill(rng *rand.Rand, v reflect.Value) {
	words := []string{
		"", "client", "server", "ESTABLISHED", "TIME_WAIT", "connect", "lag", "lifecycle", "close", "fin", "held", "other", "rst_received", "no_local_port", "load",
		"settle", "TcpRetransSegs", "TcpExtTW + TcpExtTWKilled", "diag", "root", "user", "veth", "off", "none", "never", "connect: slow", "pressure.cpu: hot",
		"connections: x", "verdict", "drain", "idle", "arrivals", "pid", "hook", "exec", "packets", "clients", "SIGKILL", "server.exit_s", "listener", "ok", "new", "40000 40999", "\x1b[31mred", "<b>@x #1 $y$ [z](http://e) www.e", "=1|+`1`", "- # *x* _y_ ~z~", "1. &amp; \\", "日本語 \u202e", "a-very-long-word-without-any-space-in-it-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on",
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.String:
		v.SetString(words[rng.IntN(len(words))])
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 0, 1, 3, 999, 1000, 123_456, 987_654_321, math.MaxInt64}[rng.IntN(9)])
	case reflect.Float64:
		v.SetFloat([]float64{0, 0, 1e-9, 0.5, 1, 999.9999, 123456.789, 1e12, 1e18}[rng.IntN(9)])
	case reflect.Pointer:
		if rng.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rng, v.Elem())
		}
	case reflect.Slice:
		n := rng.IntN(4)
		if e := v.Type().Elem(); e == reflect.TypeFor[record.Interval]() || e == reflect.TypeFor[record.DrainSlice]() {
			n = rng.IntN(150)
		}
		s := reflect.MakeSlice(v.Type(), n, n)
		for i := range n {
			fill(rng, s.Index(i))
		}
		v.Set(s)
	case reflect.Map:
		if rng.IntN(4) == 0 {
			return
		}
		m := reflect.MakeMap(v.Type())
		for range rng.IntN(5) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(rng, key)
			fill(rng, value)
			m.SetMapIndex(key, value)
		}
		v.Set(m)
	case reflect.Struct:
		if t, ok := v.Addr().Interface().(*time.Time); ok {
			*t = time.Unix(rng.Int64N(4e9), 0).UTC()
			return
		}
		// Each field has numbers of its own, by its name: a field that is added or moved leaves the others as they were.
		seed := rng.Uint64()
		for i := range v.NumField() {
			name := fnv.New64a()
			_, _ = name.Write([]byte(v.Type().Field(i).Name))
			if own := rand.New(rand.NewPCG(seed, name.Sum64())); own.IntN(5) > 0 {
				fill(own, v.Field(i))
			}
		}
	}
}

// Whatever a record says, it is shown on a whole page, and the same way twice. There are more records with LASTACK_LONG=1.
func FuzzRandomRecord(f *testing.F) {
	seeds := uint64(40)
	if os.Getenv("LASTACK_LONG") != "" {
		seeds = 1000
	}
	for seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		var run record.Run
		rng := rand.New(rand.NewPCG(seed, 1))
		fill(rng, reflect.ValueOf(&run).Elem())
		for _, run.Kind = range []string{run.Kind, record.KindDrain} {
			checkFormats(t, &run)
			page := render(t, "text", &run)
			if again := render(t, "text", &run); !bytes.Equal(page, again) {
				t.Error("two renderings differ")
			}
			if run.Drain == nil {
				run.Drain = new(record.Drain)
				fill(rng, reflect.ValueOf(run.Drain).Elem())
			}
		}
		if err := NewProgress(&bytes.Buffer{}, true, 0).Interval(&record.Interval{}); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever two sides' records say, what came of it is shown in each format, or the pair is refused.
func FuzzRandomComparison(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var sides [2][]*record.Run
		var names [2][]string
		kind := []string{record.KindRun, record.KindDrain}[rng.IntN(2)]
		for i := range sides {
			for range 1 + rng.IntN(6) {
				run := new(record.Run)
				fill(rng, reflect.ValueOf(run).Elem())
				if run.Kind = kind; rng.IntN(20) == 0 {
					run.Kind = record.KindDrain
				}
				sides[i] = append(sides[i], run)
				names[i] = append(names[i], "a<b>.json")
			}
		}
		c, err := compare.Compare(sides[0], sides[1], compare.Options{NamesA: names[0], NamesB: names[1], Force: rng.IntN(2) == 0})
		if err != nil {
			return
		}
		checks := map[string]func(testing.TB, []byte){"text": checkPage, "md": checkMarkdown, "csv": checkCSV, "html": checkHTML}
		for _, format := range ComparisonFormats() {
			var b, again bytes.Buffer
			if err := errors.Join(RenderComparison(&b, View{Format: format, Verbose: true}, c), RenderComparison(&again, View{Format: format, Verbose: true}, c)); err != nil {
				t.Errorf("%s: %v", format, err)
			}
			if !bytes.Equal(b.Bytes(), again.Bytes()) {
				t.Errorf("%s: two renderings differ", format)
			}
			if check := checks[format]; check != nil {
				check(t, b.Bytes())
			}
		}
	})
}
