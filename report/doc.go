// Package report shows a finished run, and a run as it goes. It makes a document of a record.Run, which a printer lays out for
// people (package text: one page, or all of it), or gives the record itself to programs (json, jsonl); and it prints a stream
// of record.Interval as one row each.
//
// A new format of the document is a printer beside package text, and a line in formats (render.go). What a section says is in the file of
// its name; what a document can say, in package document. Nothing here looks at anything but the record, so that a saved one shows exactly
// as a live one, on any operating system and in any time zone.
package report
