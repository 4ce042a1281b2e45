package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"lastack/bench/grid"
	"lastack/bench/metric"
	"lastack/bench/preset"
)

// besidePreset lists the flags that leave the question of a preset as it is.
var besidePreset = []string{"preset", "base", "blocks", "seed", "parallel", "metric", "yes", "resume", "workers", "engine", "census", "output", "format", "verbose", "quiet"}

// setPreset sets the flags of --preset, as if they had been given.
func (o *sweepOptions) setPreset(f *pflag.FlagSet) error {
	p, known := preset.Named(o.preset)
	if !known {
		if near := metric.Nearest(o.preset, preset.Names()); len(near) > 0 {
			return usagef("--preset %s: there is none of that name: did you mean %s? lastack help presets lists them", o.preset, strings.Join(near, " or "))
		}
		return usagef("--preset %s: want one of %s", o.preset, strings.Join(preset.Names(), ", "))
	}
	var other string
	f.Visit(func(f *pflag.Flag) {
		if !slices.Contains(besidePreset, f.Name) {
			other = f.Name
		}
	})
	if other != "" {
		return usagef("--%s: --preset %s says what is varied, and the load: want one of the two (lastack help presets has its flags, to vary them yourself)", other, p.Name)
	}
	defaults := []string{"base=" + grid.FromDefault, fmt.Sprintf("blocks=%d", p.Blocks)}
	for _, text := range slices.Concat(varied(&p), p.Flags, defaults) {
		name, value, _ := strings.Cut(text, "=")
		if f.Changed(name) && (name == "base" || name == "blocks") {
			continue
		}
		if err := f.Set(name, value); err != nil {
			return fmt.Errorf("the preset %s: --%s: %w", p.Name, name, err)
		}
	}
	if len(o.metrics) == 0 {
		o.metrics = p.Metrics()
	}
	o.asked, o.spec.Unconfirmed = &p, true
	return nil
}

func varied(p *preset.Preset) (flags []string) {
	for _, v := range p.Vary {
		flags = append(flags, "vary="+v)
	}
	return flags
}

// presetTerms lists the presets with their questions.
func presetTerms() (terms []definition) {
	for _, p := range preset.All() {
		terms = append(terms, definition{p.Name, p.Question})
	}
	return terms
}

func presetHelp() string {
	var b strings.Builder
	writeDefinitions(&b, "", presetTerms())
	return b.String()
}

// writePresets explains what a preset is, and lists them.
func writePresets(w io.Writer) {
	fmt.Fprint(w, `lastack sweep --preset NAME answers a known question on this kernel. It varies
what the question is about, in sandboxes, predicts from the kernel's source what
each run should show, and answers in a sentence. Where a run shows something
else, the page says OTHERWISE, and the exit code is 3, as it is if the machine
was too busy to tell. A preset takes three minutes at most on two CPUs,
since it uses few ports and low rates; the answer holds for all of a host's
ports.

--blocks, --seed and --base may be given too, like --blocks 10 --base host. The
record has the answer and the predictions in sweep.preset.

lastack help presets NAME explains one preset and shows the sweep that it runs,
lastack help presets all does so for all of them.
`)
	writeDefinitions(w, "PRESETS", presetTerms())
}

// writePreset explains the named preset, or all of them for "all".
func writePreset(w io.Writer, name string) (known bool) {
	for _, p := range preset.All() {
		if p.Name != name && name != "all" {
			continue
		}
		if known {
			fmt.Fprintln(w)
		}
		known = true
		writeDefinitions(w, "", []definition{
			{p.Name, p.Question},
			{"", p.About},
			{"", "It is:"},
		})
		fmt.Fprintln(w, presetCommand(&p))
	}
	return known
}

// presetCommand is the sweep that a preset runs, as it can be typed.
func presetCommand(p *preset.Preset) string {
	words := []string{"lastack sweep"}
	for _, text := range slices.Concat(varied(p), p.Flags, []string{"base=" + grid.FromDefault, fmt.Sprintf("blocks=%d", p.Blocks)}) {
		name, value, _ := strings.Cut(text, "=")
		if room := usageWidth - len("    --  \\") - len(name); len(value) > room {
			value = strings.Join(wrapped(strings.ReplaceAll(value, ",", ", "), room-2), "\n      ")
		}
		if strings.Contains(value, " ") {
			value = "'" + value + "'"
		}
		words = append(words, "--"+name+" "+value)
	}
	var b strings.Builder
	line := "  "
	for i, word := range words {
		if i > 0 && len(line)+len(word)+3 > usageWidth {
			fmt.Fprintln(&b, line+" \\")
			line = "    "
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	return b.String() + line
}
