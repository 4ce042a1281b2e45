package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"lastack/bench/compare"
	"lastack/bench/record"
)

var pagesDir = flag.String("pages", "", "write pages of records that no sample is into this directory, for .ci/check-html")

// TestPages writes the pages that make check-html opens beside those of the samples: of a long run, of several records, of comparisons, and of
// what is hostile.
func TestPages(t *testing.T) {
	if *pagesDir == "" {
		t.Skip("make check-html sets -pages")
	}
	write := func(name string, render func(b *bytes.Buffer) error) {
		var b bytes.Buffer
		if err := render(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*pagesDir, name+".html"), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	runs := func(name string, all ...*record.Run) {
		v := View{Format: "html"}
		for range all {
			v.Names = append(v.Names, name+".json")
		}
		write(name, func(b *bytes.Buffer) error { return Render(b, v, all...) })
	}
	comparison := func(name string, a, b []*record.Run) {
		c, err := compare.Compare(a, b, compare.Options{Force: true})
		if err != nil {
			t.Fatal(err)
		}
		write(name, func(b *bytes.Buffer) error { return RenderComparison(b, View{Format: "html"}, c) })
	}
	hostile := func(name string) *record.Run {
		run := sample(t, name)
		taint(reflect.ValueOf(run).Elem(), hostileTexts[0])
		run.Kind = record.KindRun
		return run
	}
	runs("long-hour", longRun(t, 3600))
	runs("several", sample(t, "exhausted"), sample(t, "drain-nginx-quit"), sample(t, "count-one"))
	runs("hostile", hostile("veth"))
	sets, drains := samplesFrom(t, "runs"), samplesFrom(t, "drains")
	comparison("compare", sets["s"][:10], sets["t"][:10])
	comparison("compare-drains", drains["term"], drains["kill"])
	comparison("compare-hostile", []*record.Run{hostile("veth"), hostile("exhausted")}, []*record.Run{hostile("open-loop"), hostile("http")})
}
