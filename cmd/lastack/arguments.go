package main

import "github.com/spf13/cobra"

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, but was given %q", cmd.Name(), args[0])
	}
	return nil
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
