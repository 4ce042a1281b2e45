package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// commandWords splits a flag's command into words, see splitCommand. The program must exist now: a missing one
// would otherwise show up only after the server has stopped.
func commandWords(flag, command string) ([]string, error) {
	words, err := splitCommand(command)
	switch {
	case err != nil:
		return nil, usagef("--%s %q: %w: want a program and its arguments; for shell syntax use sh -c '...'", flag, command, err)
	case len(words) == 0 || words[0] == "":
		return nil, usagef("--%s %q: want a program and its arguments", flag, command)
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return nil, usagef("--%s %q: %q cannot be run (%w): want a program in PATH, or the path of one", flag, command, words[0], reasonOf(err))
	}
	return words, nil
}

// splitCommand splits a command into words as a POSIX shell does: quotes, backslashes, comments, ~ and $VARIABLES,
// which must be set. Command substitution and arithmetic are errors; * is not expanded.
func splitCommand(command string) ([]string, error) {
	var words []*syntax.Word
	for w, err := range syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).WordsSeq(strings.NewReader(command)) {
		if err != nil {
			return nil, err
		}
		if err := needsNoShell(w); err != nil {
			return nil, err
		}
		words = append(words, w)
	}
	return expand.Fields(&expand.Config{Env: expand.ListEnviron(os.Environ()...), NoUnset: true}, words...)
}

// needsNoShell refuses what expand does not expand, and bash's braces, which expand does expand though POSIX does not.
func needsNoShell(w *syntax.Word) (err error) {
	if braces := *w; syntax.SplitBraces(&braces) {
		return fmt.Errorf("%v: {a,b} and {1..9} are not expanded: put them in quotes", w.Pos())
	}
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n.(type) {
		case nil, *syntax.Word, *syntax.Lit, *syntax.SglQuoted, *syntax.DblQuoted, *syntax.ParamExp:
		default:
			err = fmt.Errorf("%v: $(...) and $((...)) are not expanded", n.Pos())
		}
		return err == nil
	})
	return err
}
