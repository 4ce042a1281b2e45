package metric

import (
	"slices"
	"strings"

	"lastack/bench/record"
	"lastack/sockstate"
)

const httpPrefix = "http_"

// httpMetrics are named http_4xx and the like.
func httpMetrics(name string) (metric, bool) {
	class, ok := strings.CutPrefix(name, httpPrefix)
	if !ok || !slices.Contains(sockstate.StatusClassNames(), class) {
		return metric{}, false
	}
	return metric{unit: count, get: func(r *record.Run) (float64, string, bool) {
		asked := slices.ContainsFunc(r.Plan.Groups, func(g record.Group) bool { return strings.HasPrefix(g.Exchange, "http:") })
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
	for _, kind := range sockstate.FaultNames() {
		f.leaves = append(f.leaves, leaf{kind, func(r *record.Run) (float64, string, bool) { return float64(r.ExchangeErrors[kind]), "", true }})
	}
	return f
}
