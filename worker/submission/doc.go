// Package submission turns a list of orders into commands, and stores them:
// rows → batch → ids → what is known already → stored.
//
//	batch, err := (&submission.Batcher{Lane: messages.LaneRevoke, Source: "cli", Incident: "INC-42"}).Read(in, file)
//	past, err := submission.Known(ctx, reader, batch)
//	err = publisher.Publish(ctx, batch.Without(past.Known).Commands())
//
// # Promises
//
// The whole input is looked at before anything is sent, as the workers will
// look at it. With one problem there is no batch: what went is never a part of
// what was meant. Every problem is named with its line and its value, problems
// that many lines share once ([Problems]).
//
// An id follows from incident, order and certificate. So the same input twice
// is the same commands, and a submission that was cut off is finished by
// submitting the same again: [Known] finds what is stored, and the rest is
// stored. What it does not find and is stored twice is still one command.
//
// # Crash
//
// A [Publisher] stores up to [MaxAtomic] commands at once, each of these parts
// whole or not at all. A crash leaves whole parts.
package submission
