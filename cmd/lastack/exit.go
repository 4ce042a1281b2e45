package main

import (
	"errors"
	"fmt"
	"slices"
)

// The exit codes.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitInvalid     = 3  // the result is not valid as a statement about the target
	exitThreshold   = 99 // a threshold was missed
	exitInterrupted = 130
)

// codeError is an error with its exit code. If err is nil, the program prints no
// error: the command has said everything in its result.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// exitWith wraps err with its exit code; err may be nil.
func exitWith(code int, err error) error {
	if code == exitOK && err == nil {
		return nil
	}
	return &codeError{code: code, err: err}
}

// usagef makes a usage error: one sentence that names the flag, the value, and
// what is accepted.
func usagef(format string, args ...any) error {
	return &codeError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// codeOf finds an error's exit code. An error before the command runs comes from
// cobra's parsing of the command line, so it is a usage error.
func codeOf(err error, running bool) int {
	if e, ok := errors.AsType[*codeError](err); ok {
		return e.code
	}
	if running {
		return exitError
	}
	return exitUsage
}

// worst picks the code that a command ends with when several apply.
func worst(codes ...int) int {
	for _, c := range [...]int{exitUsage, exitInterrupted, exitError, exitInvalid, exitThreshold} {
		if slices.Contains(codes, c) {
			return c
		}
	}
	return exitOK
}
