package report

import (
	"math"
	"strings"

	"lastack/bench/metric"
	"lastack/report/document"
)

// spreadValue is a value of a spread.
func spreadValue(unit string, v float64) document.Value {
	switch {
	case unit == metric.UnitMicros:
		return document.Micros(v)
	case unit == metric.UnitShare:
		return document.Share(v)
	case v == math.Trunc(v) && math.Abs(v) < math.MaxInt64/2:
		return document.Count(int64(v))
	}
	return document.Number(v)
}

// metricWords says what a metric of a drain is.
func metricWords(metric string) string {
	switch metric {
	case "failed":
		return "requests and connects that failed"
	case "lost":
		return "requests never answered in whole"
	case "lost_ratio":
		return "their share"
	case "unsafe":
		return "of these, the server may have begun"
	case "safe":
		return "of these, the server had not begun"
	case "raced":
		return "of these, sent after the server closed"
	case "unreceived":
		return "of these, not received whole"
	case "requests":
		return "under way at the stop, or sent later"
	case "cut_fin":
		return "requests cut by FIN"
	case "cut_rst":
		return "requests cut by RST"
	case "timed_out":
		return "requests without a reply in time"
	case "unanswered":
		return "requests without a reply at the end"
	case "answered_5xx":
		return "requests answered with a 5xx"
	case "http_2xx", "http_3xx", "http_4xx", "http_5xx":
		return "replies with a status of " + strings.TrimPrefix(metric, "http_")
	case "http_invalid":
		return "replies with a status that is no code"
	case "http_3xx_before", "http_4xx_before", "http_5xx_before":
		return "and before the stop"
	case "answered_close":
		return "answered with Connection: close"
	case "slowest":
		return "the slowest reply"
	case "answer_gap":
		return "the longest time without any reply"
	case "refused":
		return "connects refused"
	case "refused_window":
		return "from the first refusal to an accept"
	case "first_refusal":
		return "the first connect refused"
	case "last_accept":
		return "the old server's last handshake"
	case "accepts_again":
		return "the first handshake after a refusal"
	case "connect_timed_out":
		return "connects without an answer in time"
	case "connect_pending":
		return "connects without an answer at the end"
	case "connect_failed":
		return "connects that this host refused"
	case "connect_slowest":
		return "the slowest connect that succeeded"
	case "unserved":
		return "connections that no process served"
	}
	return stopMetricWords(metric)
}

func stopMetricWords(metric string) string {
	switch metric {
	case "idle_fin":
		return "idle connections ended by FIN"
	case "idle_rst":
		return "idle connections ended by RST"
	case "idle_never":
		return "idle connections never ended"
	case "partial_fin":
		return "half a request sent, ended by FIN"
	case "partial_rst":
		return "half a request sent, ended by RST"
	case "partial_never":
		return "half a request sent, never ended"
	case "queued_reset":
		return "in the accept queue, reset"
	case "queued_served":
		return "in the accept queue, served after all"
	case "reconnected":
		return "clients that got a connection again"
	case "reconnect_failed":
		return "clients that got none again"
	case "reconnect_last":
		return "the last client back"
	case "exit_time":
		return "the end of the server's process"
	case "exit_code":
		return "its exit code"
	case "then_sent":
		return "1: it needed a signal after the grace"
	case "last_gone":
		return "the last connection gone"
	case "time_wait_left":
		return "TIME_WAIT sockets left on the port"
	case "fin_wait2_left":
		return "FIN_WAIT_2 orphans left on the port"
	case "bind_plain":
		return "1: bound at once, without SO_REUSEADDR"
	case "bind_reuse":
		return "1: bound at once with SO_REUSEADDR"
	case "mismatches":
		return "of the accounting, what does not hold"
	}
	return ""
}

// unknownWords says what a key of a try is, with the key, which --format json has.
func unknownWords(key string) string {
	words := map[string]string{
		"server":                   "the server's process",
		"server.exit_s":            "when the server's process ended",
		"server.exit_code":         "the server's exit code",
		"server.exit_signal":       "the signal that ended the server",
		"server.ledger":            "the server's own ledger",
		"server.still_listening":   "which processes of the server listen still",
		"restart":                  "what became of the restart",
		"restart.listens_s":        "when the restart listened",
		"listener":                 "what happened to new connections",
		"listener.last_accept_s":   "the last accept",
		"listener.first_refusal_s": "the first refusal",
		"listener.accepts_again_s": "when the port accepted again",
		"queued":                   "queued connections",
		"reconnect":                "where clients reconnected",
		"reconnect.landed":         "who has the clients that reconnected",
		"leftover":                 "sockets left behind",
		"port":                     "whether the port can be bound",
		"port.plain":               "whether the port can be bound without SO_REUSEADDR",
		"port.reuse":               "whether the port can be bound with SO_REUSEADDR",
		"last_gone_s":              "when the last connection was gone",
		"counters":                 "the kernel's counters",
		"requests.raced":           "how many requests raced the close",
		"requests.unsafe":          "how many requests are unsafe to retry",
	}[key]
	if words == "" {
		return key
	}
	return words + " (" + key + ")"
}
