// Package messages is the wire contract, version 1: the commands that other
// systems send, the events they get back, the dead letters that operators
// read, and the subjects, streams and buckets all of it is found under.
//
// It knows JSON, CloudEvents and names, and nothing of NATS or DigiCert:
// headers are plain maps, bodies are bytes. A producer needs only
//
//	names, err := messages.NewNames("certrecall")
//	body, err := messages.EncodeCommand(command)
//	// publish body to names.CommandSubject(messages.LaneRevoke, "servicenow")
//
// and a consumer only [Names.EventSubjects] and [Names.DecodeEvent].
//
// # Subjects
//
//	<prefix>.cmd.v1.<lane>.<source>                     commands
//	<prefix>.evt.v1.<event>.<source>.<incident>.<id>    events
//	<prefix>.dlq.v1.<lane>.<source>.<incident>          dead letters
//
// The incident is "-" where there is none. All events of one command share
// source, incident and id, which are its name: [Names.ChainSubject] is the
// filter for them, and [Names.IncidentSubject] the one for an incident.
//
// # Invariants
//
// A revocation cannot be undone, so [DecodeCommand] is strict where most
// decoders are kind: a key it does not know, a key given twice, a value of
// the wrong type or a field of the other lane makes the whole message
// invalid, and all problems are reported at once, each with its field.
// [Names.DecodeEvent] is the opposite: it ignores what it does not know, so
// that a newer worker can add fields.
//
// JSON that belongs to somebody else (a command's context, DigiCert's request
// and certificate objects) passes through byte for byte.
//
// The same event always encodes to the same bytes, and decoding them gives
// the same event.
//
// # What a crash here does
//
// Nothing: the package keeps no state, starts nothing and has no globals. All
// functions are safe for concurrent use.
package messages
