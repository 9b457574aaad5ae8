package budget

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var compareRecords = cmp.Options{cmp.AllowUnexported(record{}, mark{}, cell{}), cmpopts.EquateEmpty()}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rec := &record{
			epoch: rapid.Uint32().Draw(t, "epoch"),
			last:  epoch0 + rapid.Int64Range(0, 1<<32).Draw(t, "last"),
		}
		if rapid.Bool().Draw(t, "hold") {
			rec.hold = rec.last + rapid.Int64Range(1, 1000).Draw(t, "held")
		}
		for i := range rec.marks {
			if rapid.Bool().Draw(t, "marked") {
				rec.marks[i] = mark{owner: rapid.Uint32().Draw(t, "owner"), until: rec.last + rapid.Int64Range(1, 1000).Draw(t, "until")}
			}
		}
		at := rec.last + rapid.Int64Range(-1000, 1000).Draw(t, "newest")
		for range rapid.IntRange(0, 50).Draw(t, "cells") {
			n := rapid.IntRange(1, 1000).Draw(t, "count")
			rec.cells = rec.cells.add(cell{at: at, count: n, sweeps: rapid.IntRange(0, n).Draw(t, "sweeps")})
			at -= rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(1, 1_000_000)).Draw(t, "step")
		}
		got, err := decodeRecord(rec.encode()) // which coarsens rec
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(rec, got, compareRecords); d != "" {
			t.Fatal(d)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := (&record{epoch: 1, last: epoch0, cells: history{{at: epoch0, count: 3}}}).encode()
	sealed := func(b []byte) []byte { return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	changed := func(i int) []byte {
		b := append([]byte(nil), good...)
		b[i] ^= 1
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"text":             []byte("permits: many"),
		"another version":  sealed([]byte{9, 1, 2, 3}),
		"one byte changed": changed(4),
		"cut":              good[:len(good)-1],
		"more behind":      sealed(append(append([]byte(nil), good[:len(good)-4]...), 0)),
		"too many cells":   sealed(binary.AppendUvarint([]byte{1, 1, 0, 0, 0, 1, 0, 0, 0, 0}, maxCells+1)),
		"a cell of none":   sealed([]byte{1, 100, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0}),
	} {
		if _, err := decodeRecord(b); !errors.Is(err, errRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add((&record{epoch: 1, last: epoch0, cells: history{{at: epoch0 - 5000, count: 3}, {at: epoch0, count: 2, sweeps: 1}}}).encode())
	f.Add((&record{epoch: 7, last: epoch0, hold: epoch0 + 5, marks: [laneCount - 1]mark{1: {3, epoch0 + 9}}}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeRecord(b); err == nil {
			return
		}
		// With the right checksum, so that what lies behind it is reached.
		rec, err := decodeRecord(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
		if err != nil {
			return
		}
		again, err := decodeRecord(rec.encode())
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if d := cmp.Diff(rec, again, compareRecords); d != "" {
			t.Fatal(d)
		}
	})
}
