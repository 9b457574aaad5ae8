package ledger

import (
	"slices"
	"unicode/utf8"
)

// A record is bounded by construction: what people outside, producers with
// made-up certificates, or a thousand commands for one order make it hold ends
// at the limits below. They keep it far below 1 MiB, the usual payload of NATS.
const (
	// maxRequests of one target, and of all targets together.
	maxRequests    = 64
	maxAllRequests = 512
	// maxRaw bounds DigiCert's object of one request, maxAllRaw of all together;
	// the newest are kept.
	maxRaw    = 16 << 10
	maxAllRaw = 128 << 10
	// maxDetail bounds what is told of a failure, in bytes.
	maxDetail = 1200
)

// prune drops what no decision can rest on any more.
func (r *Record) prune() {
	all := 0
	for id, t := range r.Targets {
		r.pruneRequests(t)
		all += len(t.Requests)
		if t.empty() {
			delete(r.Targets, id)
		}
	}
	if all > maxAllRequests {
		for _, t := range r.Targets {
			t.Requests = slices.DeleteFunc(t.Requests, func(q Request) bool { return !r.needs(q) })
		}
	}
	r.pruneRaw()
}

// empty reports whether nothing is known of the target.
func (t *Target) empty() bool {
	return t.State == Untouched && t.Attempt == nil && t.Doubt == nil && t.Effect == nil && !t.Member && t.Puts == 0 && len(t.Requests) == 0
}

// needs reports whether a command that has not ended rests on the request.
func (r *Record) needs(q Request) bool { return q.Waits() || q.By != "" && r.Commands[q.By] != nil }

// pruneRequests drops the oldest that are decided and no command's any more,
// and then the newest of outside.
func (r *Record) pruneRequests(t *Target) {
	drop := func(old bool, which func(Request) bool) {
		for len(t.Requests) > maxRequests {
			i := slices.IndexFunc(t.Requests, which)
			if !old {
				i = lastIndex(t.Requests, which)
			}
			if i < 0 {
				return
			}
			t.Requests = slices.Delete(t.Requests, i, i+1)
		}
	}
	drop(true, func(q Request) bool { return !r.needs(q) })
	drop(false, func(q Request) bool { return q.By == "" })
}

func lastIndex(all []Request, which func(Request) bool) int {
	for i, q := range slices.Backward(all) {
		if which(q) {
			return i
		}
	}
	return -1
}

func (r *Record) pruneRaw() {
	var raw []*Request
	for _, t := range r.Targets {
		for i := range t.Requests {
			if q := &t.Requests[i]; len(q.Raw) > maxRaw {
				q.Raw = nil
			} else if len(q.Raw) > 0 {
				raw = append(raw, q)
			}
		}
	}
	slices.SortFunc(raw, func(a, b *Request) int { return b.Since.Compare(a.Since) })
	left := maxAllRaw
	for _, q := range raw {
		if left -= len(q.Raw); left < 0 {
			q.Raw = nil
		}
	}
}

// clip bounds a text, between two characters.
func clip(s string) string {
	if len(s) <= maxDetail {
		return s
	}
	const mark = "…"
	n := maxDetail - len(mark)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + mark
}
