package drain

import (
	"errors"
	"regexp"

	"lastack/bench/process"
	"lastack/bench/sandbox"
)

// becomes matches what a server says that cannot change its user, or the owner of a file.
var becomes = regexp.MustCompile(`(?i)\b(set(e|re|res)? ?[ug]id|initgroups|setgroups|f?chown(at)?)\b`)

// refused matches what a server says that cannot take over another user's file.
var refused = regexp.MustCompile(`chown\("[^"]*", 0\) failed`)

// hint says what to do about what a server said that did not come up, empty if that is not known. In the sandbox of an ordinary user
// there is one user only, which is root there: the kernel refuses all others (user_namespaces(7)), and setgroups with them.
func (x *experiment) hint(said string) string {
	if x.sandbox.Mode != string(sandbox.User) || !becomes.MatchString(said) {
		return ""
	}
	if refused.MatchString(said) {
		return ": in a sandbox without root it can give no file of another user away: have it use directories of its own (nginx: client_body_temp_path, proxy_temp_path and the like), or run lastack as root"
	}
	return ": in a sandbox without root there is no other user that it could become: have it stay root there (nginx: user root; HAProxy: neither user nor group), or run lastack as root"
}

// explain adds to the error of servers that did not come up, or gave no reply, what they said and what helps.
func (x *experiment) explain(err error, server *process.Process) error {
	if e, ok := errors.AsType[*StartError](err); ok {
		e.Why += x.hint(e.Said)
		return err
	}
	if err == nil || server == nil {
		return err
	}
	if help := x.hint(server.Said()); help != "" {
		left, _ := errors.AsType[*process.EndError](err)
		e := error(&StartError{Command: x.Stop.Exec, Why: err.Error() + help, Said: server.Said()})
		if left != nil {
			e = errors.Join(e, left)
		}
		return e
	}
	return err
}
