package record

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
