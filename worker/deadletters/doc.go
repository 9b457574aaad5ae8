// Package deadletters lists, shows, replays and drops the dead letters: the
// commands that could not be carried out.
//
//	d, err := deadletters.Open(ctx, js, names)
//	for l, err := range d.All(ctx, deadletters.Filter{Incident: "INC-42"}) { … }
//	c, err := l.Replay(time.Now()) // the new command
//	err = publisher.Publish(ctx, []messages.Command{c})
//	err = d.Remove(ctx, l.Number)
//
// A replay is a new command of the same source and incident under an id that
// follows from the first one and the dead letter, so that replaying twice is
// one command. A crash between publishing and removing leaves the dead letter;
// replaying it again is the same command.
//
// NATS is the index: source, incident and lane are tokens of the subject, and
// only dead letters that can match are read.
package deadletters
