// Command certrecall revokes DigiCert orders and lists their duplicate
// certificates on command: it takes commands from NATS JetStream, calls the
// CertCentral API and publishes what became of each as an event.
//
//	certrecall setup                      # streams and buckets, once
//	DIGICERT_API_KEY=… certrecall worker  # as many of them as you like
//
// # Layout
//
// One subcommand is one file: a struct with its flags, its Help with an
// example, and its Run. The struct becomes a field of cli in main.go and embeds
// natsFlags, whose open gives a connected session. Only this package reads
// flags and environment, writes to the terminal and ends the process.
//
// # Invariants
//
// The exit code is 0 when done, 1 when it failed, 2 for wrong usage or settings;
// all wrong settings are named at once. A flag beats its variable, and an empty
// variable counts as not set. No flag takes a key, and no output shows one.
//
// # Crash
//
// Nothing is kept here; see package worker for what a killed worker leaves
// behind and how the others take over.
package main
