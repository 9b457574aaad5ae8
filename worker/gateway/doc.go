// Package gateway is the door for systems that speak HTTP: commands come in as
// POST requests, and events go out as webhooks.
//
//	settings, err := gateway.ReadSettings("gateway.yaml", names)
//	g, err := gateway.New(gateway.Config{Settings: settings, …})
//	go serve(listener, g.Handler())
//	err = g.Run(ctx)
//
// # Who owns what
//
// credentials says who sends a request; deliveries brings events to their
// endpoints; this package is what lies between HTTP and the commands stream, and
// the only one of the three that logs and counts.
//
// # Invariants
//
// The source of a command is that of the credential, never what a request says.
// A request is answered 202 only after the commands stream acknowledged it, and
// not with an acknowledgement that says duplicate. Before anything is stored,
// all that is wrong with a command is answered, by field. Headers of a request
// that mean something to NATS or to certrecall are not carried on: only the
// CloudEvent's, the content type and the trace context are.
//
// # Crash
//
// Nothing is kept here but what speeds things up: recently accepted ids, and
// the requests of each credential. A request that got no answer may have been
// stored; sent again with its id it is the same command.
package gateway
