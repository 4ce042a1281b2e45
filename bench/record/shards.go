package record

import (
	"strconv"
	"time"
)

// ShardResult is what a merged run keeps of each shard: its whole record but for the histograms and the timeline, which the merged run has.
type ShardResult struct {
	Shard
	Version     string    `json:"version"`
	Build       *Build    `json:"build,omitempty"`
	Started     time.Time `json:"started"`
	ElapsedS    float64   `json:"elapsed_s"`
	LoadS       float64   `json:"load_s"`
	Interrupted bool      `json:"interrupted,omitempty"`
	Plan        Plan      `json:"plan"`
	Host        Host      `json:"host"`
	Sandbox     Sandbox   `json:"sandbox"`
	Result
	Groups         []GroupResult               `json:"groups,omitempty"`
	Warmup         *Connections                `json:"warmup,omitempty"`
	Server         *Server                     `json:"server,omitempty"`
	TCPInfo        *TCPInfo                    `json:"tcp_info,omitempty"`
	States         States                      `json:"states"`
	TimeWait       TimeWait                    `json:"time_wait"`
	Counters       map[string]int64            `json:"counters"`
	CountersBySide map[string]map[string]int64 `json:"counters_by_side,omitempty"`
	Pressure       Pressure                    `json:"pressure"`
	Tracking       *Tracking                   `json:"tracking,omitempty"`
	Generator      *Generator                  `json:"generator,omitempty"`
	Observer       Observer                    `json:"observer"`
	Settle         *Settle                     `json:"settle,omitempty"`
	Predicted      Predicted                   `json:"predicted"`
	Accounting     []Check                     `json:"accounting"`
	Verdict        Verdict                     `json:"verdict"`
	Warnings       []string                    `json:"warnings"`
}

// Kernel identifies the network namespace whose counters and sockets the shard saw. Shards with the same saw each other's.
func (s *ShardResult) Kernel() string {
	if s.Sandbox.Mode != "" && s.Sandbox.Mode != "off" || s.Host.BootID == "" || s.Host.NetNS == "" {
		return "shard " + strconv.Itoa(s.I) // its own
	}
	return s.Host.BootID + " " + s.Host.NetNS
}
