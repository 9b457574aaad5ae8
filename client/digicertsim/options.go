package digicertsim

import "time"

// BasePath is where the simulated API begins, as at DigiCert.
const BasePath = "/services/v2"

// UnknownOrders is the first id for which AutoOrders makes no order: it and all above are not found.
const UnknownOrders = 9_000_000_000

// Options say what is simulated. The zero value has the standard orders, takes any key and keeps nothing.
type Options struct {
	// Keys are those of administrators. With no key of any kind, every key that is not empty is an administrator's.
	Keys []string
	// StandardKeys have no administrator rights; ViewOnlyKeys may only read.
	StandardKeys, ViewOnlyKeys []string
	// Limits are rolling windows for each key; a call over one of them is answered 429, and so are all calls of
	// the key for Block after it. Calls that are refused so count in no window.
	Limits []Window
	Block  time.Duration
	// AutoDecide is how long a request waits before it is decided by the order's Decision; 0 = for ever.
	AutoDecide time.Duration
	// Latency delays every answer; what the call does is done at once. ReadLag shows every read the state of that long ago.
	Latency, ReadLag time.Duration
	// Orders are there at the start; nil = StandardOrders().
	Orders []Order
	// AutoOrders makes an issued order of any id below UnknownOrders when it is first asked for, with AutoDuplicates
	// duplicates (0 = 2, below 0 = none). Ids that end in 9 are rejected by AutoDecide.
	AutoOrders     bool
	AutoDuplicates int
	Behaviour      Behaviour
	// MaxCalls bounds the record of calls, the oldest going first; 0 = 100,000, below 0 = no record.
	MaxCalls int
	// StateFile keeps orders and requests over a restart; "" = nothing is kept. What it has wins over Orders.
	StateFile string
}

// Window allows Calls in any period of length Per.
type Window struct {
	Calls int
	Per   time.Duration
}

// Behaviour chooses where DigiCert's own is not publicly known, and turns on oddities.
type Behaviour struct {
	Skip   SkipRule   `json:"skip,omitempty"`
	Second SecondRule `json:"second,omitempty"`
	Again  AgainRule  `json:"again,omitempty"`
	// HTMLTrigger: a request whose comments contain it is answered 403 with a page of HTML, as a firewall in front
	// of the API does; "" = "<script".
	HTMLTrigger string `json:"html_trigger,omitempty"`
	// FilterIgnored: the list of requests is not filtered (seen in 2017).
	FilterIgnored bool `json:"filter_ignored,omitempty"`
	// StringIDs: ids of orders, requests and certificates are strings.
	StringIDs bool `json:"string_ids,omitempty"`
	// ErrorsObject: "errors" is one object in place of a list.
	ErrorsObject bool `json:"errors_object,omitempty"`
	// RevokeEmptyOrders: an order is revoked with the last of its certificates; otherwise it stays issued.
	RevokeEmptyOrders bool `json:"revoke_empty_orders,omitempty"`
}

// SkipRule says what skip_approval does with a key without administrator rights.
type SkipRule string

// SecondRule says what a revocation does while a request for the same thing waits.
type SecondRule string

// AgainRule says what revoking something revoked does.
type AgainRule string

const (
	// SkipForbidden: 403 access_denied|missing_permission. The default.
	SkipForbidden SkipRule = ""
	// SkipIgnored: a request is made, as without skip_approval.
	SkipIgnored SkipRule = "ignored"

	// SecondCreates: another request is made. The default.
	SecondCreates SecondRule = ""
	// SecondRefused: 400 request_pending|revoke.
	SecondRefused SecondRule = "refused"

	// AgainRefused: 400 order_already_revoked, or certificate_already_revoked. The default.
	AgainRefused AgainRule = ""
	// AgainNoContent: 204, and nothing happens.
	AgainNoContent AgainRule = "no-content"
	// AgainCreates: 201 with a request that is approved already.
	AgainCreates AgainRule = "creates"
)
