package main

import (
	"fmt"
	"net"
	"strings"
	"text/tabwriter"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// introduce says what runs where, and how to publish more.
func (s *site) introduce(console, health net.Addr, door door) {
	page := "http://" + dialable(console)
	fmt.Fprintf(s.p.stdout, "Open %s/ in a browser%s\n\n", page, s.moved(s.ConsolePort, page))
	w := tabwriter.NewWriter(s.p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "NATS\t%s\tJetStream in %s, every write synced%s\n", s.natsURL, s.store.nats(), s.moved(s.NATSPort, s.natsURL))
	if s.Real {
		fmt.Fprintf(w, "DigiCert\t%s\tREAL: what you submit is revoked for good\n", s.digicert.BaseURL)
	} else {
		fmt.Fprintf(w, "DigiCert\t%s\tsimulated; %s%s\n", strings.TrimSuffix(s.digicert.BaseURL, digicertsim.BasePath)+"/_sim/requests",
			s.decisions(), s.moved(s.SimulatorPort, strings.TrimSuffix(s.digicert.BaseURL, digicertsim.BasePath)))
	}
	url := "http://" + dialable(health)
	fmt.Fprintf(w, "worker\t%s/readyz\tand /livez, /metrics%s\n", url, s.moved(s.HTTPPort, url))
	door.url = "http://" + dialable(door.addr)
	fmt.Fprintf(w, "gateway\t%s/openapi.json\tfor HTTP, with the bearer token %s%s\n", door.url, door.token, s.moved(s.GatewayPort, door.url))
	if s.Webhook != "" {
		fmt.Fprintf(w, "webhook\t%s\tgets all events, signed with %s\n", s.Webhook, door.secret)
	}
	_ = w.Flush() // to the terminal
	fmt.Fprintf(s.p.stdout, `
Publish a command, with the NATS command line, with ours or with HTTP:
  nats --server %[1]s req %[2]s '{"id":"try-1","order_id":4711,"comments":"no longer needed"}'
  certrecall submit revoke --nats-url %[1]s%[3]s --order 4711 --comments 'no longer needed'
  curl -H 'Authorization: Bearer %[4]s' -H 'Content-Type: application/json' %[5]s/v1/commands/revoke \
    -d '{"id":"try-2","order_id":4712,"comments":"no longer needed"}'

Events, as they come (ctrl-C ends; the next start goes on from there):
`, s.natsURL, s.names.CommandSubject(messages.LaneRevoke, "cli"), s.prefixFlag(), door.token, door.url)
}

func (s *site) prefixFlag() string {
	if s.Prefix == "certrecall" {
		return ""
	}
	return " --prefix " + s.Prefix
}

func (s *site) decisions() string {
	if s.AutoDecide == 0 {
		return "requests wait: POST " + strings.TrimSuffix(s.digicert.BaseURL, digicertsim.BasePath) + "/_sim/requests/<id>/approve (or reject)"
	}
	return "requests are approved after " + s.AutoDecide.String() + ", those of orders ending in 9 rejected"
}

// moved says that something could not have the port that it should have.
func (s *site) moved(want uint16, url string) string {
	if want == 0 || strings.HasSuffix(url, fmt.Sprintf(":%d", want)) {
		return ""
	}
	return fmt.Sprintf(" (port %d is taken)", want)
}
