// Package natstest runs real NATS servers with JetStream for tests: on a port
// of 127.0.0.1, as a cluster of three in one process, or in fake time.
//
//	func TestSomething(t *testing.T) {
//		natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
//			js := e.JetStream()
//			time.Sleep(24 * time.Hour) // passes at once; the server's timers ran
//		})
//	}
//
// # Fake time
//
// [Bubble] runs a function in a testing/synctest bubble together with a
// server that was born in it. Acknowledgement waits, delayed negative
// acknowledgements, age limits, heartbeats and the caller's own timers all
// follow the bubble's clock, which moves only when every goroutine waits. The
// rules of a bubble: no t.Run and no t.Parallel in it, no sockets (use
// [Env.PipeNet] for HTTP), and everything that was started ends before the
// function's cleanups are through. A test in which the server restarts, or that
// flushes or drains a connection, takes [LoneBubble].
//
// # Real time
//
// [Start] gives a server with a file store that syncs every write, as every
// configuration that this project ships. [Server.Restart] brings it back on the
// same port with the same store; [Server.Kill] takes away what only an orderly
// stop leaves behind. A process that is really killed is beyond this package:
// the end-to-end tests of cmd do that.
//
// The package is for tests only; nothing that goes to production imports it.
package natstest
