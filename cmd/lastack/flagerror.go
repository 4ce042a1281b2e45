package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/sockstate"
)

// flagError says in one sentence what is wrong with a flag. lastack's flag types say
// what they want in their errors; pflag's own types do not.
func flagError(cmd *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usagef("--%s: want a value after it (see %s --help)", e.GetFlag().Name, cmd.CommandPath())
	}
	e, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	}
	name := e.GetFlag().Name
	switch e.GetFlag().Value.Type() {
	case "duration":
		return usagef("--%s: %q is not a duration: want one like 500ms, 10s or 1m30s", name, e.GetValue())
	case "int":
		return usagef("--%s: %q is not a whole number: want one like 4", name, e.GetValue())
	case "bool":
		return usagef("--%s: %q is neither true nor false: want one of them, or no value", name, e.GetValue())
	}
	return usagef("--%s: %w", name, e.Unwrap())
}

// asUsage turns a sockstate.ValueError into a usage error. If the user did not give the flag, the error says that its value is the
// default, or lastack's choice.
func asUsage(cmd *cobra.Command, err error) error {
	e, ok := errors.AsType[*sockstate.ValueError](err)
	if !ok {
		return err
	}
	f := cmd.Flags().Lookup(e.Name)
	switch {
	case e.Name == "" || f != nil && f.Changed:
		return usagef("%w", err)
	case f == nil:
		return usagef("%s %s: %s", e.Name, e.Value, e.Want)
	case e.Value == "":
		return usagef("--%s (not given): %s", e.Name, e.Want)
	case e.Value == f.DefValue:
		return usagef("--%s %s (the default): %s", e.Name, e.Value, e.Want)
	}
	return usagef("--%s %s (chosen by lastack): %s", e.Name, e.Value, e.Want)
}
