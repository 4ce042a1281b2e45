//go:build man

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
			err := writeMan(root, args[0])
			if os.IsNotExist(err) || os.IsPermission(err) {
				return usagef("%w: want an existing, writable directory", err)
			}
			return err
		},
	}
}

// writeMan writes the page of a command, and those of its own commands.
func writeMan(cmd *cobra.Command, dir string) error {
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writeMan(c, dir); err != nil {
			return err
		}
	}
	var page bytes.Buffer
	if err := doc.GenMan(cmd, &doc.GenManHeader{Section: "1", Source: "lastack " + versionString(), Manual: "lastack"}, &page); err != nil {
		return err
	}
	// Names that are to be copied are neither hyphenated nor spread: .TH sets what stands before it back.
	text := strings.Replace(page.String(), "\n\n.SH NAME", "\n.nh\n.ad l\n\n.SH NAME", 1)
	text = strings.Replace(text, "\n.SH EXAMPLE\n", "\n.SH EXAMPLES\n", 1)
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666)
}

// manWidth is what a line may have that a page does not break, beside the margins of 80 columns.
const manWidth = 66

// prepareMan makes a command's description Markdown, of which pages are made. It ends with the flags as help shows them, by group and with
// what each takes, in place of the list that cobra makes.
func prepareMan(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	var flags strings.Builder
	writeFlags(&flags, cmd, manWidth)
	cmd.Long = markdown(cmd.Long)
	if cmd.HasAvailableSubCommands() {
		cmd.Use += " COMMAND"
		var list, topics strings.Builder
		for _, c := range cmd.Commands() {
			switch {
			case c.IsAvailableCommand():
				fmt.Fprintf(&list, "  %-12s%s\n", c.Name(), c.Short)
			case c.IsAdditionalHelpTopicCommand():
				fmt.Fprintf(&topics, "  %-12s%s\n", c.Name(), c.Short)
			}
		}
		cmd.Long += "\n\n# COMMANDS\n" + markdown(list.String()) + "\n\n# TOPICS\nlastack help TOPIC explains:\n" + markdown("\n"+topics.String())
	}
	cmd.Long += "\n\n# OPTIONS\n" + markdown(flags.String())
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
