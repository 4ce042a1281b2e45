//go:build man

package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// packaging has the commands for those who make packages. The program that users get is built without the tag.
func packaging() []*cobra.Command { return []*cobra.Command{newMan()} }

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
			prepareMan(root)
			err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "lastack " + versionString(), Manual: "lastack"}, args[0])
			if os.IsNotExist(err) || os.IsPermission(err) {
				return usagef("%w: want an existing, writable directory", err)
			}
			return err
		},
	}
}

// manWidth is what a line may have that a page does not break, beside the margins of 80 columns.
const manWidth = 66

// prepareMan makes a command's description Markdown, of which pages are made. It ends with the flags as help shows them, by group and with
// what each takes, in place of the list that cobra makes.
func prepareMan(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	var flags strings.Builder
	writeFlags(&flags, cmd, manWidth)
	cmd.Long = markdown(cmd.Long) + "\n\n# OPTIONS\n" + markdown(flags.String())
	cmd.Use += " [flags]" // cobra adds it where it lists flags
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { f.Hidden = true })
	cmd.DisableAutoGenTag = true
	for _, c := range cmd.Commands() {
		prepareMan(c)
	}
}

// markdown marks what is indented as code, which stays as it is, and lines that end with a colon as headings if such lines follow.
func markdown(help string) string {
	var b strings.Builder
	code := false
	lines := strings.SplitAfter(help, "\n")
	for i, line := range lines {
		is := strings.HasPrefix(line, "  ")
		if is != code && strings.TrimSpace(line) != "" {
			b.WriteString("\n")
			code = is
		}
		title, isTitle := strings.CutSuffix(strings.TrimSpace(line), ":")
		switch {
		case code:
			b.WriteString("    ")
		case isTitle && i > 0 && lines[i-1] == "\n" && i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  "):
			line = "### " + title + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}
