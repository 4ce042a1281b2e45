package record

import (
	"reflect"
	"slices"
	"strings"

	"lastack/bench/lazy"
)

// redacted replaces a secret.
const redacted = "REDACTED"

// harmless matches the headers whose values are kept: content negotiation, the client and its path, caching. A list of the
// secret headers would never be complete (X-Pin, DPoP).
var harmless = lazy.Regexp(`(?i)^(?:accept(?:-[a-z-]+)?|content-(?:type|encoding|language|length|range)|user-agent|host|date|` +
	`connection|keep-alive|upgrade|transfer-encoding|te|trailer|expect|via|forwarded|x-forwarded-(?:for|host|port|proto)|x-real-ip|` +
	`cache-control|pragma|age|expires|etag|last-modified|vary|range|if-(?:match|none-match|modified-since|unmodified-since|range)|` +
	`referer|origin|priority|dnt|save-data|server|location|allow|retry-after|upgrade-insecure-requests|sec-fetch-[a-z]+|x-requested-with)$`)

// A name stands for a secret if it contains one of secretParts, after its separators are removed, or one of secretWords as a
// whole word: ping is not a PIN.
var (
	secretParts = lazy.Regexp(`auth|cookie|token|secret|passw|passphrase|passcode|credential|signature|session|apikey|accesskey|privatekey|clientcert|assertion|bearer|jwt|dpop`)
	secretWords = lazy.Regexp(`^(?:key|pass|pwd|pin|otp|totp|sso|sig|sid|cert|hmac)\d*$`)
	// wordsOf splits names: apiKey, API_KEY, api-key, api.key.
	wordsOf = lazy.Regexp(`[A-Z]+(?:[a-z0-9]+|[0-9]*)|[a-z0-9]+`)
)

// secret reports whether the name of a variable, flag, parameter or header stands for a secret.
func secret(name string) bool {
	words := wordsOf().FindAllString(name, -1)
	for i := range words {
		words[i] = strings.ToLower(words[i])
	}
	return secretParts().MatchString(strings.Join(words, "")) || slices.ContainsFunc(words, secretWords().MatchString)
}

var (
	// headerFlag is -H, alone or after other letters, with or without its value.
	headerFlag = lazy.Regexp(`^(-[a-zA-Z0-9]*?H=?|--header=)(.*)$`)
	// headerInText is a header in a longer text: after the flag, on a separate line, or in a log. If no space follows the colon, the flag
	// must precede it: auth:80 is a target.
	headerInText = lazy.Regexp(`(?:(?:-H|--header)[\s=]*["'\\]*([\w-]+)[ \t]*:|\b([\w-]+)[ \t]*:[ \t])`)
	userinfo     = lazy.Regexp(`(://)[^/?#\s"'@]*(?:@[^/?#\s"'@]*)*@`)
	// userFlag is user:password as curl and others take it.
	userFlag = lazy.Regexp(`((?:^|[\s"'])(?:-u|--user|--proxy-user)(?:[ \t=]+|)["']?[^\s:"'=]+:)[^\s"']+`)
	// assignment is a word NAME=value or --flag=value; flag is a flag whose value is the next word.
	assignment = lazy.Regexp(`(?s)^(-{0,2}([\w.-]+)=)[^=].*$`)
	flag       = lazy.Regexp(`^--?([a-zA-Z][\w.-]*)$`)
	// shellFlag is a flag whose value is a command of several words.
	shellFlag = lazy.Regexp(`^(?:--exec|--also|--stop|--restart|-[a-z]*c)$`)
)

// redactHeader replaces the value of a header, "Name: value", unless it is a well-known header without secrets.
func redactHeader(h string) string {
	if name, _, ok := strings.Cut(h, ":"); ok && !harmless().MatchString(strings.TrimSpace(name)) {
		return name + ": " + redacted
	}
	return RedactText(h)
}

// RedactCommand returns the words of a command line without secrets: the values of headers (see redactHeader), however the flag is
// written; user:password@ in URLs; and the values of variables, flags and query parameters whose names stand for secrets.
func RedactCommand(words []string) []string {
	out := slices.Clone(words)
	for i, w := range out {
		before := ""
		if i > 0 {
			before = words[i-1]
		}
		m, set, named := headerFlag().FindStringSubmatch(w), assignment().FindStringSubmatch(w), flag().FindStringSubmatch(before)
		switch {
		case before == "--header" || strings.HasPrefix(before, "-") && headerFlag().ReplaceAllString(before, "$2") == "":
			out[i] = redactHeader(w)
		case m != nil && m[2] != "":
			out[i] = m[1] + redactHeader(m[2])
		case set != nil && secret(set[2]) && !shellFlag().MatchString(before):
			out[i] = set[1] + redacted
		case named != nil && secret(named[1]) && !strings.HasPrefix(w, "-"):
			out[i] = redacted
		case before == "-u" || before == "--user" || before == "--proxy-user":
			user, _, hasPassword := strings.Cut(w, ":")
			if out[i] = user; hasPassword {
				out[i] += ":" + redacted
			}
		default:
			out[i] = RedactText(w)
		}
	}
	return out
}

// RedactText is RedactCommand for a text that may contain commands or headers. A header's value ends at its closing quote or at the end
// of the line. Outside a command, where a colon may follow any word, RedactText redacts only headers whose names stand for secrets.
func RedactText(s string) string {
	if strings.Contains(s, "://") {
		s = userinfo().ReplaceAllString(s, "${1}"+redacted+"@")
	}
	if strings.Contains(s, "-u") || strings.Contains(s, "-user") {
		s = userFlag().ReplaceAllString(s, "${1}"+redacted)
	}
	var b strings.Builder
	for at := 0; strings.Contains(s[at:], ":"); { // without one the regexp would read a long histogram for nothing
		m := headerInText().FindStringSubmatchIndex(s[at:])
		if m == nil {
			break
		}
		end := at + m[1]
		if m[2] >= 0 && harmless().MatchString(s[at+m[2]:at+m[3]]) || m[4] >= 0 && !secretBeforeColon(s[:at+m[4]], s[at+m[4]:at+m[5]]) {
			at = end
			continue
		}
		b.WriteString(strings.TrimRight(s[:end], " \t") + " " + redacted)
		s, at = s[end+valueLength(s, at+m[0], end):], 0
	}
	return redactValues(b.String() + s)
}

// secretBeforeColon is stricter than secret: "no such key: x", "net.ipv4.no_key: x" and "/etc/passwd: x" are messages.
func secretBeforeColon(before, name string) bool {
	return !strings.HasSuffix(before, ".") && !strings.HasSuffix(before, "/") && secret(name) && (strings.ContainsAny(name, "-_") || !secretWords().MatchString(strings.ToLower(name)))
}

// redactValues replaces the values of NAME=value, --flag value, ?parameter=value and "name": "value" whose names stand for secrets.
func redactValues(s string) string {
	if !mayHaveValues(s) {
		return s
	}
	var b strings.Builder
	done := 0
	quote := byte(0) // the quote around s[i]
	for i := 0; i < len(s); {
		if !inName(s[i]) {
			switch c := s[i]; {
			case c == '\n':
				quote = 0
			case c == '\\':
				i++
			case c == quote:
				quote = 0
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			}
			i++
			continue
		}
		begin := i
		for i < len(s) && inName(s[i]) {
			i++
		}
		from, end := valueAfter(s, begin, i, quote)
		if from == end || !secret(s[begin:i]) {
			continue
		}
		b.WriteString(s[done:from] + redacted)
		i, done = end, end
	}
	return b.String() + s[done:]
}

// mayHaveValues is false for most texts, and for histograms, of which a record may have megabytes.
func mayHaveValues(s string) bool {
	if strings.IndexByte(strings.TrimRight(s, "="), '=') >= 0 {
		return true
	}
	return strings.IndexByte(s, '"') >= 0 || strings.IndexByte(s, ' ') >= 0 || strings.IndexByte(s, '\t') >= 0
}

// valueAfter finds the value after the name s[begin:end]. quote is the quote around the name, or 0. from equals to if there is no value.
func valueAfter(s string, begin, end int, quote byte) (from, to int) {
	rest := s[end:]
	switch {
	case len(rest) > 1 && rest[0] == '=' && rest[1] != '=':
		from = end + 1
	case s[begin] == '-' && rest != "" && (rest[0] == ' ' || rest[0] == '\t'):
		from = len(s) - len(strings.TrimLeft(rest, " \t"))
		if from == len(s) || s[from] == '-' {
			return end, end
		}
	case begin > 0 && s[begin-1] == '"' && strings.HasPrefix(strings.TrimPrefix(rest, `\`), `"`):
		_, after, _ := strings.Cut(rest, `"`)
		after = strings.TrimLeft(after, " \t")
		if !strings.HasPrefix(after, ":") {
			return end, end
		}
		after = strings.TrimLeft(after[1:], " \t")
		if after == "" || after[0] != '"' && after[0] != '\\' && (after[0] < '0' || after[0] > '9') {
			return end, end // a message about the quoted
		}
		from = len(s) - len(after)
		quote = 0
	default:
		return end, end
	}
	alone := begin > 0 && (s[begin-1] == '"' || s[begin-1] == '\'') && s[begin-1] == quote // 'NAME=a value'
	for to = from; to < len(s) && s[to] != '\n'; to++ {
		switch c := s[to]; {
		case c == '\\' && to+1 < len(s) && s[to+1] != '\n':
			if to++; s[to] != '"' && s[to] != '\'' || to-1 == from {
				continue
			}
			// A quote in a quote.
			q := s[to-1 : to+1]
			n := lengthTo(s[to+1:], q)
			if n < 0 || strings.HasSuffix(s[:begin], q) {
				return from, to - 1
			}
			to += 2 + n
		case c == quote && quote != 0:
			return from, to
		case c == '"' || c == '\'':
			n := lengthTo(s[to+1:], string(c))
			if n < 0 {
				return from, to
			}
			to += 1 + n
		case !alone && strings.IndexByte(" \t\r&;,}", c) >= 0:
			return from, to
		}
	}
	return from, min(to, len(s))
}

// lengthTo is the distance to the closing quote, -1 if the line ends before it.
func lengthTo(s, quote string) int {
	n := strings.Index(s, quote)
	if n >= 0 && strings.Contains(s[:n], "\n") {
		return -1
	}
	return n
}

func inName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// valueLength is the length of the header value that begins at from. It ends at a quote like the one before the header's name, at or
// after begin, or at the end of the line.
func valueLength(s string, begin, from int) int {
	quote := strings.LastIndexAny(s[:from], `"'`)
	if quote >= 0 && quote < begin-1 {
		quote = -1 // of another word
	}
	value := s[from:]
	if quote < 0 {
		if end := strings.IndexByte(value, '\n'); end >= 0 {
			return end
		}
		return len(value)
	}
	escaped := quote > 0 && s[quote-1] == '\\'
	for i := range len(value) {
		if value[i] == '\n' {
			return i
		}
		if value[i] == s[quote] && (i > 0 && value[i-1] == '\\') == escaped {
			if escaped {
				return i - 1
			}
			return i
		}
	}
	return len(value)
}

// Redact removes the secrets from a record, so that it can be passed on. It searches all texts: even a warning or a verdict may
// contain a command or its output.
func (r *Run) Redact() {
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		g.Headers = slices.Clone(g.Headers)
		for j, h := range g.Headers {
			g.Headers[j] = redactHeader(h)
		}
	}
	redactAll(reflect.ValueOf(r).Elem())
}

// redactAll removes the secrets from all strings in v, which must be settable. It replaces lists of strings, which may be shared, and
// maps.
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
		case reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
			for i := range v.Len() {
				redactAll(v.Index(i))
			}
		}
	case reflect.Interface:
		if !v.IsNil() {
			clean := reflect.New(v.Elem().Type()).Elem()
			clean.Set(v.Elem())
			redactAll(clean)
			v.Set(clean)
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		// A long timeline has hundreds of thousands of these.
		switch m := v.Interface().(type) {
		case map[string]int:
			v.Set(reflect.ValueOf(redactKeys(m)))
			return
		case map[string]int64:
			v.Set(reflect.ValueOf(redactKeys(m)))
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

// redactKeys is m without secrets in its keys: m itself if there are none.
func redactKeys[V any](m map[string]V) map[string]V {
	for k := range m {
		if RedactText(k) != k {
			clean := make(map[string]V, len(m))
			for k, v := range m {
				clean[RedactText(k)] = v
			}
			return clean
		}
	}
	return m
}
