// Package deliveries brings events to addresses that take webhooks: every event
// that fits an [Endpoint] is posted as a CloudEvent in HTTP binary mode, signed
// after Standard Webhooks, at least once and in order for each command.
//
//	d, err := deliveries.New(deliveries.Config{…})
//	err = d.Run(ctx)
//
// # Who owns what
//
// An endpoint is a durable pull consumer of the events stream. Everything that
// has to outlive a process is kept there: how far it is, how often an event was
// tried, and that the endpoint is switched off (the consumer is paused, and its
// metadata say why and since when). So any number of gateways serve the same
// endpoints without a bucket of their own, `nats consumer info` shows what they
// see, and the gateway needs no right to write anywhere. Of several gateways
// one serves an endpoint (its pull is pinned); when it goes, another takes over.
//
// # Invariants
//
// An event is acknowledged after the endpoint answered 2xx, or after it was
// tried for three days while the endpoint took others (it is set aside then,
// and told). Before an event, all earlier ones of its command that fit and are
// not known to be delivered are posted, so that a redelivery, a delay or another
// gateway never changes the order in which a command's events first arrive.
// webhook-id is the event's ce-id, in every repetition.
//
// An endpoint that answers nothing, or not well, is asked again with backoff and
// delays nobody else: it has requests, a pause and a consumer of its own. One
// that answers 410, or refuses everything for an hour, or takes nothing for
// three days, is switched off until an operator resumes it; nothing is dropped.
//
// Redirects are not followed, TLS is verified, and an address inside is refused
// when the connection is made, unless the endpoint may be inside.
//
// # Crash
//
// What was posted and not acknowledged is posted again, with the same id.
package deliveries
