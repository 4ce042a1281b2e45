package report

import (
	"math"

	"lastack/bench/metric"
	"lastack/report/document"
)

// spreadValue is a value of a spread, in its unit.
func spreadValue(unit metric.Unit, v float64) document.Value {
	switch {
	case unit == metric.Micros:
		return document.Micros(v)
	case unit == metric.Share:
		return document.Share(v)
	case v == math.Trunc(v) && math.Abs(v) < math.MaxInt64/2:
		return document.Count(int64(v))
	}
	return document.Number(v)
}

// unknownWords explains the keys of a try, as --format json has them.
func unknownWords() map[string]string {
	return map[string]string{
		"server":                   "the server's process",
		"server.exit_s":            "when the server's process ended",
		"server.exit_code":         "the server's exit code",
		"server.exit_signal":       "the signal that ended the server",
		"server.ledger":            "the server's own counts",
		"server.still_listening":   "which processes of the server still listen",
		"restart":                  "what became of the restart",
		"restart.listens_s":        "when the restart listened",
		"listener":                 "what happened to new connections",
		"listener.last_accept_s":   "the last accept",
		"listener.first_refusal_s": "the first refusal",
		"listener.accepts_again_s": "when the port accepted again",
		"queued":                   "queued connections",
		"reconnect":                "where clients reconnected",
		"reconnect.landed":         "which process has the clients that reconnected",
		"leftover":                 "sockets left behind",
		"port":                     "whether the port can be bound",
		"port.plain":               "whether the port can be bound without SO_REUSEADDR",
		"port.reuse":               "whether the port can be bound with SO_REUSEADDR",
		"last_gone_s":              "when the last connection was gone",
		"counters":                 "the kernel's counters",
		"requests.raced":           "how many requests arrived after the close",
		"requests.unsafe":          "how many requests are unsafe to retry",
	}
}
