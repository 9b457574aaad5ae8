// Package console is the web page of an incident: where things stand, and the
// few things an operator may do about it.
//
//	c, err := console.New(console.Config{Names: names, Conn: conn, …})
//	go serve(listener, c.Handler())
//	err = c.Run(ctx)
//
// # Who owns what
//
// What is shown is read by package status and what is done is said by package
// statements; this package is what lies between them and a browser. Nothing is
// kept: the views in memory are made anew by the next process.
//
// # Invariants
//
// One reader a process: an incident is loaded once and followed by one
// consumer, however many tabs show it. A tab is told that something changed, at
// most a few times a second, and asks for its page again.
//
// Every text is escaped by html/template, and no page needs a script or a style
// of its own: the Content-Security-Policy allows none. What may be done is up to
// the rights of the NATS user: a page without buttons is a courtesy, the refusal
// is the server's.
//
// # Crash
//
// An action is one statement, or one command after it; either it is stored or it
// is not, and the answer says which. Sessions end with the process.
package console
