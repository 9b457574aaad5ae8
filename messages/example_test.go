package messages_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"certrecall/messages"
)

// A producer encodes a command and publishes it to the subject of its lane and
// its own source.
func ExampleEncodeCommand() {
	names, err := messages.NewNames("certrecall")
	if err != nil {
		panic(err)
	}
	body, err := messages.EncodeCommand(messages.Command{
		ID:               "INC0012345-1",
		Lane:             messages.LaneRevoke,
		OrderID:          123456,
		Comments:         "Key found in a public repository, INC0012345",
		RevocationReason: messages.ReasonKeyCompromise,
		Context:          json.RawMessage(`{"ticket":"INC0012345"}`),
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(names.CommandSubject(messages.LaneRevoke, "servicenow"))
	fmt.Println(string(body))
	// Output:
	// certrecall.cmd.v1.revoke.servicenow
	// {"id":"INC0012345-1","order_id":123456,"comments":"Key found in a public repository, INC0012345","revocation_reason":"keyCompromise","context":{"ticket":"INC0012345"}}
}

// A misspelt option must never be ignored: all problems are named at once.
func ExampleDecodeCommand() {
	_, err := messages.DecodeCommand(messages.LaneRevoke, "servicenow", nil,
		[]byte(`{"id":"INC0012345-1","order_id":1e3,"dryRun":true}`))
	if invalid, ok := errors.AsType[*messages.InvalidCommand](err); ok {
		for _, p := range invalid.Problems {
			fmt.Printf("%s %s\n", p.Field, p.Detail)
		}
	}
	// Output:
	// order_id must be an integer from 1 to 9223372036854775807, or a string of its digits
	// dryRun is no field of a command; did you mean dry_run?
	// comments missing; it is required
}

// A consumer decodes the events of the filter [messages.Names.EventSubjects], or
// those of one command with [messages.Names.ChainSubject].
func ExampleNames_DecodeEvent() {
	names, err := messages.NewNames("certrecall")
	if err != nil {
		panic(err)
	}
	event, err := names.DecodeEvent("certrecall.evt.v1.revoke-requested.servicenow.-.INC0012345-1", nil,
		[]byte(`{"command_id":"INC0012345-1","source":"servicenow","action":"revoke","lane":"revoke","final":false,`+
			`"order_id":123456,"request_id":4711,"status":"pending","already":false,"attempts":1,`+
			`"received_at":"2026-03-01T12:00:00Z","finished_at":"2026-03-01T12:00:01Z"}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(event.Name, event.OrderID, event.RequestID, event.Status, event.Name.Final())
	// Output:
	// revoke-requested 123456 4711 pending false
}

// A worker answers a command with events.
func ExampleNames_EncodeEvent() {
	names, err := messages.NewNames("certrecall")
	if err != nil {
		panic(err)
	}
	command, err := messages.DecodeCommand(messages.LaneListDuplicates, "soar", nil, []byte(`{"id":"list-1","order_id":"123456"}`))
	if err != nil {
		panic(err)
	}
	received := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	event := messages.NewEvent(command, messages.EventDuplicatesListed, received.Add(time.Second), received)
	event.Attempts = 1
	event.Certificates, event.Count = json.RawMessage(`[ {"id":12345} ]`), new(1)
	subject, header, body, err := names.EncodeEvent(event)
	if err != nil {
		panic(err)
	}
	fmt.Println(subject)
	fmt.Println(header["ce-type"][0], header["ce-subject"][0])
	fmt.Println(string(body))
	// Output:
	// certrecall.evt.v1.duplicates-listed.soar.-.list-1
	// certrecall.duplicates-listed.v1 order/123456
	// {"command_id":"list-1","source":"soar","action":"list-duplicates","lane":"list-duplicates","final":true,"order_id":123456,"attempts":1,"received_at":"2026-03-01T12:00:00Z","finished_at":"2026-03-01T12:00:01Z","count":1,"certificates":[ {"id":12345} ]}
}

func ExampleReplayID() {
	fmt.Println(messages.ReplayID("INC0012345-1", 42))
	fmt.Println(messages.ReplayID("INC0012345-1-replay-42", 57))
	// Output:
	// INC0012345-1-replay-42
	// INC0012345-1-replay-57
}
