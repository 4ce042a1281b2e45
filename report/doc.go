// Package report shows a finished run, and the progress of a running one. It makes a document from a record.Run, which a printer
// lays out (package text: the first page, or everything; package html: a page with pictures), or writes the record itself for programs (json, jsonl). It prints each
// record.Interval as a row.
//
// A new format of the document is a printer beside package text, its name in FormatNames and a case in Render. A section is a function that
// builds it (build.go), in a file of its subject;
// a picture is made of the record by pictures.go and drain_pictures.go, and drawn by package svg;
// package document defines what a document can contain. Nothing here uses anything but the record, so that a saved record looks like a
// live one, on any operating system and in any time zone.
package report
