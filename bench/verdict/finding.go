package verdict

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// Code is one kind of finding. Its name is stable, for scripts.
type Code struct {
	Name string
	// Remedy is set for a remedy, not set for a reason.
	Remedy bool
	// Means is what the code says of any run, Do what to do about it; a remedy is that itself.
	Means, Do string

	// pattern makes the sentence, see args.fill.
	pattern string
}

// found makes the code of a reason, remedy that of a remedy.
func found(name, means, do, pattern string) Code {
	return Code{Name: name, Means: means, Do: do, pattern: pattern}
}

func remedy(name, means, pattern string) Code {
	return Code{Name: name, Remedy: true, Means: means, pattern: pattern}
}

// Codes lists all kinds of finding: of runs in the order of their rules, then of drains and plans.
func Codes() []Code {
	return slices.Concat(
		generalCodes(), portCodes(), orphanCodes(), searchCodes(), fdCodes(), memoryCodes(), scheduleCodes(), queueCodes(), failureCodes(), lossCodes(), haltedCodes(), stalledCodes(),
		cpuCodes(), restCodes(), closeCodes(), replyCodes(), outlookCodes(), drainCodes(), planCodes(), shardCodes())
}

// sentences turns the findings into text. Nothing else does.
func sentences(findings []record.Finding) (reasons, advice []string) {
	codes := make(map[string]Code)
	for _, c := range Codes() {
		codes[c.Name] = c
	}
	for _, f := range findings {
		c, ok := codes[f.Code]
		if !ok {
			continue // of another version
		}
		s, _ := args(f.Args).fill(c.pattern)
		switch {
		case f.Try > 0:
			s = fmt.Sprintf("try %d: %s", f.Try, s)
		case f.Host > 0:
			s = fmt.Sprintf("host %d: %s", f.Host, s)
		}
		if f.Remedy {
			advice = append(advice, s)
		} else {
			reasons = append(reasons, s)
		}
	}
	return reasons, advice
}

// args are a finding's, as JSON has them: each number a float64.
type args map[string]any

// plain returns a as JSON decodes it, so that a record reads back as it was. JSON has no infinity, and a record must be written
// whatever its shares come to.
func (a args) plain() (m map[string]any) {
	maps.DeleteFunc(a, func(_ string, v any) bool {
		f, ok := v.(float64)
		return ok && (math.IsNaN(f) || math.IsInf(f, 0))
	})
	if b, err := json.Marshal(a); err == nil && len(a) > 0 {
		_ = json.Unmarshal(b, &m)
	}
	return m
}

// fill makes a sentence of a pattern, and reports whether all arguments that it names are there: not missing, and not false.
//
//	{key}           an argument, or what several come to, see print
//	{?key}          nothing: asks only whether it is there
//	[this|or that]  the first alternative whose arguments are all there, if any
func (a args) fill(pattern string) (sentence string, whole bool) {
	whole = true
	for {
		at := strings.IndexAny(pattern, "{[")
		if at < 0 {
			return sentence + pattern, whole
		}
		sentence += pattern[:at]
		if pattern[at] == '{' {
			var name string
			name, pattern, _ = strings.Cut(pattern[at+1:], "}")
			key, ask := strings.CutPrefix(name, "?")
			text, ok := a.print(key)
			if whole = whole && ok; !ask {
				sentence += text
			}
			continue
		}
		var alternatives string
		alternatives, pattern, _ = strings.Cut(pattern[at+1:], "]")
		for _, one := range strings.Split(alternatives, "|") {
			if text, ok := a.fill(one); ok {
				sentence += text
				break
			}
		}
	}
}

// print prints an argument, and reports whether it is there. A number has the unit that its key ends in. Behind a colon the name may
// have a format: a verb of package fmt for a share as a percentage, about for a rate with two significant digits, quoted for a text,
// several for a count that is there only if it is above 1.
func (a args) print(name string) (text string, ok bool) {
	key, format, _ := strings.Cut(name, ":")
	switch key {
	case "time_wait":
		return sockstate.Span{Min: a.duration("time_wait_min_s"), Max: a.duration("time_wait_max_s")}.String(), true
	case "range":
		return quantity.Range(int64(a.number("min")), int64(a.number("max"))), true
	case "keep": // fine enough to multiply by a rate
		if text = quantity.Seconds(a.number("keep_s")); a.number("keep_s") >= 10 {
			text = fmt.Sprintf("%.2f s", a.number("keep_s"))
		}
		if a["exactly"] != true {
			text = "up to " + text
		}
		return text, a["keep_s"] != nil
	case "mend":
		kind, _ := a["kind"].(string)
		return noReplyAdvice(kind), true
	}
	switch v := a[key].(type) {
	case bool:
		return "", v
	case string:
		if format == "quoted" {
			v = strconv.Quote(v)
		}
		return v, true
	case []any:
		return list(v), true
	case float64:
		return amount(v, key, format), format != "several" || v > 1
	}
	return "", false
}

func list(all []any) string {
	texts, sep := make([]string, len(all)), ", "
	for i := range all {
		texts[i], _ = all[i].(string)
		if strings.Contains(texts[i], ", ") {
			sep = "; "
		}
	}
	return strings.Join(texts, sep)
}

func amount(v float64, key, format string) string {
	switch {
	case strings.HasPrefix(format, "%"):
		return fmt.Sprintf(format+" %%", 100*v)
	case format == "about" && v > 0:
		return quantity.PerSecond(twoDigits(v))
	case strings.HasSuffix(key, "_us"):
		return quantity.Micros(v)
	case strings.HasSuffix(key, "_per_s"):
		return quantity.PerSecond(v)
	case strings.HasSuffix(key, "_s"):
		return quantity.Seconds(v)
	case strings.HasSuffix(key, "bytes"):
		return quantity.Bytes(int64(v))
	case v != math.Trunc(v):
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	}
	return quantity.Count(int64(v))
}

// twoDigits rounds a number to two significant digits.
func twoDigits(v float64) float64 {
	if v <= 0 {
		return 0
	}
	step := math.Pow(10, math.Floor(math.Log10(v))-1)
	return math.Round(v/step) * step
}

func (a args) number(key string) float64 { v, _ := a[key].(float64); return v }

// duration is a time in seconds, to the nanosecond.
func (a args) duration(key string) time.Duration {
	return time.Duration(math.Round(a.number(key) * 1e9))
}
