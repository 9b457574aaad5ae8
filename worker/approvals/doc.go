// Package approvals follows what waits: revocation requests that an
// administrator has to decide, and deadlines.
//
// DigiCert tells nobody of a decision, so somebody has to ask. One sweep runs
// for the whole fleet every poll interval: whoever wins a compare-and-swap on
// one key sweeps, and holds it for one interval; there is no leader. A sweep
// does, in this order:
//
//  1. list the waiting keys, and finish, without a call, every command whose
//     target the order's record calls decided; say revoke-overdue where a
//     deadline has passed;
//  2. ask once for the orders that changed: what was revoked by another way
//     (the console, a second request) is finished;
//  3. list the waiting revoke requests, a page of 1,000 a call;
//  4. ask one by one only for those of ours that are no longer among them,
//     at most 200 a sweep, longest unasked first.
//
// So the cost grows with decisions, not with time: 10,000 requests that wait
// cost about ten calls a sweep.
//
// A sweep that dies is finished by the next: everything it does starts from
// the waiting keys, which stay until the final event is stored. Two sweeps at
// once do the same work twice and say nothing twice, since each event is
// stored by compare-and-swap.
package approvals
