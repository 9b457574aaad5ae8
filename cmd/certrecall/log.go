package main

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger writes one line an entry to w: JSON for machines, or columns for
// people (in colour on a terminal). Times are UTC, ISO 8601 with milliseconds.
func newLogger(w io.Writer, level zapcore.Level, format string) *zap.Logger {
	e := zap.NewProductionEncoderConfig()
	e.TimeKey, e.MessageKey = "time", "message"
	e.EncodeTime = func(t time.Time, enc zapcore.PrimitiveArrayEncoder) { zapcore.ISO8601TimeEncoder(t.UTC(), enc) }
	e.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(e)
	if format == "console" {
		e.EncodeLevel = zapcore.CapitalLevelEncoder
		if isTerminal(w) {
			e.EncodeLevel = zapcore.CapitalColorLevelEncoder
		}
		encoder = zapcore.NewConsoleEncoder(e)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level), zap.ErrorOutput(zapcore.Lock(zapcore.AddSync(w))))
}

// logFormatFor is the format that suits whoever reads w.
func logFormatFor(w io.Writer) string {
	if isTerminal(w) {
		return "console"
	}
	return "json"
}
