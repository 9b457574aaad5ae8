package ledger_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/ledger"
	"certrecall/worker/natstest"
)

var (
	benchTime     = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	benchClaimant = ledger.Claimant{Command: "servicenow/INC0012345-1", Reason: "keyCompromise", Received: benchTime}
)

// begunRecord is the record as it stands while the call is under way.
func begunRecord(b *testing.B) ledger.Record {
	b.Helper()
	r := ledger.Record{Order: 4711}
	if !r.Begin(benchClaimant, "an-owner-of-26-characters-", benchTime, 20*time.Second) {
		b.Fatal("an empty record does not allow a call")
	}
	return r
}

func BenchmarkEncodeRecord(b *testing.B) {
	r := begunRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(&r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	r := begunRecord(b)
	value, err := json.Marshal(&r)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		var r ledger.Record
		if err := json.Unmarshal(value, &r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecordOfARevocation is the pure part of one: asked, begun, asked no more, revoked, asked again.
func BenchmarkRecordOfARevocation(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		r := begunRecord(b)
		r.EndRevoked(benchClaimant, "an-owner-of-26-characters-", benchTime)
		if a := r.Decide(benchClaimant, benchTime); a.Next != ledger.Finish {
			b.Fatal(a.Next)
		}
	}
}

// BenchmarkSwap is Begin and its end in a real bucket, every write synced.
func BenchmarkSwap(b *testing.B) {
	srv := natstest.Start(b)
	kv, err := srv.JetStream().CreateKeyValue(b.Context(), jetstream.KeyValueConfig{Bucket: "ORDERS"})
	if err != nil {
		b.Fatal(err)
	}
	l := ledger.New(kv)
	order := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		order++
		e := ledger.Fresh(order)
		e.Begin(benchClaimant, "owner", benchTime, 20*time.Second)
		if e, err = l.Swap(b.Context(), e); err != nil {
			b.Fatal(err)
		}
		_, err = l.Update(b.Context(), e, func(r *ledger.Record) bool {
			r.EndRevoked(benchClaimant, "owner", benchTime)
			return true
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
