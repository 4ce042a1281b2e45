package verdict

import (
	"maps"
	"slices"

	"lastack/bench/quantity"
	"lastack/sockstate"
)

// ofKinds lists the counts of some kinds, with their total and the most frequent of the kinds.
func ofKinds(counts map[string]int64, kinds []string) (parts []string, total int64, worst string) {
	for _, kind := range kinds {
		if n := counts[kind]; n > 0 {
			parts = append(parts, kind+" "+quantity.Count(n))
			if total += n; n > counts[worst] {
				worst = kind
			}
		}
	}
	return parts, total, worst
}

// replies warns if most HTTP replies were not 2xx: then the load measured redirects and error pages.
func (j *judgement) replies() {
	all, other := j.r.Replies()
	if other*2 <= all {
		return
	}
	classes := slices.DeleteFunc(sockstate.StatusClassNames(), func(c string) bool { return c == "1xx" || c == "2xx" })
	parts, _, worst := ofKinds(j.r.HTTP, classes)
	j.because("replies_not_2xx", args{"not_2xx": other, "replies": all, "by_class": parts})
	switch worst {
	case "3xx":
		j.advise("follow_redirect", nil)
	case "4xx":
		j.advise("ask_for_another_page", nil)
	case "invalid":
		j.advise("look_at_invalid_status", nil)
	default:
		j.advise("look_into_target_log", nil)
	}
}

// greetings reports targets that sent data unasked.
func (j *judgement) greetings() {
	if len(j.r.Greetings) == 0 {
		return
	}
	j.v.Valid = false
	var said []string
	for _, t := range slices.Sorted(maps.Keys(j.r.Greetings)) {
		said = append(said, t+" began with "+j.r.Greetings[t])
	}
	j.because("speaks_first", args{"said": said})
	j.advise("check_port_or_exchange", nil)
}

// noReplies says what came instead of replies.
func (j *judgement) noReplies() {
	if parts, total, worst := ofKinds(j.r.ExchangeErrors, sockstate.FaultNames()); total > 0 {
		j.because("no_reply", args{"lifecycles": total, "attempted": j.r.Connections.Attempted, "by_kind": parts})
		j.advise("mend_replies", args{"kind": worst})
	}
}

func noReplyAdvice(kind string) string {
	switch sockstate.ParseFault(kind) {
	case sockstate.FaultTLS:
		return "the target speaks TLS, and lastack plain HTTP: give it the port for plain HTTP, or put a proxy that ends TLS in front"
	case sockstate.FaultSSH:
		return "the target speaks SSH: check the port; --exchange none opens and closes connections to any server"
	case sockstate.FaultHTTP2:
		return "the target speaks HTTP/2, and lastack HTTP/1.1: switch that on there, or give another port"
	case sockstate.FaultNotHTTP:
		return "the target does not speak HTTP: check the port; --exchange none opens and closes connections to any server"
	case sockstate.FaultBadVersion:
		return "the target answers in a version of HTTP that lastack does not speak: it needs HTTP/1.1 or HTTP/1.0"
	case sockstate.FaultHeaderTooLarge:
		return "the target sends more header than the 64 KiB of a reply that lastack reads, its own limit, for HTTP sets none: have it send less, most often by fewer or shorter cookies"
	case sockstate.FaultBadCoding:
		return "the target uses a Transfer-Encoding that lastack does not read, which is all but one chunked of HTTP/1.1: switch compression of transfers off there"
	case sockstate.FaultBadChunk:
		return "look at a reply with curl -v --raw: a chunk is malformed (RFC 9112, section 7.1), or its size line is longer than lastack reads (16 digits, 250 bytes)"
	case sockstate.FaultSurplus, sockstate.FaultEarlyReply:
		return "the target sends more than it was asked for: check its Content-Length, or for an echo that RESP of --exchange echo:REQ,RESP is what it answers with"
	}
	return "the target's replies are not HTTP/1.1 as RFC 9112 has it: look at one with curl -v, and at its example under CONNECTIONS"
}

func replyCodes() []Code {
	return []Code{
		found("replies_not_2xx", "most HTTP replies were redirects or errors, so the numbers describe those", "ask for a page that the server has",
			"{not_2xx} of {replies} HTTP replies were not 2xx ({by_class}): the numbers are mostly of those, not of the pages that users get"),
		found("speaks_first", "the target speaks before it is asked, so a reply does not prove that it read a request", "check the port, or use --exchange none",
			"the target speaks before it is asked: {said} on a connection on which nothing was sent, so a reply does not prove that a request was read"),
		found("no_reply", "what came was not the reply that was asked for", "see its kinds under EXCHANGE ERRORS, and their examples",
			"what came in {lifecycles} of {attempted} lifecycles was not the reply asked for ({by_kind})"),
		remedy("follow_redirect", "ask for the page that a redirect leads to",
			"ask for the page that the redirect leads to: --exchange http:/path, and -H 'Host: NAME' where it depends on the name (curl -i shows where it leads)"),
		remedy("ask_for_another_page", "ask for a page that is there",
			"ask for a page that is there: --exchange http:/path, and -H 'Host: NAME' where it depends on the name (curl -i shows the reply; a 400 may come from a port for TLS)"),
		remedy("look_at_invalid_status", "look at a reply whose status is invalid",
			"look at a reply with curl -i: its status line is invalid, as a status is a number from 100 to 599 (RFC 9110, section 15)"),
		remedy("look_into_target_log", "look into the target's log", "look into the target's log: it answers with an error"),
		remedy("check_port_or_exchange", "check the port, or exchange nothing",
			"check the port, or have the target read the request before it answers; --exchange none opens and closes connections to any server"),
		remedy("mend_replies", "fix the target's replies, by the kind of error", "{mend}"),
	}
}
