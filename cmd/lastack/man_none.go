//go:build !man

package main

import "github.com/spf13/cobra"

// packaging has the commands for those who make packages: none, since they would be a tenth of the program.
func packaging() []*cobra.Command { return nil }
