// Package streams holds what certrecall keeps in NATS, as data: three streams,
// one consumer a lane, two key-value buckets and an object bucket. It creates
// them, checks them, opens them, and tells the server's time.
//
//	if err := streams.Apply(ctx, js, names, streams.Options{Replicas: 3}); err != nil { … }
//	stores, err := streams.Open(ctx, js, names)
//
// # Who owns what
//
// [Apply] creates what is absent and changes nothing that is there, with one
// exception: the acknowledgement wait of a consumer that carries our owner mark
// is a setting of ours (--ack-wait) and is brought up to date. Limits (age,
// bytes, messages, message size), replicas, placement, compression, duplicate
// window and the rest belong to the operator from the moment of creation.
//
// What our promises rest on is checked, on every asset, whoever made it: the
// subjects, the retention, that nothing is discarded silently, that an event
// can neither be replaced nor removed, that the memory of orders does not age.
// What contradicts them is a [*Refusal]: it names the asset, what is wrong and
// what to change, and waiting does not mend it. Any other error may pass: a
// time-out, a cluster without a leader, a server without JetStream yet.
//
// An asset without owner mark is taken as it is if it passes the checks, so
// that other tools may make them (an operator's Terraform or the NATS
// controllers of Kubernetes). One with a mark of somebody else is refused.
//
// # Rights
//
// Only an absent asset needs the right to create it. A worker that may do no
// more than look (STREAM.INFO, CONSUMER.INFO) passes Apply where all is there.
//
// # Crash
//
// Apply creates the memory of orders first, the events next and the commands
// last, so that no command is accepted before everything it needs is there. A
// crash in between is finished by the next Apply; two of them at once are
// harmless. A memory of orders that is missing beside stored revocation events
// is refused: an empty one would send revocations again.
package streams
