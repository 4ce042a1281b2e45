// Package expose shows the figures of a measurement under way to Prometheus.
//
//	record.Event, server.Stats -> Figures -> /metrics
//
// What is shown, and by which names, is in bench/metric. A scrape reads what the intervals of the timeline have said until then: it asks the
// load for nothing, so that its cost does not depend on the load.
//
// The exposition is text, or protobuf for a scraper that asks for it, as Prometheus does for native histograms, of which the text knows
// nothing. Both are written here, and so is the HTTP that carries them. The libraries would do it as well, but this program starts
// thousands of times a day in scripts: net/http alone makes each start 4 ms longer on a small virtual machine, client_golang 12 ms, and the
// types of client_model 5 ms. The tests read what is written by those libraries.
package expose
