package drain

import (
	"errors"

	"lastack/bench/lazy"
	"lastack/bench/process"
	"lastack/bench/sandbox"
)

// becomes matches the message of a server that cannot change its user, or the owner of a file.
var becomes = lazy.Regexp(`(?i)\b(set(e|re|res)? ?[ug]id|initgroups|setgroups|f?chown(at)?)\b`)

// refused matches the message of a server that cannot take over another user's file.
var refused = lazy.Regexp(`chown\("[^"]*", 0\) failed`)

// hint says what to do about the output of a server that did not start; it is empty if that is not known. In the sandbox of an ordinary
// user the only user is root: the kernel refuses all others, and setgroups (user_namespaces(7)).
func (x *experiment) hint(said string) string {
	if x.sandbox.Mode != string(sandbox.User) || !becomes().MatchString(said) {
		return ""
	}
	if refused().MatchString(said) {
		return ": in a sandbox without root it can give no file of another user away: have it use directories of its own (nginx: client_body_temp_path, proxy_temp_path and the like), or run lastack as root"
	}
	return ": in a sandbox without root there is no other user that it could become: have it stay root there (nginx: user root; HAProxy: neither user nor group), or run lastack as root"
}

// explain adds to the error of a server that did not start, or gave no reply, what the server said and what helps.
func (x *experiment) explain(err error, server *process.Process) error {
	if e, ok := errors.AsType[*startError](err); ok {
		e.Why += x.hint(e.Said)
		return err
	}
	if err == nil || server == nil {
		return err
	}
	if help := x.hint(server.Said()); help != "" {
		return andLeft(&startError{Command: x.Stop.Exec, Why: err.Error() + help, Said: server.Said()}, err)
	}
	return err
}
