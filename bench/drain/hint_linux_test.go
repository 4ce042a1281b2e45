package drain

import (
	"strings"
	"testing"

	"lastack/bench/record"
)

func TestHint(t *testing.T) {
	const help = true
	for _, tt := range []struct {
		mode, said string
		want       bool
	}{
		{"user", `[emerg] 16#16: chown("/tmp/t1", 65534) failed (22: Invalid argument)`, help},
		{"user", "[emerg] 17#17: setgid(33) failed (22: Invalid argument)", help},
		{"user", "[emerg] 17#17: initgroups(www-data, 33) failed (1: Operation not permitted)", help},
		{"user", "[ALERT] (17) : [haproxy.main()] Cannot set gid 1.", help},
		{"user", "AH00545: setgroups: unable to set groups", help},
		{"user", `[emerg] 15#15: chown("/var/lib/nginx/body", 0) failed (1: Operation not permitted)`, help},
		{"root", "[emerg] 17#17: setgid(33) failed (22: Invalid argument)", !help},
		{"off", "[emerg] 17#17: setgid(33) failed (22: Invalid argument)", !help},
		{"user", "bind() to 0.0.0.0:80 failed (98: Address already in use)", !help},
		{"user", "", !help},
	} {
		c := experiment{sandbox: record.Sandbox{Mode: tt.mode}}
		if got := c.hint(tt.said); (got != "") != tt.want {
			t.Errorf("%s, %q: %q, want help %v", tt.mode, tt.said, got, tt.want)
		} else if named := strings.Contains(got, "client_body_temp_path"); named != strings.Contains(tt.said, "/var/lib/nginx") {
			t.Errorf("%q: %q", tt.said, got)
		}
	}
}
