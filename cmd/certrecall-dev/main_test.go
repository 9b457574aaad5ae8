package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary be certrecall-dev where it is called by that
// name: scripts and tests run real processes of it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"certrecall-dev": main})
}
