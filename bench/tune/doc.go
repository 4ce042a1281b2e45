// Package tune searches for the fewest changes by which a load is sustained: by experiment, each trial in a sandbox of its own.
//
//	as it is --sustained--> nothing needs to change
//	   | what bound it
//	   v
//	each remedy for that limit alone, narrowed and side by side
//	   |                         \ none suffices: pairs of those that help
//	   v                          v
//	the cheapest that sufficed, in full, on fresh sandboxes --fails--> the next one
//
// A rate is sustained if a load meets it for as long as it takes TIME_WAIT to turn over, and the verdict finds no limit. Where local ports are
// the limit, a trial has a part of the ports and the same part of the rate: it lasts as long, but many fit side by side. What one trial of a
// remedy proposes is confirmed in full.
//
// The table of remedies (remedies) has the well-known ones too that do not help: they are tried like the others.
package tune
