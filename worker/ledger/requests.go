package ledger

import (
	"slices"
	"strings"
)

// Which requests are known, of which target, and whose they are.

// Request returns the known request with the id, of whichever target.
func (r *Record) Request(id int64) (Request, bool) {
	for _, t := range r.Targets {
		for _, q := range t.Requests {
			if q.ID == id {
				return q, true
			}
		}
	}
	return Request{}, false
}

// known are the revoke requests of the order that an attempt cannot have caused.
func (r *Record) known() []int64 {
	var ids []int64
	for _, t := range r.Targets {
		for _, q := range t.Requests {
			ids = append(ids, q.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// filed returns the target under which the request is known.
func (r *Record) filed(id int64) (target int64, known bool) {
	for k, t := range r.Targets {
		if t.request(id) != nil {
			return k, true
		}
	}
	return 0, false
}

// owner finds whose a request is by the end of its comments: the command of an
// open attempt, or another that is noted here, and its target; "" is somebody
// outside, or a command that has ended.
func (r *Record) owner(comments string) (command string, target int64) {
	for k, t := range r.Targets {
		if t.Attempt != nil && strings.HasSuffix(comments, Suffix(t.Attempt.Command)) {
			return t.Attempt.Command, k
		}
	}
	for command, n := range r.Commands {
		if strings.HasSuffix(comments, Suffix(command)) {
			return command, n.Target
		}
	}
	return "", 0
}

// Owned reports whether it is known whose a request is: nobody needs to ask.
func (r *Record) Owned(id int64, comments string) bool {
	if _, known := r.filed(id); known {
		return true
	}
	command, _ := r.owner(comments)
	return command != ""
}

func (t *Target) request(id int64) *Request {
	for i := range t.Requests {
		if t.Requests[i].ID == id {
			return &t.Requests[i]
		}
	}
	return nil
}

func (t *Target) waiting() *Request {
	for i := range t.Requests {
		if t.Requests[i].Waits() {
			return &t.Requests[i]
		}
	}
	return nil
}
