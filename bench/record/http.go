package record

import (
	"slices"
	"strings"
)

// StatusClasses lists the keys of Result.HTTP: replies by the first digit of their status code. 1xx are interim replies, which come
// before another; invalid is a code outside 100 to 599.
func StatusClasses() []string { return []string{"1xx", "2xx", "3xx", "4xx", "5xx", "invalid"} }

// The kinds of exchange error: what came instead of a reply, a closed set. Result.ExchangeErrors has no other keys.
const (
	ErrorNotHTTP           = "not_http"           // it does not begin as HTTP does
	ErrorTLS               = "tls"                // it begins as TLS does
	ErrorSSH               = "ssh"                // it begins as SSH does
	ErrorHTTP2             = "http2"              // it begins as HTTP/2 does
	ErrorBadVersion        = "bad_version"        // HTTP, but neither 1.1 nor 1.0
	ErrorBadStatusLine     = "bad_status_line"    // malformed, or missing after an interim reply
	ErrorBadStatus         = "bad_status"         // a status code outside 100 to 599
	ErrorUpgrade           = "upgrade"            // 101, which was not asked for
	ErrorBadHeader         = "bad_header"         // a header line is malformed, folded, or ends wrongly
	ErrorHeaderTooLarge    = "header_too_large"   // more than 64 KiB
	ErrorBadLength         = "bad_length"         // Content-Length is malformed
	ErrorConflictingLength = "conflicting_length" // several Content-Lengths, or one beside Transfer-Encoding
	ErrorBadCoding         = "bad_coding"         // a Transfer-Encoding other than chunked
	ErrorBadChunk          = "bad_chunk"          // a chunk is malformed
	ErrorSurplus           = "surplus"            // more bytes than the last reply has
	ErrorEarlyReply        = "early_reply"        // bytes before the next request was sent
)

// ExchangeErrorNames lists them.
func ExchangeErrorNames() []string {
	return []string{
		ErrorNotHTTP, ErrorTLS, ErrorSSH, ErrorHTTP2, ErrorBadVersion, ErrorBadStatusLine, ErrorBadStatus, ErrorUpgrade, ErrorBadHeader,
		ErrorHeaderTooLarge, ErrorBadLength, ErrorConflictingLength, ErrorBadCoding, ErrorBadChunk, ErrorSurplus, ErrorEarlyReply,
	}
}

// Replies is the number of HTTP replies, interim ones not counted, and how many of them were not 2xx.
func (r *Result) Replies() (all, other int64) {
	for class, n := range r.HTTP {
		switch class {
		case "1xx":
		case "2xx":
			all += n
		default:
			all += n
			other += n
		}
	}
	return all, other
}

const httpPrefix = "http_"

// httpMetrics are named http_4xx and the like.
func httpMetrics(name string) (metric, bool) {
	class, ok := strings.CutPrefix(name, httpPrefix)
	if !ok || !slices.Contains(StatusClasses(), class) {
		return metric{}, false
	}
	return metric{unit: count, get: func(r *Run) (float64, string, bool) {
		asked := slices.ContainsFunc(r.Plan.Groups, func(g Group) bool { return strings.HasPrefix(g.Exchange, "http:") })
		all, _ := r.Replies()
		switch {
		case !asked && len(r.HTTP) == 0:
			return 0, "no HTTP was asked for", false
		case all == 0:
			return float64(r.HTTP[class]), "no reply came", true
		}
		return float64(r.HTTP[class]), "", true
	}}, true
}

func exchangeErrors() family {
	f := family{name: "exchange_errors", unit: count}
	for _, kind := range ExchangeErrorNames() {
		f.leaves = append(f.leaves, leaf{kind, func(r *Run) (float64, string, bool) { return float64(r.ExchangeErrors[kind]), "", true }})
	}
	return f
}
