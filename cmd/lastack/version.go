package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"lastack/bench/record"
)

// version is set when linking (-X main.version=v1.2.3).
var version string

// build is what the Go tool recorded about the source tree; empty if lastack was not built from one.
type build struct {
	module, revision, time string
	modified               bool
}

func readBuild() (b build) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "(devel)" {
		b.module = v
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b.revision, b.time, b.modified = settings["vcs.revision"], settings["vcs.time"], settings["vcs.modified"] == "true"
	return b
}

// versionString is the linked version, or what the Go tool recorded.
func versionString() string {
	b := readBuild()
	switch {
	case version != "":
		return version
	case b.module != "":
		return b.module
	case b.revision == "":
		return "devel"
	}
	short := b.revision[:min(12, len(b.revision))]
	if b.modified {
		short += "-dirty"
	}
	return short
}

// recordedBuild is what a record says of this program.
func recordedBuild() *record.Build {
	b := readBuild()
	return &record.Build{Commit: b.revision, Changed: b.modified, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and how it was built",
		Long: `version prints the version, the Go release and the system that lastack was built
with and for, and the commit that it was built from, if that is known.`,
		Example: "  lastack version",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return writeVersion(cmd.OutOrStdout(), readBuild())
		},
	}
}

func writeVersion(w io.Writer, b build) error {
	text := fmt.Sprintf("lastack  %s\ngo       %s\nsystem   %s/%s\n", versionString(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if b.revision != "" {
		text += "commit   " + b.revision + "\n"
	}
	if b.time != "" {
		text += "dated    " + b.time + "\n"
	}
	if b.modified {
		text += "changed  the source had changes that were not committed\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
