package sockstate

import "slices"

// Fault is what was wrong with the bytes received as a reply: a closed set. It subdivides OutcomeOther.
type Fault uint8

// The faults.
const (
	NoFault                Fault = iota
	FaultNotHTTP                 // does not begin like HTTP
	FaultTLS                     // begins like TLS
	FaultSSH                     // begins like SSH
	FaultHTTP2                   // begins like HTTP/2
	FaultBadVersion              // HTTP, but neither 1.1 nor 1.0
	FaultBadStatusLine           // the status line is malformed, or missing after an interim reply
	FaultBadStatus               // the status code is outside 100 to 599
	FaultUpgrade                 // 101, without a request to upgrade
	FaultBadHeader               // a header line is malformed, folded, or ends wrongly
	FaultHeaderTooLarge          // the header section is longer than 64 KiB
	FaultBadLength               // Content-Length is malformed
	FaultConflictingLength       // several Content-Lengths, or one beside Transfer-Encoding
	FaultBadCoding               // a Transfer-Encoding other than chunked
	FaultBadChunk                // a chunk is malformed
	FaultSurplus                 // bytes after the last reply
	FaultEarlyReply              // bytes before the next request was sent

	// NumFaults is the length of an array indexed by Fault.
	NumFaults = int(FaultEarlyReply) + 1
)

var faultNames = [NumFaults]string{
	"", "not_http", "tls", "ssh", "http2", "bad_version", "bad_status_line", "bad_status", "upgrade", "bad_header", "header_too_large",
	"bad_length", "conflicting_length", "bad_coding", "bad_chunk", "surplus", "early_reply",
}

// String is the fault's name in a record.
func (f Fault) String() string { return faultNames[f] }

// ParseFault is the inverse of String, NoFault for a name outside the set.
func ParseFault(name string) Fault {
	return Fault(max(slices.Index(faultNames[:], name), int(NoFault)))
}

// FaultNames lists the names of the faults.
func FaultNames() []string { return slices.Clone(faultNames[NoFault+1:]) }
