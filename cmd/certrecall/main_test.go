package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary be certrecall, or a nats-server, where it is
// called by that name: scripts, end-to-end tests and the soak run real
// processes of it, which can be killed.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"certrecall": main, "nats-server": natsServerMain})
}
