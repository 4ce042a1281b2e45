package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// TestTrafficFlags checks that what a flag of the traffic prints is what it reads.
func TestTrafficFlags(t *testing.T) {
	for _, tt := range []struct {
		flag pflag.Value
		good []string
		bad  map[string]string
	}{
		{
			textFlag{new(teardown.Policy), "WHO:HOW"},
			[]string{
				"client:fin", "server:fin", "client:half", "server:half", "both:fin", "client:rst", "server:rst",
				"client:linger=2s", "server:linger=5m", "client:unread", "server:unread", "never",
			},
			map[string]string{"": `unknown close policy ""`, "both:half": `unknown close policy "both:half"`, "client:linger=1500ms": `close policy "client:linger=1500ms"`},
		},
		{
			textFlag{new(teardown.Reaction), "REACTION"},
			[]string{"close", "delay=50ms", "never", "rst"},
			map[string]string{"": `unknown reaction to EOF ""`, "delay=0s": `reaction to EOF "delay=0s"`},
		},
		{
			textFlag{new(exchange.Spec), "KIND"},
			[]string{"none", "echo:1,1", "echo:100,20000", "http:/", "http:/a?b=c"},
			map[string]string{"": `unknown exchange ""`, "http": `unknown exchange "http"`},
		},
	} {
		name := tt.flag.Type()
		for _, s := range tt.good {
			if err := tt.flag.Set(s); err != nil || tt.flag.String() != s {
				t.Errorf("%s %q: %v, prints %q", name, s, err, tt.flag.String())
			}
		}
		for s, want := range tt.bad {
			if err := tt.flag.Set(s); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s %q: %v, want %q", name, s, err, want)
			}
		}
	}
}
