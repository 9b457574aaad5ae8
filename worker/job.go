package worker

import (
	"context"
	"time"

	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
	"certrecall/worker/ledger"
)

// job is one command being worked on, whether its message is in hand or only
// its waiting key is left.
type job struct {
	cmd      messages.Command
	key      string // the command's name
	digest   string
	claimant ledger.Claimant
	kind     gate.Kind
	lane     budget.Lane

	// What the dead letter and the waiting key need of the message.
	subject    string
	header     map[string][]string
	body       []byte
	origin     string
	sequence   uint64
	deliveries uint64
	received   time.Time

	chain chain
	// parked: there is no message any more, only the waiting key.
	parked bool
	// held: revoke-held is stored, and nothing was sent; only an allowance lets it go.
	held bool
	// waits: a waiting key exists, or may.
	waits bool
	// poisoned: the message has ended its workers too often.
	poisoned bool
	attempts int // calls of the listing endpoint; revocations count in the ledger
	said     int // attempts, as the latest event about the command says
	calls    time.Duration
	// reads: it is a listing or a dry run, which changes nothing.
	reads bool
	hand  *hand // nil without a message
	// wait ends when nothing new may begin: shutdown, or the end of the lease.
	wait context.Context
	// deadline is the local one of the message; zero is none.
	deadline func() time.Time
}

func newJob(cmd messages.Command) *job {
	j := &job{cmd: cmd, key: cmd.Name().String(), digest: cmd.Digest(), kind: gate.Listings, lane: budget.Listing}
	if cmd.Action() == messages.ActionRevoke && !cmd.DryRun {
		j.kind, j.lane = gate.Revocations, budget.Normal
		if cmd.Lane == messages.LaneRevokeUrgent {
			j.lane = budget.Urgent
		}
	}
	j.claimant = ledger.Claimant{
		Command: j.key, Target: cmd.CertificateID, Skip: cmd.SkipApproval, Reason: string(cmd.RevocationReason),
		Expects: cmd.ExpectedCommonName != "",
	}
	return j
}

func (j *job) from(d *delivery) {
	j.subject, j.header, j.body = d.msg.Subject(), d.msg.Headers(), d.msg.Data()
	j.origin, j.sequence, j.deliveries, j.received = d.origin, d.sequence, d.deliveries, d.received
	j.claimant.Received = d.received
	j.deadline = d.deadline
}

// event begins an event about the job's command.
func (w *Worker) event(j *job, name messages.EventName) messages.Event {
	e := messages.NewEvent(j.cmd, name, w.clock.Now(), j.received)
	e.Digest = j.digest
	e.Attempts = j.attempts
	return e
}

// waiting is the job's key as it is written before its message is acked.
func (j *job) waiting(phase ledger.Phase, since time.Time) ledger.Waiting {
	return ledger.Waiting{
		Order: j.cmd.OrderID, Source: j.cmd.Source, Incident: j.cmd.Incident, ID: j.cmd.ID, Phase: phase,
		Subject: j.subject, Header: j.header, Body: j.body, Origin: j.origin, Sequence: j.sequence,
		ReceivedAt: j.received, Deliveries: j.deliveries, Since: since,
		Target: j.claimant.Target, Skip: j.claimant.Skip, Reason: j.claimant.Reason, Deadline: j.cmd.Deadline,
		Expects: j.claimant.Expects, Identified: j.claimant.Identified,
	}
}
