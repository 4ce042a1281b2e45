package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"
)

func noArguments(cmd *cobra.Command, args []string) error { return noArgumentsBut("")(cmd, args) }

// noArgumentsBut refuses all arguments. If the first is a target, as other commands take it, instead says what to do.
func noArgumentsBut(instead string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		s := fmt.Sprintf("%s takes no argument, but was given %q", cmd.Name(), args[0])
		if _, _, err := net.SplitHostPort(args[0]); err == nil && instead != "" {
			s += ": " + instead
		}
		return usagef("%s", s)
	}
}

// oneArgument refuses all but one argument. what says what it is.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s takes one %s, but was given %d arguments", cmd.Name(), what, len(args))
		}
		return nil
	}
}
