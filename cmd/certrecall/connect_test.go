package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// While NATS is away the watches report the same every 10 s; the log has it
// every five minutes, and another problem at once.
func TestLastingProblemIsToldNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zapcore.WarnLevel)
		report := problems(zap.New(core))
		for range 61 {
			report(nil, nil, nats.ErrConsumerNotActive)
			time.Sleep(10 * time.Second) // exact in synctest
		}
		if n := logged.Len(); n != 3 {
			t.Errorf("told %d times in ten minutes, want 3", n)
		}
		report(nil, nil, errors.New("nats: permissions violation"))
		if n := logged.Len(); n != 4 {
			t.Errorf("another problem was not told at once")
		}
	})
}
