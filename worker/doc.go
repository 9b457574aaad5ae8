// Package worker carries the commands of the queue out at DigiCert and says in
// events what became of them.
//
//	w, err := worker.New(worker.Config{Names: names, Conn: nc, DigiCert: digicert, Provision: true})
//	…
//	err = w.Run(ctx) // until ctx ends
//
// A command goes down once: subject and bytes, command, accepted, what is known
// of the order, permission to call, one HTTP call, what is known now, event,
// ack. A handler returns a verdict and one function settles the message: done
// (ack), again after a pause (nak), or silent because the message is no longer
// ours. Every delivery begins at the top and finds what was stored.
//
// # What an order can be, and what a command on it does
//
// Package ledger keeps one record per order, with the state of the whole order
// and of each certificate that a command names. For one command and its target:
//
//	target       the command                              leaves by
//	untouched    permit, Begin, PUT                       204: revoked. 201: requested. 401, 403, 429, never
//	                                                      written: untouched. Other 4xx: two reads, then refused,
//	                                                      order-not-found or order-not-revocable. Unclear: it is open
//	(open)       reads, under the order's lease           its request or its effect shows: requested, revoked.
//	                                                      Two reads show none, the second 10 s after: untouched
//	requested    waits with its key; another's command    approved and read revoked: revoked. Rejected: rejected.
//	             adopts it, skip_approval sends its own   Gone: revoke-failed; who adopted it sends its own
//	revoked      says revoked                             never
//	rejected     who waited is told; a new one reads      a later read: untouched
//	refused      who sent is told; a new one reads        a later read: untouched
//
// A reason to stop (expired, cancelled, protected, poison) is written into the
// record before it is said, and only where nothing of the command is open.
//
// # What a crash after each step does
//
// The steps of a revocation are named in steps.go; the crash matrix stops a
// worker at each, the stall matrix freezes it there. What the next delivery, or
// the next sweep where the message is acked, finds:
//
//	after the step                          it goes on so
//	claim stored                            the chain has our digest: on to the record
//	waiting key of a deadline stored        the key stays; the sweep can say overdue
//	waiting key of a held command stored    the message comes again and is held; its key is written again
//	revoke-held stored                      it stands in the chain: only the ack is missing
//	permit granted                          a permit is spent for nothing; the next takes its own
//	begin stored                            an open attempt: waits for its lease, takes it over, reads
//	DigiCert answered                       the same: the answer is lost, its effect is read back
//	answer stored                           the record tells: waits, is revoked, or is read once more
//	lease for reading taken                 the next read waits for the lease to end
//	order read                              the same: the reading is lost
//	reading stored                          it counts, whoever makes the second
//	outcome stored                          it is said, whatever happened since
//	waiting key of a request stored         revoke-requested is said, then the ack
//	revoke-requested stored                 it stands in the chain: only the ack is missing
//	dead letter stored                      the same letter again, known by its message id; then the event
//	final event stored                      nothing follows it: note and key are removed, ack
//	note and waiting key removed            the chain has its final event: ack
//
// # Retries
//
// Reads are repeated in the call, for up to five seconds. A failed call sends
// the message back with a pause from about a second to RetryMaxInterval, full
// jitter, until RetryMaxElapsed is spent: then gave-up where the target reads
// untouched, outcome-unknown where it cannot be read. Not counted are pauses, a
// refused key, a not-before, and calls that were not made or were answered 429.
// Three 401 or 403 of the command's own, while a neutral probe passes, are
// DigiCert's final answer. At most half of a lane's slots serve redeliveries.
//
// # Gates
//
// Package gate says why nothing begins: an operator's pause, the not-before of
// a 429, an open circuit, a refused key. A gate is looked at before a message
// is pulled, before and after the wait for a permit, and between Begin and PUT;
// so is, from the permit on, what stops one command. Commands stay in the
// stream meanwhile.
//
// # Clocks
//
// Four clocks, each for what it cannot get wrong. Leases, expires, deadlines and
// what is written down: the server's time (streams.Clock), which workers share;
// between two samples it goes on with the local monotonic clock, so that a step
// of the local wall clock changes nothing. Permits: the server's stamps on the
// budget's own records stand over that, and a permit's life in this process ends
// by the local monotonic or the wall clock, whichever says later: one stands
// still while a machine is suspended, the other may be set back. Time-outs and
// the deadline of a delivery: the monotonic clock; a connection that comes after
// the time-out by either clock is not used. Assumed is that servers keep their
// clocks together (NTP). A step of the server's time by more than two seconds
// against the monotonic clock, as a leader with another clock makes one, closes
// the gate clock: whoever sees it takes no lease and begins no PUT until all
// others have seen it and every lease from before has run out on the monotonic
// clock (StepKnown + CallTimeout + LeaseSlack, 95 s by default). Not covered are
// a worker that starts within that time, which has no time to compare with, and
// call time-outs that differ within a fleet. After a step back what was dated
// before it waits for as long as it was set back. A machine that was paused as a
// whole, its clocks with it, is noticed by nobody before the next sample: the
// worst then is the frozen process of the package ledger.
//
// # Poison
//
// From its third delivery on a message's start is written down and struck out
// when its handler ends. After three starts without an end it runs alone in its
// process, after six of those it is dead-lettered.
//
// # Shutdown
//
// When the context of Run ends, pulling and everything that waits for a permit
// or a gate ends; what is past Begin and not yet sent is taken back. Calls in
// flight have ShutdownGrace to end and are recorded; after it they are cut off,
// and their outcome is recorded as unclear. Everything else is given back at
// once. Run returns nil when nothing is in hand.
package worker
