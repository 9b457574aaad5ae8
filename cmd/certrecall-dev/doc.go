// Command certrecall-dev is for trying and testing certrecall: a NATS server, a
// simulated DigiCert and a worker in one process, or the simulated DigiCert
// alone, or a benchmark of the worker. It never goes to production.
//
//	certrecall-dev --samples             # everything, with a few sample commands
//	certrecall-dev simulator --addr :8090
//	certrecall-dev bench                 # ratios, beside a bare loop
//
// # Layout
//
// One subcommand is one file: a struct with its flags, its Help with an
// example, and its Run. The struct becomes a field of cli in main.go. The
// files bench_*.go are the parts of bench: a plant of child processes, the
// loads, one file a thing that is measured, and the table.
//
// # Invariants
//
// It reads no environment variable of DigiCert's: a key that happens to be set
// is not used. Only --real-digicert with a key file goes out, and then no
// samples are submitted. What the worker remembers of simulated orders and of
// real ones is kept apart.
//
// # Crash
//
// The NATS server syncs every write and the simulator keeps its state beside
// it, so the next start goes on where the last one ended, also after a kill.
// A lock keeps two of them out of one store.
package main
