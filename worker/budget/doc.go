// Package budget shares one allowance of calls among all workers of a fleet.
//
// DigiCert counts the calls of an API key in rolling windows, and blocks the whole key for a while
// when one of them overflows
// (https://dev.digicert.com/en/certcentral-apis/services-api/rate-limits.html). More workers give no
// more calls, so the workers of one prefix take their permits from one record in the control bucket:
//
//	b := budget.New(budget.Config{KV: control, Limits: limits, Now: clock.Now})
//	go b.Run(ctx)
//	...
//	permit, err := b.Acquire(ctx, budget.Urgent)
//	if err != nil {
//		return err // ctx ended
//	}
//	if !permit.Fresh() { // something took long in between
//		permit.GiveBack()
//		...
//	}
//	// the call
//
// # What is promised
//
//   - No rolling window of Limits, wherever it begins, holds more calls than it allows, counted when
//     they arrive, as long as each call begins on a fresh permit and arrives within 250 ms. Permits
//     are counted when they are granted, so every window is reckoned half a second longer than it
//     is (the guard): 250 ms for the life of a permit, the rest for the way.
//   - Bursts are used in full: after a quiet time all calls of the shortest window may go at once.
//     While revocations wait, an incident longer than the longest window takes at most 3 % longer
//     than exact rolling windows allow (1000/5m,100/5s and 1000/3m,100/5s); one that is over within
//     it takes up to a tenth longer, which is the guard of the 5 s window.
//   - In the whole fleet urgent revocations go before others, and those before listings. Listings
//     take permits only while less than ListingShare of each window is used. The sweep takes at most
//     one call in twenty, but goes before all others for those. A process that dies while it holds
//     others back does so for a second at most.
//   - After a 429 nobody in the fleet begins a call before the time that it named, or else for 5 s,
//     doubling to 2 min.
//
// # What is not
//
//   - Other users of the same key are not counted. If there are any, set Limits to what they leave.
//     The 429 that they cause is heeded, but then it has already happened.
//   - A call that takes longer than 250 ms to arrive may fall into a window with later ones. So may
//     the calls of workers whose ideas of the server's time differ by more than what is left of the
//     guard. One that is wrong by more than two seconds is found out by the server's stamps before
//     its first permit is used.
//   - What was known only to a process that is gone, of a record that is gone too.
//
// # How to set it
//
// Limits are those of the key, as they are: the guard is added here. DigiCert has changed them over
// the years and between accounts; 1000/5m,100/5s is the strictest recent pair that still lets an
// incident move. A window that is not DigiCert's can be added to spread the load ("20/1s"), at the
// price of the bursts. All workers should have the same limits; while they have not, as in a rolling
// deploy, each holds to its own on the common count, and nothing of the last 24 h is forgotten.
//
// # The record
//
// The key "budget" holds the permits of the last 24 h as counts by time, finely for the last seconds
// and coarsely for the last hours: a cell is never wider than 1/128 of its age, and the permits in
// it are reckoned as of its end. It takes one to eight kilobytes. It is changed by compare-and-swap
// only, by one goroutine a process, for up to 16 permits at once. The key "not-before" holds what the
// last 429 has set, as JSON; deleting it lets calls begin again.
//
// # When something breaks
//
//   - The store is out of reach: no permits; callers wait, and are served when it is back.
//   - A write whose outcome is unknown counts as spent. A process that dies with permits in hand has
//     spent them. Neither blocks anybody for longer than a window.
//   - The record is missing or unreadable: the first process that needs it makes a new one with its
//     own permits that still count, the others add theirs, and for a second nothing is granted.
//   - The record is more than two seconds ahead of the server: what is ahead is moved back, what is
//     not stays where it is.
//
// All of these are told to Config.Report. None of them ends Run.
package budget
