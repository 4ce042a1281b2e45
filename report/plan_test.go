package report

import (
	"fmt"
	"math"

	"lastack/bench/record"
)

// planNumbers adds those of a plan's pictures to all: each limit's need over the rate, and what share of the limit that is.
func planNumbers(rec node, all map[string]func(heads []string, rows [][]string) numbers) {
	curve := rec.at("capacity", "curve")
	var rates []string
	for _, r := range curve.at("rates_per_s").items() {
		rates = append(rates, exact(r.num()))
	}
	needs, use := curve.at("needs").items(), make(map[string][]float64)
	for i, limit := range rec.at("capacity", "limits").items() {
		var need, percent []float64
		for _, n := range needs[i].items() {
			v := n.num()
			if v <= 0 {
				v = math.NaN()
			}
			need, percent = append(need, v), append(percent, v*(100/limit.at("max").num()))
		}
		use["% of "+limit.at("side").text()+": "+record.CapacityWords(limit.at("name").text())] = percent
		all[fmt.Sprintf("p-need-%d", i)] = func(heads []string, _ [][]string) numbers { return fixed(rates, map[string][]float64{heads[1]: need}) }
	}
	all["p-use"] = func([]string, [][]string) numbers { return fixed(rates, use) }
}
