package record

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// redacted stands for a secret in what is written.
const redacted = "REDACTED"

// secretName is part of the names of headers whose values let others in: Authorization, Proxy-Authorization, Cookie, Set-Cookie,
// X-Api-Key, X-Auth-Token, X-Amz-Security-Token and their like.
const secretName = `[\w-]*(?:auth|cookie|api[-_]?key|token|secret|passw|credential|signature|session)[\w-]*`

var (
	secretHeader = regexp.MustCompile(`(?i)^\s*` + secretName + `\s*$`)
	// headerFlag is -H, among other letters or alone, with its value or without.
	headerFlag = regexp.MustCompile(`^(-[a-zA-Z0-9]*?H=?|--header=)(.*)$`)
	// secretInText is a header in a longer text. Without a space after the colon it needs the flag before it: auth:80 is a target.
	secretInText = regexp.MustCompile(`(?i)(?:(?:-H|--header)[\s=]*["'\\]*` + secretName + `[ \t]*:|\b` + secretName + `[ \t]*:[ \t])`)
	userinfo     = regexp.MustCompile(`(://)[^/?#\s"'@]*(?:@[^/?#\s"'@]*)*@`)
)

// RedactHeader replaces the value of a header, "Name: value", whose name says that it is a secret.
func RedactHeader(h string) string {
	if name, _, ok := strings.Cut(h, ":"); ok && secretHeader.MatchString(name) {
		return name + ": " + redacted
	}
	return RedactText(h)
}

// RedactCommand returns the words of a command line without secrets: the values of such headers, however the flag is
// written, and user:password@ in URLs.
func RedactCommand(words []string) []string {
	out := slices.Clone(words)
	for i, w := range out {
		m := headerFlag.FindStringSubmatch(w)
		switch {
		case i > 0 && (words[i-1] == "--header" || strings.HasPrefix(words[i-1], "-") && headerFlag.ReplaceAllString(words[i-1], "$2") == ""):
			out[i] = RedactHeader(w)
		case m != nil && m[2] != "":
			out[i] = m[1] + RedactHeader(m[2])
		default:
			out[i] = RedactText(w)
		}
	}
	return out
}

// RedactText is RedactCommand for a text in which a command or a header may stand. A header's value goes to the quote that
// ends it, or to the end of the line.
func RedactText(s string) string {
	s = userinfo.ReplaceAllString(s, "${1}"+redacted+"@")
	var b strings.Builder
	for {
		m := secretInText.FindStringIndex(s)
		if m == nil {
			break
		}
		b.WriteString(strings.TrimRight(s[:m[1]], " \t") + " " + redacted)
		s = s[m[1]+valueLength(s, m[0], m[1]):]
	}
	return b.String() + s
}

// valueLength finds the end of a header's value that begins at from: the quote that stands before its name, at or after
// begin, or the line's end.
func valueLength(s string, begin, from int) int {
	quote := strings.LastIndexAny(s[:from], `"'`)
	if quote >= 0 && quote < begin-1 {
		quote = -1 // of another word
	}
	value := s[from:]
	if end := strings.IndexByte(value, '\n'); end >= 0 {
		value = value[:end]
	}
	if quote < 0 {
		return len(value)
	}
	escaped := quote > 0 && s[quote-1] == '\\'
	for i := range len(value) {
		if value[i] == s[quote] && (i > 0 && value[i-1] == '\\') == escaped {
			if escaped {
				return i - 1
			}
			return i
		}
	}
	return len(value)
}

// Redact takes the secrets out of a record: it may be passed on, the credentials of a load may not. A command, or what it
// said, may stand in any text, warnings and verdicts included, so that all are looked at.
func (r *Run) Redact() {
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		g.Headers = slices.Clone(g.Headers)
		for j, h := range g.Headers {
			g.Headers[j] = RedactHeader(h)
		}
	}
	redactAll(reflect.ValueOf(r).Elem())
}

// redactAll takes the secrets out of all strings in v, which can be set. Lists of strings, which others may hold, and maps
// are replaced.
func redactAll(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(RedactText(v.String()))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				redactAll(f)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			redactAll(v.Elem())
		}
	case reflect.Slice:
		switch v.Type().Elem().Kind() {
		case reflect.String:
			if words, ok := v.Interface().([]string); ok && words != nil {
				v.Set(reflect.ValueOf(RedactCommand(words)))
			}
		case reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Map:
			for i := range v.Len() {
				redactAll(v.Index(i))
			}
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		clean := reflect.MakeMapWithSize(v.Type(), v.Len())
		for key, value := range v.Seq2() {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			k.Set(key)
			e.Set(value)
			redactAll(k)
			redactAll(e)
			clean.SetMapIndex(k, e)
		}
		v.Set(clean)
	}
}
