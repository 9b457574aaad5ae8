package messages

import (
	"embed"
	"io/fs"
)

//go:embed schemas/*.json asyncapi.yaml
var published embed.FS

// Published returns the contract as files for other tools: asyncapi.yaml, an
// AsyncAPI 3 document, and the JSON Schemas (draft 2020-12) that it refers to,
// under schemas/. Their $id is a name, not an address.
//
// What a schema can not say is in its descriptions: the size of a message, the
// size of context, keys given twice, and that an order id is not written as 1.0.
func Published() fs.FS { return published }
