// Package gate says why no call to DigiCert may begin now, and waits until one
// may. The loop, /readyz, the metric and the log all read the same reasons.
//
//	gates := gate.New(gate.Config{Control: kv, Conn: nc, Probe: reader.Probe, …})
//	go gates.Run(ctx)
//	err := gates.Wait(ctx, gate.Revocations) // before each pull
//	reason, closed := gates.Closed(kind)     // again between permit and call
//	gates.Report(call)                       // every call that ended
//
// # The gates
//
//   - [Paused]: an operator said so, for revocations, listings or both, and
//     nobody said later that it is open. Read from the statements in the control
//     bucket (package statements). Nothing starts before they were read once. A
//     pause whose text cannot be read is a pause.
//   - [NotBefore]: DigiCert answered 429 to somebody of the fleet.
//   - [Circuit]: calls for at least three different orders failed, with no
//     success of any call between. One order that always fails can never close
//     it. It is closed for 1 s, then twice as long each time up to 15 s, until a
//     neutral read succeeds; a command is never the probe. The time goes back to
//     1 s only when a command's call succeeds, so that a DigiCert which answers
//     the probe and nothing else is not hammered.
//   - [KeyRefused]: DigiCert refuses the key. A 401 or 403 to a command is only
//     a suspicion: the neutral read decides (see [Gates.Judge]). While it is
//     closed the probe goes out after 30 s, then twice as long each time up to
//     5 min, and at once when the key changes. A key that was never accepted,
//     whatever was answered, lets nothing start.
//   - [NotPermitted]: within minutes nearly everything of at least five
//     different orders was refused for the same code of a 403: the trouble of the
//     key or its account, not of the orders. It opens on trial after 30 s, then
//     twice as long each time up to 5 min, and at once when the key changes; the
//     next refusal closes it again, and a success ends it.
//   - [Clock]: the clock by which leases are judged has stepped; for revocations,
//     until whoever followed another time has ended (see Config.ClockHold).
//
// Circuit and key share one probe, so that there is never more than one under
// way; what it told one worker will do for all. Commands stay in their stream while a gate is closed and burn nothing.
//
// # Cancellations
//
// Statements of the same bucket stop commands by incident, source, order or
// name: every command that the stream stored at or before the moment the
// cancellation was stored, both by the server's clock. A later one is a new
// decision of its producer. See [Gates.Cancelled] and [Cancel].
//
// # Crash
//
// Everything that operators said is in the bucket and read again at the next
// start. The rest is this process's own experience and is made anew: a worker
// that starts into an outage needs three failed orders to learn of it, or, with
// Config.ProbeFirst, one probe.
package gate
