// Package policy says how much each source may revoke, and what operators allow
// beyond it: section by section of the contract, "Policy, allowances, and whose
// word it was".
//
// The policy is a file ([Parse], [File]). Who is over a limit is decided by the
// order of the revoke-accepted events in the stream and by nothing else, so
// that every worker comes to the same answer and none of it is written down
// ([Judge.Admit]):
//
//   - an [allowance] reads the events of one incident (or of one source's
//     commands without an incident) and the statements of operators about it,
//     and tells which commands it covers;
//   - an [account] reads the events of one source over its longest window and
//     counts the distinct orders that were neither held nor covered.
//
// Both are pure: the same events and statements give the same answer, whether
// they are followed as they come or read back after a restart.
//
// A worker that cannot read these events admits nothing: Admit returns an error.
package policy
