package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newMan makes a command for packages: nobody else needs the pages as files.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages into a directory",
		Long:    "man writes a manual page for lastack and for each of its commands into DIR.\nSOURCE_DATE_EPOCH, in seconds, is their date.",
		Example: "  lastack man /usr/local/share/man/man1",
		Hidden:  true,
		Args:    oneArgument("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			preformat(root)
			err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "lastack " + versionString(), Manual: "lastack"}, args[0])
			if cmp.Or(os.IsNotExist(err), os.IsPermission(err)) {
				return usagef("%w: want an existing, writable directory", err)
			}
			return err
		},
	}
}

// preformat marks what is indented in a command's description as code, which Markdown keeps as it is.
func preformat(cmd *cobra.Command) {
	var b strings.Builder
	code := false
	for line := range strings.Lines(cmd.Long) {
		if is := strings.HasPrefix(line, "  "); is != code && strings.TrimSpace(line) != "" {
			b.WriteString("\n")
			code = is
		}
		if code {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	cmd.Long = b.String()
	cmd.DisableAutoGenTag = true
	for _, c := range cmd.Commands() {
		preformat(c)
	}
}
