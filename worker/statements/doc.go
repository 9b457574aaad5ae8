// Package statements is what operators say, and whose word it was.
//
// A statement is a key "op.<operator>.<verb>.<what>" of the control bucket. NATS
// lets an operator write the keys that bear its own name and no others, so the
// name is proven by the server and not by the text. The value is JSON with at
// least "at" and "reason".
//
// Nothing is deleted to take a statement back: a later one on the same thing
// does that, by whoever says it. Later is by the server's stamp. A key that was
// deleted by hand is an operator who says nothing about the thing any more:
// what others said stands.
//
// The audit stream sources these keys on the server, also what a later
// statement of the same operator has replaced in the bucket: see [Read].
package statements
