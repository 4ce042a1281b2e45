package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
)

func samples(t *testing.T) map[string]*record.Run {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "testdata", "handshakes", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples (%v)", err)
	}
	all := make(map[string]*record.Run)
	for _, name := range files {
		all[filepath.Base(name)] = recordtest.Read(t, name)
	}
	return all
}

// What is written can be read: each packet, its time to the microsecond, and its comments. gopacket writes the same bytes.
func TestReadBack(t *testing.T) {
	for name, run := range samples(t) {
		link, began := "relay", run.Started
		if name == "rst.json" {
			link, began = "lo", began.Add(time.Second)
			run.Handshake.Ladders[0].Link, run.Handshake.Ladders[0].Started = link, began
		}
		var b bytes.Buffer
		if err := Write(&b, run); err != nil {
			t.Fatal(err)
		}
		written := b.Bytes()
		r, err := pcapgo.NewNgReader(&b, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		of, err := r.Interface(0)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var again bytes.Buffer
		w, err := pcapgo.NewNgWriterInterface(&again, of, pcapgo.NgWriterOptions{SectionInfo: r.SectionInfo()})
		if err != nil {
			t.Fatal(err)
		}
		if r.LinkType() != layers.LinkTypeRaw {
			t.Errorf("%s: link type %v", name, r.LinkType())
		}
		l := &run.Handshake.Ladders[0]
		for i := range l.Packets {
			p := &l.Packets[i]
			raw, info, options, err := r.ReadPacketDataWithOptions()
			if err != nil {
				t.Fatalf("%s: packet %d: %v", name, i+1, err)
			}
			if !bytes.Equal(raw, p.Raw) {
				t.Errorf("%s: packet %d differs", name, i+1)
			}
			if d := info.Timestamp.Sub(began) - time.Duration(p.AtS*1e9); d.Abs() > time.Microsecond {
				t.Errorf("%s: packet %d is %v off", name, i+1, d)
			}
			if of, err = r.Interface(info.InterfaceIndex); err != nil || of.Name != link {
				t.Errorf("%s: packet %d is of link %q (%v)", name, i+1, of.Name, err)
			}
			if err := w.WritePacketWithOptions(info, raw, options); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(options.Comments, "sent: client "+p.Before.Client+", server "+p.Before.Server) {
				t.Errorf("%s: packet %d has comments %q", name, i+1, options.Comments)
			}
			if lost := slices.Contains(options.Comments, "lost on its way"); lost != (p.Fate == record.Lost) {
				t.Errorf("%s: packet %d is %s, and has comments %q", name, i+1, p.Fate, options.Comments)
			}
		}
		if _, _, err := r.ReadPacketData(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: more packets (%v)", name, err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(again.Bytes(), written); d != "" {
			t.Errorf("%s (-gopacket +ours):\n%s", name, d)
		}
	}
}

// A comment that is too long ends with a whole character.
func TestLongOption(t *testing.T) {
	for _, value := range []string{
		strings.Repeat("x", math.MaxUint16), strings.Repeat("x", math.MaxUint16+1), strings.Repeat("é", 40_000), strings.Repeat("→", 40_000),
		"x" + strings.Repeat("𝄞", 20_000), strings.Repeat("\x80", 70_000), // what is no text is cut all the same
	} {
		b := option(nil, comment, value)
		length := int(binary.LittleEndian.Uint16(b[2:]))
		got := string(b[4 : 4+length])
		if !strings.HasPrefix(value, got) || length < min(len(value), math.MaxUint16)-utf8.UTFMax || utf8.ValidString(value) != utf8.ValidString(got) || len(b)%4 != 0 {
			t.Errorf("%d bytes of %.4q: %d are kept, and end with %q", len(value), value, length, got[length-4:])
		}
	}
}
