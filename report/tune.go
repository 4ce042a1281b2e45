package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// tuneView is the search for what to change.
type tuneView struct {
	run  *record.Run
	tune *record.Tune
}

// tuneDocument is the report of a tune: the answer, the settings to copy, and what was tried.
func tuneDocument(run *record.Run) *document.Document {
	v := &tuneView{run, run.Tune}
	return build(title(run), what(&run.Plan), run.Warnings, v.asked(), v.answer(), warnings(), pictures(v.picture()), v.settings(), v.toTry(), v.tried(), v.useless())
}

func (v *tuneView) asked() *section {
	interrupted := ""
	if v.run.Interrupted {
		interrupted = "INTERRUPTED after " + quantity.Seconds(v.run.ElapsedS) + ": what follows is of " + number(len(v.tune.Trials), "trial", "trials")
	}
	s := asked(v.run, "", "", interrupted)
	s.Blocks = slices.DeleteFunc(s.Blocks, func(b document.Block) bool {
		f, ok := b.(document.Fact)
		return ok && f.Name == "target" // each trial has its own
	})
	s.fact(document.First, "base", base(&v.tune.Base))
	if len(v.tune.Keep) > 0 {
		var keep []string
		for _, k := range v.tune.Keep {
			keep = append(keep, shortName(k))
		}
		s.fact(document.First, "kept", some(keep, 6))
	}
	return s
}

// setWords are the changes of a set of remedies.
func (v *tuneView) setWords(set []int) string {
	var all []string
	for _, i := range set {
		for _, c := range v.tune.Remedies[i].Changes {
			all = append(all, settingWords(c))
		}
	}
	if len(all) == 0 {
		return "as it is"
	}
	return strings.Join(all, ", ")
}

func isSysctl(key string) bool { return strings.HasPrefix(key, "net.") }

// settingWords are short: tcp_tw_reuse=1, 11 source addresses.
func settingWords(c record.TuneSetting) string {
	switch {
	case isSysctl(c.Key) && strings.Contains(c.To, " "):
		return shortName(c.Key) + `="` + c.To + `"`
	case isSysctl(c.Key):
		return shortName(c.Key) + "=" + c.To
	case c.Key == "sources":
		return c.To + " source addresses"
	}
	return c.Key + " " + c.To
}

func (v *tuneView) rate() string { return quantity.PerSecond(v.tune.RatePerS) + "/s" }

// answer says in a sentence or two what came of it.
func (v *tuneView) answer() *section {
	s, t := begin(document.First, "ANSWER", ""), v.tune
	switch t.Result {
	case record.TuneSustained:
		s.Lead, s.Tone = v.rate()+" are sustained as it is: nothing needs to change", document.Good
		s.say(document.First, v.evidence(nil))
		return s
	case record.TuneChange:
		s.Lead, s.Tone = v.setWords(t.Answer)+" "+quantity.Plural(v.changes(t.Answer), "sustains", "sustain")+" "+v.rate(), document.Good
	case record.TuneNothing:
		s.Lead, s.Tone = "nothing on this list sustains "+v.rate()+v.takes(), document.Bad
	case record.TuneCannotTell:
		s.Lead, s.Tone = v.doubt(), document.Bad
	default:
		s.Lead = "none yet: the search was interrupted"
	}
	s.say(document.First, v.without())
	switch t.Result {
	case record.TuneNothing:
		s.say(document.First, v.refuted())
	case record.TuneCannotTell:
		s.say(document.First, v.toTell())
	}
	return s
}

// doubt says what cannot be told, and why.
func (v *tuneView) doubt() string {
	t, why := v.tune, limitWords(v.run.Verdict.LimitedBy)
	switch v.run.Verdict.LimitedBy {
	case record.LimitPorts, record.LimitPortSearch:
		why = "connections piled up, and took the local ports"
	case record.LimitTarget:
		why = "a threshold was missed, but the CPUs of this host were full"
	}
	switch {
	case len(t.Answer) > 0:
		return fmt.Sprintf("cannot tell whether %s %s %s; the limit is lifted, but in full: %s", v.setWords(t.Answer),
			quantity.Plural(v.changes(t.Answer), "sustains", "sustain"), v.rate(), why)
	case len(t.Remedies) > 0:
		return "cannot tell what sustains " + v.rate() + ": " + why
	}
	return "cannot tell whether " + v.rate() + " are sustained: " + why
}

// toTell says what would tell.
func (v *tuneView) toTell() string {
	fullest := ""
	var most float64
	for i := range v.tune.Trials {
		t := &v.tune.Trials[i]
		if !t.CannotTell {
			continue
		}
		if slices.ContainsFunc(t.Findings, func(f record.Finding) bool { return f.Code == "cpus_full_of_others" }) {
			return "other programs had the CPUs: run it again on a quiet machine"
		}
		if t.Scale == 0 && t.CompletedPerS > most {
			most, fullest = t.CompletedPerS, fmt.Sprintf(", which completed %s/s at most", quantity.PerSecond(t.CompletedPerS))
		}
	}
	return "both ends are on this machine" + fullest + ": a machine with more CPUs, or a lower rate, can tell"
}

func (v *tuneView) changes(set []int) (n int) {
	for _, i := range set {
		n += len(v.tune.Remedies[i].Changes)
	}
	return n
}

// takes says what it takes, if that is known.
func (v *tuneView) takes() string {
	t := v.tune
	if n := t.Takes; n != nil {
		return ": it takes " + needWords(n, fmt.Sprintf(", each with %s local ports,", quantity.Count(n.PortsEach)))
	}
	if l, ok := record.LimitNamed(t.LimitedBy); ok && l.Do != "" && t.LimitedBy != record.LimitTarget {
		return ": " + l.Do
	}
	if trial := v.asItIs(); trial != nil && trial.Reason != "" {
		return ": " + trial.Reason
	}
	return ""
}

// needWords are the addresses, with something said of them between commas, and the sysctl that a load takes.
func needWords(n *record.TuneNeed, of string) string {
	words := number(n.Addresses, "address", "addresses") + of
	if n.TWBuckets > 0 {
		return words + fmt.Sprintf(" and %s=%d", shortName(buckets), n.TWBuckets)
	}
	return strings.TrimSuffix(words, ",")
}

// without says how the load fares without any change.
func (v *tuneView) without() string {
	trial := v.asItIs()
	if trial == nil {
		return ""
	}
	return "as it is: " + given(!trial.CannotTell, "not sustained, ") + limitAnd("; ", v.tune.LimitedBy, firstFails(trial))
}

// limitAnd joins a limit and the reason of a trial, which may say the same.
func limitAnd(sep, limit, reason string) string {
	words := limitWords(limit)
	return join(sep, words, given(reason != words, reason))
}

// firstFails says when the first connection failed, and when that was predicted.
func firstFails(t *record.TuneTrial) string {
	if t.FailedAfterS == 0 {
		return t.Reason
	}
	s := "the first connection fails after " + quantity.Seconds(t.FailedAfterS)
	if p := t.Predicted; p != nil && p.ExhaustedS > 0 {
		s += fmt.Sprintf(", predicted after %s (%s ports at %s/s)", quantity.Seconds(p.ExhaustedS), quantity.Count(p.Ports), quantity.PerSecond(float64(p.Ports)/p.ExhaustedS))
	}
	return s
}

// asItIs is the trial without any change that says the most: one in which something failed.
func (v *tuneView) asItIs() (best *record.TuneTrial) {
	for i := range v.tune.Trials {
		t := &v.tune.Trials[i]
		if len(t.Remedies) == 0 && (best == nil || best.FailedAfterS == 0) {
			best = t
		}
	}
	return best
}

// refuted says what the last trial in full met, if narrowed ones went through.
func (v *tuneView) refuted() string {
	for i := len(v.tune.Trials) - 1; i >= 0; i-- {
		if t := &v.tune.Trials[i]; t.Confirms && !t.Sustained {
			return "the ports would suffice with " + v.setWords(t.Remedies) + ", but in full it was " + limitAnd(": ", t.LimitedBy, t.Reason)
		}
	}
	return ""
}

// evidence says what fresh runs of a set in full had, with the most that may fail.
func (v *tuneView) evidence(set []int) string {
	var runs int
	var attempted, failed int64
	var lasted float64
	for i := range v.tune.Trials {
		t := &v.tune.Trials[i]
		if t.Scale == 0 && t.Error == "" && slices.Equal(t.Remedies, set) && (t.Confirms || len(set) == 0) {
			runs, attempted, failed, lasted = runs+1, attempted+t.Attempted, failed+t.Failed, max(lasted, t.LoadS)
		}
	}
	if runs == 0 {
		return ""
	}
	return fmt.Sprintf("%s of %s connections failed in %s of %s: at most %s do, with 95 %% confidence",
		quantity.Count(failed), quantity.Count(attempted), number(runs, "fresh run", "fresh runs"), quantity.Seconds(lasted), mostFails(failed, attempted))
}

// mostFails is the upper end of a one-sided interval of a share, with 95 % confidence (Wilson's; the exact one if there are none).
func mostFails(k, n int64) string {
	if n == 0 {
		return "all"
	}
	const z = 1.645
	p, size := float64(k)/float64(n), float64(n)
	most := (p + z*z/2/size + z*math.Sqrt(p*(1-p)/size+z*z/4/size/size)) / (1 + z*z/size)
	if k == 0 {
		most = 1 - math.Pow(0.05, 1/size)
	}
	return fmt.Sprintf("%.2g %%", 100*most)
}

// settings shows what to change, as text that can be copied.
func (v *tuneView) settings() *section {
	if v.tune.Result != record.TuneChange {
		return nil
	}
	s := begin(document.First, "SETTINGS", "")
	s.Lead = "to copy (-o FILE.conf writes it)"
	s.add(document.Quote{Level: document.First, Lines: v.file(v.tune.Answer)})
	return s
}

// fileWidth is that of a line of a file of sysctl.d.
const fileWidth = 96

// file is the text of a file of sysctl.d that makes the changes of a set. What is no sysctl is a comment.
func (v *tuneView) file(set []int) (lines []string) {
	say := func(what, text string) {
		if text != "" {
			lines = append(lines, comment(what+": "+text)...)
		}
	}
	say("evidence", v.evidence(set))
	say("predicted", v.bears(set))
	for _, i := range set {
		r := &v.tune.Remedies[i]
		say("costs", r.Costs)
		say("risk", r.Risk)
		for _, c := range r.Changes {
			if !isSysctl(c.Key) {
				lines = append(lines, comment("change of the program: "+programWords(c))...)
				continue
			}
			lines = append(lines, singleLine(c.Key)+" = "+singleLine(c.To))
		}
	}
	return lines
}

// programWords say how a setting that is no sysctl is changed.
func programWords(c record.TuneSetting) string {
	switch c.Key {
	case "sources":
		return "connect from " + c.To + " source addresses in turn (lastack: --source)"
	case "close":
		return "close by " + c.To + " in place of " + c.From + " (lastack: --close " + c.To + ")"
	}
	return c.Key + " " + c.To + " (lastack: --" + c.Key + " " + c.To + ")"
}

// bears says what the ports bear with a set.
func (v *tuneView) bears(set []int) string {
	for i := range v.tune.Trials {
		t := &v.tune.Trials[i]
		if p := t.Predicted; p != nil && slices.Equal(t.Remedies, set) {
			kept := quantity.Seconds(p.KeptMinS)
			if p.KeptMaxS > p.KeptMinS {
				kept += " to " + quantity.Seconds(p.KeptMaxS)
			}
			bears := quantity.PerSecond(p.LoPerS) + "/s"
			if p.HiPerS > p.LoPerS {
				bears = quantity.PerSecond(p.LoPerS) + " to " + quantity.PerSecond(p.HiPerS) + "/s"
			}
			return fmt.Sprintf("%s local ports, each kept for %s, bear %s", quantity.Count(p.Ports), kept, bears)
		}
	}
	return ""
}

// singleLine makes text from a record safe in a file of settings.
func singleLine(s string) string { return quantity.Escape(strings.Join(strings.Fields(s), " ")) }

// comment breaks a text into lines of a comment.
func comment(text string) (lines []string) {
	line := "#"
	for _, word := range strings.Fields(singleLine(text)) {
		if len(line)+1+len(word) > fileWidth && line != "#" {
			lines, line = append(lines, line), "#  "
		}
		line += " " + word
	}
	return append(lines, line)
}

// tried is a table of the trials.
func (v *tuneView) tried() *section {
	s := begin(document.First, "TRIED", "")
	t := s.table(document.First, "", "sustained", "fails after", "predicted", "ports bear", "+up to", "~+limit", "+scale", "+connections", "+failed")
	for i := range v.tune.Trials {
		trial := &v.tune.Trials[i]
		name := v.setWords(trial.Remedies)
		if trial.Confirms || len(trial.Remedies) == 0 && trial.Scale == 0 {
			name += ", in full"
		}
		sustained := "no"
		switch {
		case trial.Error != "":
			sustained = "not tried"
		case trial.Sustained:
			sustained = "yes"
		case trial.CannotTell:
			sustained = "cannot tell"
		}
		row := []document.Value{document.Text(sustained), nil, nil, nil, nil, txt(join(": ", trial.LimitedBy, trial.Reason, trial.Error)), nil, count(trial.Attempted), count(trial.Failed)}
		if trial.FailedAfterS > 0 {
			row[1] = seconds(trial.FailedAfterS)
		}
		if p := trial.Predicted; p != nil {
			row[3], row[4] = document.Rate(p.LoPerS), document.Rate(p.HiPerS)
			if p.ExhaustedS > 0 {
				row[2] = seconds(p.ExhaustedS)
			}
		}
		if trial.Scale > 0 {
			row[6] = document.Text(fmt.Sprintf("1/%.4g", 1/trial.Scale))
		}
		out := t.row(name, row...)
		out.Level = levelIf(!trial.Confirms || !trial.Sustained) // the settings have its evidence
		if out.Main = trial.Sustained; trial.Sustained {
			out.Tone = document.Good
		}
	}
	if len(v.tune.Trials) == 0 {
		s.Lead = "nothing yet"
	}
	return s
}

// picture has a bar for each trial, but for those that confirm others: how many of its connections failed.
func (v *tuneView) picture() *document.Picture {
	p := &document.Picture{
		ID: "p-tried", Title: "What became of the connections", Form: document.Bars, Apart: true, X: document.Axis{Name: "trial"},
		Desc:   "The connections of each trial, and how many of them failed.",
		Curves: []document.Curve{{Name: "completed", Hue: 1}, {Name: "failed", Hue: 6}},
	}
	for i := range v.tune.Trials {
		t := &v.tune.Trials[i]
		if t.Confirms || t.Attempted == 0 {
			continue
		}
		name := v.setWords(t.Remedies)
		if t.Scale > 0 {
			name += fmt.Sprintf(" (1/%.4g)", 1/t.Scale)
		}
		p.Names = append(p.Names, name)
		p.Curves[0].Points = append(p.Curves[0].Points, float64(t.Attempted-t.Failed))
		p.Curves[1].Points = append(p.Curves[1].Points, float64(t.Failed))
	}
	if len(p.Names) == 0 {
		return nil
	}
	return p
}

// useless lists what does not help, and why.
func (v *tuneView) useless() *section {
	s := begin(document.First, "NO HELP", "")
	list := document.List{Level: document.First, Name: "no help"}
	for i := range v.tune.Trials {
		t := &v.tune.Trials[i]
		if len(t.Remedies) != 1 || t.Sustained || t.Confirms || t.CannotTell {
			continue
		}
		why := given(t.FailedAfterS > 0, v.tune.Remedies[t.Remedies[0]].Why) // of ports
		alone := ""
		if slices.Contains(v.tune.Answer, t.Remedies[0]) {
			why, alone = "", " alone"
		}
		sentence := v.setWords(t.Remedies) + alone + ": " + join("; ", failsWords(t), why)
		list.Findings = append(list.Findings, document.Finding{Code: v.tune.Remedies[t.Remedies[0]].Code, Sentence: sentence})
	}
	if len(list.Findings) == 0 {
		return nil
	}
	s.add(list)
	return s
}

func failsWords(t *record.TuneTrial) string {
	switch {
	case t.Error != "":
		return "could not be tried: " + t.Error
	case t.FailedAfterS > 0:
		return "fails after " + quantity.Seconds(t.FailedAfterS)
	}
	return t.Reason
}

// writeSettings writes the file of sysctl.d of a tune. All else is in comments.
func writeSettings(v *tuneView) string {
	r, t := v.run, v.tune
	var lines []string
	say := func(text string) {
		if text != "" {
			lines = append(lines, comment(text)...)
		}
	}
	say(title(r) + given(!r.Started.IsZero(), ", "+r.Started.UTC().Format("2006-01-02 15:04 UTC")) + ", " + kernelOf(r))
	say(what(&r.Plan))
	a := v.answer()
	say(a.Lead)
	for _, b := range a.Blocks {
		if n, ok := b.(document.Note); ok {
			say(n.Text)
		}
	}
	for _, w := range r.Warnings {
		say("doubt: " + w)
	}
	if t.Result == record.TuneChange {
		lines = append(append(lines, ""), v.file(t.Answer)...)
	}
	if c := v.command(); c != nil {
		lines = append(lines, "# try it: "+singleLine(shell(c)))
	}
	if s := v.useless(); s != nil {
		lines = append(lines, "")
		for _, f := range s.Blocks[0].(document.List).Findings {
			say("does not help: " + f.Sentence)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func kernelOf(r *record.Run) string {
	if len(r.Hosts) == 0 || r.Hosts[0].Kernel == "" {
		return "an unknown kernel"
	}
	return "Linux " + r.Hosts[0].Kernel
}
