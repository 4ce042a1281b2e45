package sandbox

import (
	"context"
	"encoding/json"
	"os"
	"strings"
)

// try carries out a Trial, on a thread of the client's namespace.
func try(_ context.Context, s *Sandbox, input json.RawMessage, _ func(any)) (any, error) {
	var t Trial
	if err := json.Unmarshal(input, &t); err != nil {
		return nil, err
	}
	got := tried{Kept: make([]bool, len(t.Base)), Base: make([]*failure, len(t.Base)), Each: make([]*failure, len(t.Each))}
	err := s.Client.Do(func() error {
		for i, c := range t.Base {
			if held, err := os.ReadFile(procSys(c.Key)); err == nil && sameValue(c.Value, strings.TrimSpace(string(held))) {
				got.Kept[i] = true
				continue
			}
			got.Base[i] = s.try(c)
		}
		for i, c := range t.Each {
			before, err := os.ReadFile(procSys(c.Key))
			got.Each[i] = s.try(c)
			if err == nil && got.Each[i] == nil {
				_ = writeFile(procSys(c.Key), string(before)) // the next is tried on its own value
			}
		}
		return nil
	})
	return got, err
}

func (s *Sandbox) try(c Sysctl) *failure {
	if err := applySysctl(c); err != nil {
		return newFailure(err)
	}
	return nil
}
