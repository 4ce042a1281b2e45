// Package report shows a finished run, and the progress of a running one. It makes a document from a record.Run, which a printer
// lays out (package text: the first page, or everything), or writes the record itself for programs (json, jsonl). It prints each
// record.Interval as a row.
//
// A new format of the document is a printer beside package text, and a line in formats (render.go). Each section has a file of its name;
// package document defines what a document can contain. Nothing here uses anything but the record, so that a saved record looks like a
// live one, on any operating system and in any time zone.
package report
