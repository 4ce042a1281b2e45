package pcapng

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"lastack/bench/record"
)

func samples(t *testing.T) map[string]*record.Run {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "testdata", "handshakes", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples (%v)", err)
	}
	all := make(map[string]*record.Run)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := record.Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = r
	}
	return all
}

// What is written can be read: each packet, its time to the microsecond, and its comments.
func TestReadBack(t *testing.T) {
	for name, run := range samples(t) {
		var b bytes.Buffer
		if err := Write(&b, run); err != nil {
			t.Fatal(err)
		}
		r, err := pcapgo.NewNgReader(&b, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
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
			if d := info.Timestamp.Sub(run.Started) - time.Duration(p.AtS*1e9); d.Abs() > time.Microsecond {
				t.Errorf("%s: packet %d is %v off", name, i+1, d)
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
	}
}

// tshark sees the same packets: flags, numbers, lengths, and no checksum that is wrong.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skipf("tshark is not installed: %v", err)
	}
	for name, run := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "h.pcapng")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(Write(f, run), f.Close()); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), tshark, "-r", path, "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-E", "separator=|", "-E", "aggregator=;",
				"-e", "tcp.srcport", "-e", "tcp.flags.syn", "-e", "tcp.flags.fin", "-e", "tcp.flags.reset", "-e", "tcp.flags.ack",
				"-e", "tcp.seq", "-e", "tcp.ack", "-e", "tcp.len", "-e", "tcp.window_size_value", "-e", "tcp.checksum.status", "-e", "frame.comment")
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			var got, want []string
			for line := range strings.Lines(string(out)) {
				// Versions differ in how they write true.
				fields := strings.SplitN(strings.TrimSpace(line), "|", 11)
				for i := range fields {
					switch fields[i] {
					case "True":
						fields[i] = "1"
					case "False":
						fields[i] = "0"
					}
				}
				if len(fields) < 11 || !strings.Contains(fields[10], "sent: client") {
					t.Errorf("no comment: %q", line)
				}
				got = append(got, strings.Join(fields[:10], " "))
			}
			l := &run.Handshake.Ladders[0]
			for i := range l.Packets {
				p := &l.Packets[i]
				port, ack := 40000, int64(0)
				if p.From == "server" {
					port = 80
				}
				if p.Ack != nil {
					ack = *p.Ack
				}
				bit := func(flag string) int {
					if slices.Contains(p.Flags, flag) {
						return 1
					}
					return 0
				}
				const good = 1
				want = append(want, fmt.Sprint(port, " ", bit("SYN"), " ", bit("FIN"), " ", bit("RST"), " ", bit("ACK"), " ", p.Seq, " ", ack, " ", p.Bytes, " ", p.Window, " ", good))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("packets (-lastack +tshark):\n%s", diff)
			}
		})
	}
}
