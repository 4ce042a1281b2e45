package verdict

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// Code is one kind of finding. Its name is stable, for scripts.
type Code struct {
	Name string
	// Remedy is set for a remedy, not set for a reason.
	Remedy bool
	// Means is what the code says of any run, Do what to do about it; a remedy is that itself.
	Means, Do string

	say func(args) string
}

// found makes the code of a reason, remedy that of a remedy.
func found(name, means, do string, say func(args) string) Code {
	return Code{Name: name, Means: means, Do: do, say: say}
}

func remedy(name, means string, say func(args) string) Code {
	return Code{Name: name, Remedy: true, Means: means, say: say}
}

// Codes lists all kinds of finding: of runs in the order of their rules, then of drains.
func Codes() []Code {
	return slices.Concat(
		generalCodes(), portCodes(), searchCodes(), fdCodes(), memoryCodes(), scheduleCodes(), queueCodes(), failureCodes(), lossCodes(), haltedCodes(), stalledCodes(),
		cpuCodes(), restCodes(), closeCodes(), replyCodes(), outlookCodes(), drainCodes())
}

// sentences turns the findings into text. Nothing else does.
func sentences(findings []record.Finding) (reasons, advice []string) {
	says := make(map[string]func(args) string)
	for _, c := range Codes() {
		says[c.Name] = c.say
	}
	for _, f := range findings {
		say, ok := says[f.Code]
		if !ok {
			continue // of another version
		}
		s := say(f.Args)
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

// plain returns a with the types that JSON decodes to, so that a record reads back as it was.
func (a args) plain() map[string]any {
	if len(a) == 0 {
		return nil
	}
	m := make(map[string]any, len(a))
	for k, v := range a {
		switch v := v.(type) {
		case int:
			m[k] = float64(v)
		case int64:
			m[k] = float64(v)
		case float64:
			// JSON has no other numbers, and a record must be written whatever its shares come to.
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				m[k] = v
			}
		case []string:
			all := make([]any, len(v))
			for i := range v {
				all[i] = v[i]
			}
			m[k] = all
		default: // string, bool
			m[k] = v
		}
	}
	return m
}

func (a args) has(key string) bool { return a[key] != nil }

func (a args) yes(key string) bool { v, _ := a[key].(bool); return v }

func (a args) text(key string) string { v, _ := a[key].(string); return v }

func (a args) number(key string) float64 { v, _ := a[key].(float64); return v }

func (a args) integer(key string) int64 { return int64(a.number(key)) }

func (a args) count(key string) string { return quantity.Count(a.integer(key)) }

func (a args) perSecond(key string) string { return quantity.PerSecond(a.number(key)) }

func (a args) seconds(key string) string { return quantity.Seconds(a.number(key)) }

func (a args) micros(key string) string { return quantity.Micros(a.number(key)) }

func (a args) bytes(key string) string { return quantity.Bytes(a.integer(key)) }

// percent is a share in whole percents, without the sign.
func (a args) percent(key string) string { return strconv.FormatFloat(100*a.number(key), 'f', 0, 64) }

func (a args) list(key string) []string {
	all, _ := a[key].([]any)
	texts := make([]string, len(all))
	for i := range all {
		texts[i], _ = all[i].(string)
	}
	return texts
}

// fixed is for a sentence without arguments.
func fixed(s string) func(args) string { return func(args) string { return s } }

// among is a range of counts, "1,000 to 2,000", or one.
func (a args) among(low, high string) string {
	return quantity.Range(a.integer(low), a.integer(high))
}

// rounded is a number to two decimals.
func (a args) rounded(key string) float64 { return math.Round(a.number(key)*100) / 100 }

// duration is a time in seconds, to the nanosecond.
func (a args) duration(key string) time.Duration {
	return time.Duration(math.Round(a.number(key) * 1e9))
}

// about is a rate with two significant digits.
func (a args) about(key string) string {
	v := a.number(key)
	if v <= 0 {
		return quantity.PerSecond(v)
	}
	step := math.Pow(10, math.Floor(math.Log10(v))-1)
	return quantity.PerSecond(math.Round(v/step) * step)
}
