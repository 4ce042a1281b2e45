package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// shells lists the shells that cobra supports.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print a shell's completion script",
		Long: `completion prints a completion script for a shell. It completes commands, help
topics, flags, and the values of flags that take one of several words.

  this shell  source <(lastack completion bash)      (zsh likewise)
  every bash  lastack completion bash >/etc/bash_completion.d/lastack
  every zsh   lastack completion zsh >"${fpath[1]}/_lastack"
  every fish  lastack completion fish >~/.config/fish/completions/lastack.fish`,
		Example:   "  lastack completion bash",
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("completion takes one shell: want %s", strings.Join(shells, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return usagef("unknown shell %q: want %s", args[0], strings.Join(shells, ", "))
		},
	}
}
