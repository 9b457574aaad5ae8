package worker

// step names a point between two writes of the revoke path, where a worker may
// die or freeze. Production passes them without a look; the crash matrix and
// the stall matrix stop at each. A step without a row there fails the tests.
type step string

const (
	stepClaimed       step = "claim stored"
	stepQueuedKey     step = "waiting key of a deadline stored"
	stepHeldKey       step = "waiting key of a held command stored"
	stepHeldSaid      step = "revoke-held stored"
	stepPermitted     step = "permit granted"
	stepBegun         step = "begin stored"
	stepAnswered      step = "DigiCert answered"
	stepRecorded      step = "answer stored"
	stepLeased        step = "lease for reading taken"
	stepRead          step = "order read"
	stepObserved      step = "reading stored"
	stepMarked        step = "outcome stored"
	stepParkedKey     step = "waiting key of a request stored"
	stepRequestedSaid step = "revoke-requested stored"
	stepBuried        step = "dead letter stored"
	stepFinalSaid     step = "final event stored"
	stepTidied        step = "note and waiting key removed"
)

// steps are all of them, in the order of the code.
var steps = []step{
	stepClaimed, stepQueuedKey, stepHeldKey, stepHeldSaid, stepPermitted, stepBegun, stepAnswered, stepRecorded, stepLeased, stepRead,
	stepObserved, stepMarked, stepParkedKey, stepRequestedSaid, stepBuried, stepFinalSaid, stepTidied,
}

// at passes a step. The hook is set by tests only.
func (w *Worker) at(s step) {
	if w.hook != nil {
		w.hook(s)
	}
}
