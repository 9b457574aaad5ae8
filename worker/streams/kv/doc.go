// Package kv is the one home of compare-and-swap: typed values under the keys
// of a JetStream bucket, changed only where the revision that was read is
// still the last.
//
//	records := kv.JSON[record](bucket)
//	e, err := records.Get(ctx, key)                        // e.Revision 0: there is none
//	revision, err := records.Swap(ctx, key, value, e.Revision)
//	switch {
//	case errors.Is(err, kv.ErrLost): // another was first: get it again, decide again
//	case err != nil: // see below
//	}
//
// # What an error of a write says
//
//   - [ErrLost]: another changed the key first. Nothing was stored.
//   - [ErrBusy]: another write of the key is under way. Nothing was stored, and
//     who wins is open.
//   - [ErrNoRoom]: the bucket, the account or the disk is at a limit, or the
//     value is too large. Nothing was stored, and nothing will be until
//     somebody makes room.
//   - Any other error says nothing: the value may have been stored.
//
// A swap at revision 0 creates the key, also on top of the marker of a removed
// one; a swap over a revision whose key was removed is lost, and Get then
// gives revision 0. So whoever gets and swaps survives the removal of any key.
//
// A read may come from a replica that lags: it is a hint, and only a swap
// decides.
package kv
