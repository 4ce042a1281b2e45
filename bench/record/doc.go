// Package record holds the run record: everything that a run found, as types and
// a codec. It is the only seam between measuring and showing: it imports nothing
// of lastack and needs neither Linux nor I/O, so that a saved record renders anywhere
// exactly as a live one.
//
// Keys are a contract (schema lastack.run/v1): added freely, never renamed.
// Times are seconds or microseconds as the key's suffix says.
package record
