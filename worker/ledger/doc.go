// Package ledger is what certrecall knows of each order: the memory that makes
// revocation safe although DigiCert has no idempotency key.
//
// There is one record per order, in the key-value bucket of orders under
// order.<id>, and it is never removed. Every change is a compare-and-swap on
// the record's revision. A plain read is a hint (a direct get may be answered
// by a follower that lags); only a swap that succeeded may lead to a PUT.
//
// # What a record holds
//
// One [Lease] per order, so that calls which mutate one order never overlap.
// Per [Target] (the whole order, or one certificate of it) what is known of
// it, the attempt whose outcome is still open, and every revoke request seen.
// Per command that has not ended, a [Note]: its first call, its attempts, and
// an outcome once one is certain.
//
// # States of a target
//
//	Untouched  nothing is known to have been caused, or two reads agreed on that
//	Requested  a revoke request waits for an administrator
//	Revoked    DigiCert answered 204, or the target reads revoked (for ever)
//	Rejected   every request of ours was rejected, none waits, not revoked
//	Refused    DigiCert refused for good, and a read showed no effect
//
// "Sending" is not a state beside these but an open [Attempt] on top of one of
// them, so that an attempt which turns out to have had no effect leaves the
// target where it was.
//
// # Invariant
//
// While a target has an open attempt no PUT may begin for it. An attempt is
// closed only by DigiCert's clear answer, by proof that it did nothing (never
// written, or answered 401, 403 or 429), by a read that shows its effect, or
// by two reads that show none: both begun after the PUT ended, the second at
// least [SettleTime] after. A clear refusal needs the same two reads. What was
// decided outside leaves a [Doubt], what one read says against a command a
// [Suspicion], for the same reason: one read decides nothing that ends a
// command. If the process died in between, the PUT counts as
// ended when its lease ends.
//
// # The question
//
// [Record.Decide] answers what is known and what may be done now, for one
// command, as one of the closed set [Next]. All transitions are pure functions
// of the record; [Ledger] adds the bucket and the compare-and-swap.
//
// # Crashes
//
// After [Record.Begin] was swapped in and before its outcome is: the attempt
// stays open, nobody can begin, the next delivery waits for the lease to end,
// takes it over and reads. After the outcome was swapped in and before the
// event is stored: the next delivery finds the outcome here and says it.
package ledger
