package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report"
)

// journalSuffix is what the name of a journal has beyond that of its record.
const journalSuffix = ".unfinished"

// journal keeps what a sweep has measured until its record is saved, so that not even SIGKILL loses it:
//
//	sweep.json             the record, when the sweep has ended, or was interrupted by a signal that can be handled
//	sweep.json.unfinished  what was measured until then, see record.ReadJournal; --resume sweep.json reads it
//
// It begins with the first result, and is removed when the record is saved. That of a tune is made anew after each round, and cannot be resumed.
type journal struct {
	d *destination
	f *os.File // nil: it has not begun
	// failed is set when something could not be kept.
	failed bool
}

// journal returns that of the first file that will have the record, nil if no file beside it can be made.
func (o *outputFiles) journal() *journal {
	for _, d := range o.files {
		if d.target != "" && !d.inPlace && report.HasRecord(savedAs(d.path)) {
			if d.journal == nil {
				d.journal = &journal{d: d}
			}
			return d.journal
		}
	}
	return nil
}

// keep appends a part to the journal. begun is the record before the first.
func (j *journal) keep(begun func() *record.Run, part record.SweepPart) {
	if j == nil || j.failed {
		return
	}
	b, err := record.MarshalPart(part)
	if err == nil && j.f == nil {
		err = j.begin(begun())
	}
	if err == nil {
		_, err = j.f.Write(b)
	}
	if err == nil {
		err = toDisk(j.f)
	}
	if err != nil {
		j.failed = true
		j.d.say("what ends from now on is not kept before the end (%v): a sweep that is killed can be resumed only as far as until here", err)
	}
}

// replace makes the journal anew, with all that was measured until now.
func (j *journal) replace(run *record.Run) {
	if j == nil || j.failed {
		return
	}
	old := j.f
	if err := j.begin(run); err != nil {
		j.failed = true
		j.d.say("what ends from now on is not kept before the end (%v)", err)
	}
	if old != nil {
		_ = old.Close() // another has its name
	}
}

// begin makes the file. It replaces a journal that the sweep goes on with.
func (j *journal) begin(run *record.Run) (err error) {
	defer dontExit()()
	run.Redact()
	b, err := record.Marshal(run, "")
	if err != nil {
		return err
	}
	if j.f, err = j.d.temporary(0o600); err != nil {
		return err
	}
	_, err = j.f.Write(b)
	if err == nil {
		err = toDisk(j.f)
	}
	lockedElsewhere(j.f) // nobody else knows it yet
	if err == nil {
		err = os.Rename(j.f.Name(), j.d.target+journalSuffix)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(j.f.Name()))
	}
	return err
}

// remove removes the journal, since the record is saved.
func (j *journal) remove() {
	if j == nil || j.f == nil {
		return
	}
	path := j.d.target + journalSuffix
	if err := errors.Join(j.f.Close(), os.Remove(path)); err != nil {
		j.d.say("%s could not be removed (%v): delete it, since the record has all of it", quantity.Escape(path), reasonOf(err))
	}
	j.f = nil
}

// unfinishedOf finds the journal of a record: an earlier sweep that was killed has left it, or one that goes on.
func unfinishedOf(path string) (journal string, exists bool) {
	target, err := followLinks(path)
	if err != nil {
		return "", false
	}
	_, err = os.Lstat(target + journalSuffix)
	return target + journalSuffix, !errors.Is(err, fs.ErrNotExist)
}

// checkJournals refuses to write to a file while there is a journal of another command beside it. resume is the path of --resume.
func checkJournals(outputs []string, resume string) error {
	for _, path := range outputs {
		left, exists := unfinishedOf(path)
		switch {
		case !exists || !report.HasRecord(savedAs(path)):
		case goesOn(left):
			return usagef("--output %s: another command writes it, and has %s: want another file, or wait for its end", path, left)
		case resume == "" || !sameFile(strings.TrimSuffix(resume, journalSuffix), path):
			return usagef("--output %s: a command that was killed has left its results in %s, which lastack report shows: want another file, remove it, or, after a sweep, want --resume %s to go on with it", path, left, path)
		}
	}
	return nil
}

// goesOn reports whether the sweep of a journal still runs.
func goesOn(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return lockedElsewhere(f)
}

// readUnfinished reads the record of --resume: the journal, if the sweep was killed.
func readUnfinished(stdin io.Reader, path string) (*record.Run, error) {
	if left, exists := unfinishedOf(path); path != "-" && exists {
		path = left
	}
	if strings.HasSuffix(path, journalSuffix) && goesOn(path) {
		return nil, usagef("--resume: the sweep of %s still runs: want one that has ended", path)
	}
	return readRecord(stdin, path)
}

// kept says how a sweep that is killed can go on.
func (j *journal) kept(outputs []string) string {
	switch {
	case j != nil:
		return ""
	case len(outputs) == 0:
		return "give -o FILE to be able to resume it"
	}
	return "give -o FILE.json, in a directory that can be written, to be able to resume it"
}
