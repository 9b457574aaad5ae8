// Package credentials tells who sends an HTTP request: the secrets of the
// sources, read from files, and the four ways to prove one.
//
//	store, err := credentials.Open(files)
//	go store.Run(ctx)
//	who, err := store.Verify(request.Header, body, time.Now())
//
// # Invariants
//
// A secret fits one source only; two sources with one secret are refused. Every
// secret of a kind is compared, in constant time, whichever fits. A request that
// gives several proofs passes only if all of them name one source.
//
// Files are read again when they change. A file that became unreadable or empty
// keeps its last good secret, and [Store.Problems] says so.
//
// A message signed after Standard Webhooks is good for five minutes, and the
// same message (id and time) once in each process: [Store.Accepted] says which
// were taken. The same id with a later time is a sender that tries again.
//
// # Crash
//
// The ids seen are kept in memory only. What remains after a crash is the five
// minutes, and that the same command does nothing twice.
package credentials
