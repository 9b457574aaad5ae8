// Package status tells where things stand: which commands there are, what
// became of each, what waits for whom, and how long the rest will take.
//
//	r, err := status.Open(ctx, js, names)
//	v, err := r.Load(ctx, status.Filter{Incident: "INC-42"})
//	fmt.Println(v.Counts(), v.Failed())
//	err = r.Follow(ctx, v, changed) // and stays up to date
//
// It only reads, and keeps nothing of its own. A [View] is a projection of
//
//   - the commands stream, by direct gets: what no worker has answered yet (a
//     second consumer on a work queue would take commands away from the workers);
//   - the waiting keys: commands that are parked until an administrator decides;
//   - the events, by an ordered consumer: what was said of each command;
//   - the headers of the dead letters: what can be replayed.
//
// [Reader.Fleet] adds what concerns everybody: lanes, budget, pauses.
//
// # Invariants
//
// The queue is read first and the events last. So a command that is answered
// while we read is seen in the queue, among the events, or in both, and never
// in neither. Where the sources differ the events are right.
//
// A view has one [Row] a command, and a row of its own for each message that
// was rejected and has no id of its own. What a row says of DigiCert is what
// an event said; nothing is guessed.
//
// # Cost
//
// A view of 100,000 commands takes seconds and some 100 MB: bodies are decoded
// one by one and dropped, texts that repeat are kept once, and events of other
// incidents are passed over by their headers.
//
// # Crash
//
// Nothing is lost: there is nothing to lose. The consumers are ordered ones
// that the server forgets by itself.
package status
