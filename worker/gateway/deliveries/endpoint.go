package deliveries

import (
	"net/netip"
	"slices"
	"strings"

	"certrecall/messages"
)

// Endpoint is where events go, and which. Lists that are empty mean all.
type Endpoint struct {
	Name       string
	URL        string
	SecretFile string
	CAFile     string // PEM, trusted besides the system's; "" = none

	Sources   []string
	Incidents []string // "-" stands for commands without one
	Events    []messages.EventName

	AllowPrivate bool // its address may be inside
	Concurrency  int  // requests on their way at once
}

// MaxFilters bounds the subjects that one consumer filters by.
const MaxFilters = 256

// filters are the subjects of the events that fit: the product of the lists.
func (e Endpoint) filters(n messages.Names) []string {
	if len(e.Events) == 0 && len(e.Sources) == 0 && len(e.Incidents) == 0 {
		return []string{n.EventSubjects()}
	}
	root := strings.TrimSuffix(n.EventSubjects(), ">")
	var all []string
	for _, event := range orAny(e.Events) {
		for _, source := range orAny(e.Sources) {
			for _, incident := range orAny(e.Incidents) {
				all = append(all, root+event+"."+source+"."+incident+".*")
			}
		}
	}
	return all
}

func orAny[T ~string](list []T) []string {
	if len(list) == 0 {
		return []string{"*"}
	}
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// fits tells whether an event on this subject is to be delivered.
func (e Endpoint) fits(n messages.Names, subject string) bool {
	tokens := strings.Split(strings.TrimPrefix(subject, strings.TrimSuffix(n.EventSubjects(), ">")), ".")
	return len(tokens) == subjectTokens &&
		(len(e.Events) == 0 || slices.Contains(e.Events, messages.EventName(tokens[0]))) &&
		(len(e.Sources) == 0 || slices.Contains(e.Sources, tokens[1])) &&
		(len(e.Incidents) == 0 || slices.Contains(e.Incidents, tokens[2]))
}

// subjectTokens are event, source, incident and id.
const subjectTokens = 4

// chainOf is what the subjects of one command's events have in common, and the
// filter for them.
func chainOf(n messages.Names, subject string) (key, filter string) {
	root := strings.TrimSuffix(n.EventSubjects(), ">")
	_, key, _ = strings.Cut(strings.TrimPrefix(subject, root), ".")
	return key, root + "*." + key
}

// consumerPrefix begins the names of the consumers of endpoints.
const consumerPrefix = "gateway-"

// ConsumerName gives the name of an endpoint's durable consumer.
func ConsumerName(endpoint string) string { return consumerPrefix + endpoint }

// inside are the networks, besides those that netip knows, that no address of
// the public Internet is in (the IANA special-purpose registries).
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// Private tells whether an address is not one of the public Internet: the own
// machine, a private or shared network, a link, a group, or reserved.
func Private(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return true
	}
	return slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Host is where the endpoint is, without what may be secret in its URL.
func (e Endpoint) Host() string { return hostOf(e.URL) }
