package streams

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// Marks on every asset that Apply creates (stream and consumer metadata).
const (
	ownerKey  = "owner"
	prefixKey = "certrecall.prefix"
	layoutKey = "certrecall.layout"

	owner = "certrecall"
	// layout is raised when a later version needs assets that this one would
	// break, or cannot read those of this one. Any other than ours is refused.
	layout = 2
)

const (
	// DefaultAckWait is the acknowledgement wait of a consumer where Options give none.
	DefaultAckWait = 30 * time.Second

	// maxCommandSize bounds body and headers of a command together: 64 KiB and 16 KiB.
	maxCommandSize = 80 << 10

	// shortestDuplicates is the least the server takes. The commands stream
	// wants none at all: our own digest tells repeated commands from new ones,
	// and a repeat that the server swallowed would not be answered.
	shortestDuplicates = 100 * time.Millisecond

	// deadLetterDuplicates covers a crash between a dead letter and its event.
	deadLetterDuplicates = time.Hour

	// statementHistory is how many statements of one operator on one thing the
	// bucket keeps: what an allowance was worth at a moment is worked out from them.
	statementHistory = 64

	// maxWaiting is how many commands of one source may wait in one lane.
	maxWaiting = 100_000

	// What waits and what failed may take so much of the disk, and no more.
	commandBytes    = 1 << 30
	deadLetterBytes = 256 << 20

	// pullExpiry is the longest a pull of a worker waits.
	pullExpiry = 5 * time.Second
)

// Topology is everything of one prefix in NATS.
type Topology struct {
	// Streams in the order of their creation, those behind the buckets among them.
	// The consumers of the commands stream are made by the workers, see [EnsureConsumer].
	Streams []jetstream.StreamConfig
}

// Spec gives the assets of n as Apply would create them. Replicas below 1 count as 1.
func Spec(n messages.Names, replicas int) Topology {
	replicas = max(replicas, 1)
	mark := marks(n)
	var t Topology
	for _, c := range []jetstream.StreamConfig{
		bucket(n.OrdersBucket(), "What certrecall knows of each order: never remove"),
		told(n, bucket(n.BudgetBucket(), "Call budget, turns and start marks of certrecall: written by workers")),
		statements(n),
		objects(n.ResultsBucket(), "Results of certrecall that are too large for a message"),
		events(n),
		deadLetters(n),
		commands(n),
		audit(n), // behind the bucket that it sources
	} {
		c.Storage = jetstream.FileStorage
		c.Replicas = replicas
		c.MaxMsgs, c.MaxConsumers = -1, -1
		if c.MaxBytes == 0 {
			c.MaxBytes = -1
		}
		c.Metadata = mark
		t.Streams = append(t.Streams, c)
	}
	return t
}

func marks(n messages.Names) map[string]string {
	return map[string]string{ownerKey: owner, prefixKey: n.Prefix(), layoutKey: strconv.Itoa(layout)}
}

// commands is a work queue: an acknowledged command is gone. Its subjects are
// exactly those of the lanes, so that a misspelt lane fails at the publisher.
// A full queue refuses (discard new); it never drops what it accepted. A source
// that floods a lane is refused alone, and the bytes of all of them are bounded
// so that room is left for what must always be written: events, records, words
// of operators. Submissions may be published as one batch, whole or not at all.
func commands(n messages.Names) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:        n.CommandsStream(),
		Description: "Commands to certrecall, gone when answered",
		Retention:   jetstream.WorkQueuePolicy,
		Discard:     jetstream.DiscardNew,
		MaxMsgSize:  maxCommandSize,
		Duplicates:  shortestDuplicates,
		AllowDirect: true,
		// A submission is stored in batches, each whole or not at all.
		AllowAtomicPublish: true,

		MaxMsgsPerSubject:    maxWaiting,
		DiscardNewPerSubject: true,
		MaxBytes:             commandBytes,
	}
	for _, l := range messages.Lanes() {
		c.Subjects = append(c.Subjects, n.LaneSubject(l))
	}
	return c
}

// events holds one message a subject, which neither a later one nor a delete
// nor a purge can replace: the server itself keeps a command to one event of a
// name. No direct get, since a chain must be read from the leader.
func events(n messages.Names) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                 n.EventsStream(),
		Description:          "Events of certrecall: the record of every command",
		Subjects:             []string{n.EventSubjects()},
		Retention:            jetstream.LimitsPolicy,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
		MaxMsgsPerSubject:    1,
		MaxMsgSize:           -1,
		DenyDelete:           true,
		DenyPurge:            true,
	}
}

func deadLetters(n messages.Names) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        n.DeadLettersStream(),
		Description: "Commands that certrecall could not carry out, with the reason",
		Subjects:    []string{n.DeadLetterSubjects()},
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxMsgSize:  -1,
		MaxBytes:    deadLetterBytes,
		Duplicates:  deadLetterDuplicates,
		AllowDirect: true,

		MaxMsgsPerSubject:    maxWaiting,
		DiscardNewPerSubject: true,
	}
}

// bucket is the stream of a key-value bucket with one value a key, as the NATS
// clients make it (a test compares).
func bucket(name, description string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              bucketStream(name),
		Description:       description,
		Subjects:          []string{"$KV." + name + ".>"},
		Discard:           jetstream.DiscardNew,
		MaxMsgsPerSubject: 1,
		MaxMsgSize:        -1,
		Duplicates:        2 * time.Minute,
		AllowRollup:       true,
		DenyDelete:        true,
		AllowDirect:       true,
		AllowMsgTTL:       true, // the markers of removed keys go away: see Remove
	}
}

// statements is the bucket of what operators say. Without roll-ups nobody takes
// another's words away.
func statements(n messages.Names) jetstream.StreamConfig {
	c := bucket(n.ControlBucket(), "Statements of operators of certrecall: written by operators")
	c.AllowRollup = false
	c.MaxMsgsPerSubject = statementHistory
	return told(n, c)
}

// told has the server tell of each value that it has stored, by its headers:
// what one NATS account writes to another's bucket is heard by no third one.
func told(n messages.Names, c jetstream.StreamConfig) jetstream.StreamConfig {
	c.RePublish = &jetstream.RePublish{
		Source:      c.Subjects[0],
		Destination: n.Prefix() + ".heard." + strings.TrimPrefix(c.Subjects[0], "$KV."),
		HeadersOnly: true,
	}
	return c
}

// audit keeps every statement of every operator for good: the server itself
// copies them from the bucket, where a later one takes the place of an earlier.
func audit(n messages.Names) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        n.AuditStream(),
		Description: "What operators of certrecall have said, all of it",
		Sources: []*jetstream.StreamSource{{
			Name: bucketStream(n.ControlBucket()), FilterSubject: "$KV." + n.ControlBucket() + ".op.>",
		}},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		DenyDelete:        true,
		DenyPurge:         true,
		AllowDirect:       true,
	}
}

// objects is the stream of an object bucket, as the NATS clients make it.
func objects(name, description string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              objectStream(name),
		Description:       description,
		Subjects:          []string{"$O." + name + ".C.>", "$O." + name + ".M.>"},
		Discard:           jetstream.DiscardNew,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		AllowRollup:       true,
		AllowDirect:       true,
	}
}

func bucketStream(bucket string) string { return "KV_" + bucket }
func objectStream(bucket string) string { return "OBJ_" + bucket }
