package gateway

import (
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"certrecall/messages"
	"certrecall/worker/gateway/credentials"
	"certrecall/worker/gateway/deliveries"
)

// maxSecrets bounds the secrets of one kind of one source: an old one and a new
// one while they are changed, and a few to spare.
const maxSecrets = 8

// read checks what the file says, in the order of names.
func (p *parser) read(doc document) {
	if len(doc.Sources) == 0 && len(doc.Deliveries) == 0 {
		p.bad(nil, "names neither sources nor deliveries: there is nothing to do")
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Sources)) {
		p.source(name, doc.Sources[name])
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Deliveries)) {
		p.delivery(name, doc.Deliveries[name])
	}
}

func (p *parser) source(name string, d sourceDocument) {
	place := []string{"sources", name}
	if !messages.ValidSource(name) || name == messages.InvalidSource {
		p.bad(place, "can be no source: use 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and not %q", messages.InvalidSource)
	}
	s := Source{}
	for _, lane := range d.Lanes {
		switch l := messages.Lane(lane); {
		case l.Action() == "":
			p.bad(append(place, "lanes"), "there is no lane %q: use revoke-urgent, revoke or list-duplicates", lane)
		case slices.Contains(s.Lanes, l):
			p.bad(append(place, "lanes"), "%s stands twice", lane)
		default:
			s.Lanes = append(s.Lanes, l)
		}
	}
	if len(d.Lanes) == 0 {
		p.bad(append(place, "lanes"), "is missing: name the lanes that this source may send to")
	}
	kinds := []struct {
		key   string
		kind  credentials.Kind
		files []string
	}{
		{"bearer_files", credentials.Bearer, d.Auth.Bearer},
		{"basic_files", credentials.Basic, d.Auth.Basic},
		{"hub_signature_files", credentials.HubSignature, d.Auth.Hub},
		{"webhook_secret_files", credentials.Webhook, d.Auth.Webhook},
	}
	for _, k := range kinds {
		if len(k.files) > maxSecrets {
			p.bad(append(place, "auth", k.key), "names %d files: %d are enough, two while a secret is changed", len(k.files), maxSecrets)
		}
		for _, file := range k.files {
			if file == "" {
				p.bad(append(place, "auth", k.key), "names no file: write the name of the file in which the secret stands alone")
				continue
			}
			s.Files = append(s.Files, credentials.File{Source: name, Kind: k.kind, Name: file, Path: p.file(file)})
		}
	}
	if len(s.Files) == 0 {
		p.bad(append(place, "auth"), "names no file: give bearer_files, basic_files, hub_signature_files or webhook_secret_files")
	}
	if d.Rate != "" {
		var err error
		if s.Rate, err = ParseRate(d.Rate); err != nil {
			p.bad(append(place, "rate"), "%v", err)
		}
	}
	p.settings.Sources[name] = s
}

// Bounds of the requests that are on their way to one endpoint at once.
const defaultConcurrency, maxConcurrency = 8, 64

// maxName bounds the name of a delivery, which is a part of its consumer's name.
const maxName = 64

func (p *parser) delivery(name string, d deliveryDocument) {
	place := []string{"deliveries", name}
	if !messages.ValidSource(name) { // the same rule
		p.bad(place, "can be no delivery's name: use 1 to %d characters of A-Z, a-z, 0-9, _ and -", maxName)
	}
	e := deliveries.Endpoint{Name: name, AllowPrivate: d.AllowPrivate, Concurrency: defaultConcurrency}
	e.URL = p.url(append(place, "url"), d)
	if d.SecretFile == "" {
		p.bad(append(place, "secret_file"), "is missing: name the file with the secret (whsec_…) that signs what is delivered")
	} else {
		e.SecretFile = p.file(d.SecretFile)
	}
	if d.CAFile != "" {
		e.CAFile = p.file(d.CAFile)
	}
	if d.Concurrency != nil {
		if e.Concurrency = *d.Concurrency; e.Concurrency < 1 || e.Concurrency > maxConcurrency {
			p.bad(append(place, "concurrency"), "%d: set a whole number from 1 to %d", e.Concurrency, maxConcurrency)
		}
	}
	for _, s := range d.Sources {
		if !messages.ValidSource(s) {
			p.bad(append(place, "sources"), "%q is no source", s)
		}
	}
	for _, i := range d.Incidents {
		if !messages.ValidIncident(i) && i != "-" {
			p.bad(append(place, "incidents"), "%q is no incident; - stands for commands without one", i)
		}
	}
	known := messages.EventNames()
	for _, event := range d.Events {
		if !slices.Contains(known, messages.EventName(event)) {
			p.bad(append(place, "events"), "there is no event %q", event)
		}
		e.Events = append(e.Events, messages.EventName(event))
	}
	e.Sources, e.Incidents = unique(d.Sources), unique(d.Incidents)
	e.Events = unique(e.Events)
	if n := max(1, len(e.Sources)) * max(1, len(e.Incidents)) * max(1, len(e.Events)); n > deliveries.MaxFilters {
		p.bad(place, "sources, incidents and events make %d filters together, more than %d: make two deliveries of it, or leave one of them out", n, deliveries.MaxFilters)
	}
	p.settings.Deliveries = append(p.settings.Deliveries, e)
}

func unique[T ~string](list []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// url checks where a delivery goes. What it cannot know is checked when the
// connection is made: the addresses behind a name.
func (p *parser) url(place []string, d deliveryDocument) string {
	u, err := url.Parse(d.URL)
	switch {
	case d.URL == "":
		p.bad(place, "is missing: say where the events go, as https://tickets.example.com/hooks/certrecall")
	case err != nil:
		p.bad(place, "cannot be read as a URL") // the error would repeat it, and it may hold a password
	case u.Scheme != "https" && !(u.Scheme == "http" && d.AllowPrivate):
		p.bad(place, "must begin with https:// (or with http:// for an address inside, with allow_private: true)")
	case u.Hostname() == "":
		p.bad(place, "names no host")
	case u.User != nil:
		p.bad(place, "holds a user or password: what is delivered is signed, the URL needs none")
	case u.Fragment != "" || strings.ContainsAny(d.URL, "#"):
		p.bad(place, "holds a fragment (#…), which is never sent: take it away")
	default:
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && !d.AllowPrivate && deliveries.Private(a) {
			p.bad(place, "%s is an address inside: set allow_private: true if that is meant", a)
		}
	}
	return d.URL
}
