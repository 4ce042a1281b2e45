package main

import (
	"fmt"
	"io"
	"slices"

	"lastack/bench/record"
	"lastack/bench/verdict"
)

func writeVerdicts(w io.Writer) {
	fmt.Fprint(w, `A run's verdict says whether the result is a statement about the target, and
what limited it: with more of that, the rate would be higher. If the result is
not valid, the exit code is 3. The record has verdict.valid, verdict.limited_by,
and verdict.findings: reasons and advice, each a code with arguments.
`)
	var terms []definition
	for _, l := range record.Limits() {
		means := l.Words
		if l.Do != "" {
			means += ": " + l.Do
		}
		terms = append(terms, definition{l.Name, means})
	}
	writeDefinitions(w, "verdict.limited_by, and what to try", terms)
	fmt.Fprint(w, "\nlastack help verdicts CODE explains a finding, lastack help verdicts all lists\nall of them.\n")
}

func findingNames() (list []string) {
	for _, c := range verdict.Codes() {
		list = append(list, c.Name)
	}
	return list
}

// writeFinding explains a finding or a limit; all of them for "all".
func writeFinding(w io.Writer, name string) bool {
	codes := verdict.Codes()
	if name == "all" {
		var reasons, remedies []definition
		for _, c := range codes {
			if c.Remedy {
				remedies = append(remedies, definition{c.Name, c.Means})
			} else {
				reasons = append(reasons, definition{c.Name, c.Means})
			}
		}
		writeDefinitions(w, "Reasons: what was found", reasons)
		writeDefinitions(w, "Advice: what would help", remedies)
		return true
	}
	l, limit := record.LimitNamed(name)
	if limit {
		writeDefinitions(w, name, slices.DeleteFunc([]definition{{"means", l.Words}, {"try", l.Do}}, noMeaning))
	}
	i := slices.IndexFunc(codes, func(c verdict.Code) bool { return c.Name == name })
	if i >= 0 {
		writeDefinitions(w, name, slices.DeleteFunc([]definition{{"means", codes[i].Means}, {"try", codes[i].Do}}, noMeaning))
	}
	return limit || i >= 0
}

func noMeaning(t definition) bool { return t.means == "" }
