package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lastack/bench/lab"
	"lastack/bench/quantity"
	"lastack/bench/record"
)

// address is in the sandbox, where every port is free.
var address = netip.MustParseAddrPort("127.0.0.1:8080")

const versionsFile = "versions.json"

// runner runs the entries, or reads the records of earlier runs.
type runner struct {
	*options
	*lab.Run
	begin  time.Time
	dir    string // temporary
	facts  facts
	rows   []row
	absent []lab.Absence
	tools  map[*server]tool
}

func newGallery(o *options, r *lab.Run) *runner {
	return &runner{
		options: o, Run: r, begin: time.Now(), facts: facts{Load: loadText(o.repeat)}, tools: map[*server]tool{},
	}
}

// close removes the servers' files.
func (g *runner) close() {
	if g.dir != "" {
		os.RemoveAll(g.dir)
	}
}

func (g *runner) all(ctx context.Context) error {
	if err := g.prepare(ctx); err != nil {
		return err
	}
	for i := range g.entries {
		e := &g.entries[i]
		done, err := g.one(ctx, e)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			g.leaveOut(e.Name(), err)
		default:
			g.rows = append(g.rows, done)
		}
	}
	return nil
}

func (g *runner) leaveOut(name string, err error) {
	fmt.Fprintf(g.Stderr, "not run: %s: %s\n", name, quantity.Escape(err.Error()))
	g.absent = append(g.absent, lab.Absence{Name: name, Reason: strings.TrimSuffix(err.Error(), ".")})
}

// prepare finds the programs and asks for their versions, and makes the directories.
func (g *runner) prepare(ctx context.Context) (err error) {
	if g.render {
		text, err := os.ReadFile(filepath.Join(g.records, versionsFile))
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &g.facts.Versions)
	}
	if g.dir, err = os.MkdirTemp("", "drain-gallery"); err != nil {
		return err
	}
	// Apache's children are another user.
	if err := os.Chmod(g.dir, 0o755); err != nil {
		return err
	}
	if g.records == "" {
		g.records = filepath.Join(g.dir, "records")
	}
	if err := os.MkdirAll(g.records, 0o755); err != nil {
		return err
	}
	for i := range g.entries {
		s := g.entries[i].Server
		if _, known := g.tools[s]; known {
			continue
		}
		t, err := find(ctx, s)
		if t.err = err; err == nil {
			g.facts.Versions = append(g.facts.Versions, lab.Version{Program: s.Name, Version: t.version})
		}
		g.tools[s] = t
	}
	text, err := json.Marshal(g.facts.Versions)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(g.records, versionsFile), text, 0o644)
}

// one runs an entry, unless -render is given, and reads its records.
func (g *runner) one(ctx context.Context, e *entry) (done row, err error) {
	load := filepath.Join(g.records, e.ID+".json")
	queue := filepath.Join(g.records, e.ID+"-queued.json")
	if !g.render {
		if err := g.drain(ctx, e, load, queue); err != nil {
			return done, err
		}
	}
	l, err := lab.ReadRecord(load)
	if err != nil {
		return done, err
	}
	q, err := lab.ReadRecord(queue)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, err
	}
	g.note(l)
	o, err := observe(l, q)
	return row{Entry: e, Observed: o}, err
}

// note takes the table's facts from the first record.
func (g *runner) note(r *record.Run) {
	if !g.facts.Date.IsZero() {
		return
	}
	g.facts.Date, g.facts.Lastack = r.Started, r.Version
	if len(r.Hosts) > 0 {
		g.facts.Kernel, g.facts.CPUs = r.Hosts[0].Kernel, r.Hosts[0].CPUs
	}
}
