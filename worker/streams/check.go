package streams

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// rule is one thing that a stream must be, whoever made it.
type rule struct {
	broken  bool
	problem string
	remedy  string
}

const (
	moveAway = "It cannot be changed in place: move that stream away, or run certrecall under another prefix"
	editIt   = "Change it with `nats stream edit`, or let certrecall create the stream"
)

// checkStream compares what is there with what was specified, and returns the
// first contradiction as a *Refusal. What an operator may set is not looked at.
func checkStream(n messages.Names, want, got jetstream.StreamConfig) error {
	asset := "stream " + want.Name
	if err := checkMarks(n, asset, got.Metadata); err != nil {
		return err
	}
	for _, r := range slices.Concat(commonRules(want, got), rulesOf(n, want, got)) {
		if r.broken {
			return &Refusal{Asset: asset, Problem: r.problem, Remedy: r.remedy}
		}
	}
	return nil
}

// checkMarks refuses an asset of somebody else, of another prefix or of another
// layout. An asset without marks passes.
func checkMarks(n messages.Names, asset string, metadata map[string]string) error {
	if o := metadata[ownerKey]; o != "" && o != owner {
		return &Refusal{asset, fmt.Sprintf("it belongs to %q (metadata %q), not to certrecall", o, ownerKey), moveAway}
	}
	if p := metadata[prefixKey]; p != "" && p != n.Prefix() {
		return &Refusal{asset, fmt.Sprintf("it belongs to the prefix %q, not to %q", p, n.Prefix()),
			"Two prefixes must differ in more than upper and lower case: choose another one"}
	}
	if l := metadata[layoutKey]; l != "" {
		v, err := strconv.Atoi(l)
		if err == nil && v < layout {
			return &Refusal{asset, fmt.Sprintf("its layout is %d, of an earlier certrecall whose subjects and keys do not hold the incident; this one knows %d", v, layout),
				"It cannot be taken over: let the earlier certrecall finish what is open there, then move its streams away, or run this one under another prefix"}
		}
		if err != nil || v > layout {
			return &Refusal{asset, fmt.Sprintf("its layout is %q, this certrecall knows %d", l, layout), "Run the newer certrecall that made it"}
		}
	}
	return nil
}

// commonRules hold for every stream, those behind the buckets included: what
// was acknowledged is stored, whole, under its own subject, and on disk.
func commonRules(want, got jetstream.StreamConfig) []rule {
	wantSubjects, gotSubjects := sorted(want.Subjects), sorted(got.Subjects)
	return []rule{
		{!slices.Equal(wantSubjects, gotSubjects),
			fmt.Sprintf("its subjects are %s, want %s", list(gotSubjects), list(wantSubjects)),
			"If the stream is not certrecall's, run certrecall under another prefix; else set its subjects with `nats stream edit`"},
		{got.Retention != want.Retention,
			fmt.Sprintf("its retention is %v, want %v", got.Retention, want.Retention), moveAway},
		{got.Storage != jetstream.FileStorage,
			"it is kept in memory, so that a restart loses what was acknowledged", moveAway},
		{got.Discard != jetstream.DiscardNew,
			"it discards old messages when full, silently", editIt + " (discard new)"},
		{got.NoAck, "it acknowledges nothing (no_ack)", editIt + " (acknowledgements on)"},
		{got.PersistMode == jetstream.AsyncPersistMode,
			"it acknowledges before it has written (persist_mode async)", moveAway},
		{got.Mirror != nil, "it is a mirror, which takes no messages", moveAway},
		{got.SubjectTransform != nil, "it renames subjects on the way in", editIt + " (no subject transform)"},
		{got.Sealed, "it is sealed and takes no messages", moveAway},
		{got.AllowMsgCounter, "it is a stream of counters", moveAway},
	}
}

func rulesOf(n messages.Names, want, got jetstream.StreamConfig) []rule {
	switch want.Name {
	case n.EventsStream():
		return []rule{
			{got.MaxMsgsPerSubject != 1 || !got.DiscardNewPerSubject,
				"it does not keep exactly the first message of each subject, so that a command could get two final events",
				editIt + " (max messages per subject 1, discard new per subject)"},
			{!got.DenyDelete || !got.DenyPurge, "its events can be deleted or purged, so that a command could be answered again", moveAway},
			{got.AllowDirect, "it allows direct gets, which may come from a follower that lags: chains of events must be read from the leader",
				editIt + " (no direct get)"},
		}
	case n.CommandsStream(), n.DeadLettersStream():
		return []rule{
			{got.MaxMsgsPerSubject > 0 && !got.DiscardNewPerSubject,
				"its limit of messages a subject drops the oldest, silently", editIt + " (discard new per subject, or no such limit)"},
			{got.AllowRollup, "it allows roll-ups, with which one producer removes the messages of others", editIt + " (no roll-ups)"},
		}
	case n.AuditStream():
		return []rule{
			{!slices.EqualFunc(want.Sources, got.Sources, sameSource), "it does not take what operators say, and nothing else, from the control bucket",
				editIt + " (one source: " + want.Sources[0].Name + ", filter " + want.Sources[0].FilterSubject + ")"},
			{!got.DenyDelete || !got.DenyPurge, "what operators said can be deleted or purged from it", moveAway},
			{got.MaxMsgsPerSubject > 0, "it forgets what operators said earlier", editIt + " (no limit of messages per subject)"},
		}
	case bucketStream(n.OrdersBucket()), bucketStream(n.BudgetBucket()), bucketStream(n.ControlBucket()):
		return []rule{
			{got.MaxAge != 0, "its values age, and with them what certrecall must not forget", editIt + " (no age limit)"},
			{got.MaxMsgsPerSubject < 1, "it keeps every value ever written", editIt + " (history 1)"},
			{got.DiscardNewPerSubject, "it refuses to change a value", editIt + " (no discard new per subject)"},
			{got.AllowRollup && !want.AllowRollup, "it allows roll-ups, with which one operator takes away the words of others", editIt + " (no roll-ups)"},
			{!got.AllowRollup && want.AllowRollup, "it does not allow roll-ups, which a purge of a key needs", editIt + " (allow roll-ups)"},
		}
	}
	return []rule{ // the object bucket
		{!got.AllowRollup, "it does not allow roll-ups, which object buckets need", editIt + " (allow roll-ups)"},
	}
}

// leastAckPending is far above what a fleet has in hand together with what
// waits there for another try.
const leastAckPending = 10_000

// checkConsumer returns the first contradiction as a *Refusal. MaxWaiting, replicas, sampling and a pause are the operator's; AckWait is
// brought up to date elsewhere.
func checkConsumer(n messages.Names, stream string, want, got jetstream.ConsumerConfig) error {
	asset := fmt.Sprintf("consumer %s of stream %s", want.Durable, stream)
	if err := checkMarks(n, asset, got.Metadata); err != nil {
		return err
	}
	const remake = "Delete the consumer with `nats consumer rm`: no message is lost, and certrecall makes it again"
	filters := got.FilterSubjects
	if got.FilterSubject != "" {
		filters = []string{got.FilterSubject}
	}
	for _, r := range []rule{
		{got.DeliverSubject != "", "it pushes, want a pull consumer", remake},
		{!slices.Equal(filters, []string{want.FilterSubject}),
			fmt.Sprintf("it takes %s, want %s", list(filters), want.FilterSubject), remake},
		{got.AckPolicy != jetstream.AckExplicitPolicy, "it does not ask for an acknowledgement of each message", remake},
		{got.MaxDeliver > 0, fmt.Sprintf("it gives a message up after %d deliveries, unanswered", got.MaxDeliver), remake},
		{len(got.BackOff) > 0, "it has a back-off, which replaces the acknowledgement wait", remake},
		{got.MaxAckPending > 0 && got.MaxAckPending < leastAckPending,
			fmt.Sprintf("it lets no more than %d commands be in hand or wait for another try: a day of retries would stop the lane", got.MaxAckPending),
			"Give it room with `nats consumer edit --max-pending=-1 " + stream + " " + want.Durable + "`"},
		{got.HeadersOnly, "it delivers headers only", remake},
		{len(got.PriorityGroups) > 0, "it has priority groups", remake},
		{got.MaxRequestExpires > 0 && got.MaxRequestExpires < pullExpiry,
			fmt.Sprintf("it allows pulls of %v at most, want %v or no limit", got.MaxRequestExpires, pullExpiry), remake},
	} {
		if r.broken {
			return &Refusal{Asset: asset, Problem: r.problem, Remedy: r.remedy}
		}
	}
	return nil
}

func sameSource(a, b *jetstream.StreamSource) bool {
	return a.Name == b.Name && a.FilterSubject == b.FilterSubject && a.External == nil && b.External == nil && len(b.SubjectTransforms) == 0
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func list(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}
