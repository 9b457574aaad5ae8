package budget

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

const (
	recordVersion = 1
	// maxCells bounds what is read: a day of permits needs fewer than 2,800 cells.
	maxCells = 8192
	maxCount = 1 << 40
	// maxTime bounds every time that is read, in milliseconds: the year 10889.
	maxTime = 1 << 48
)

// errRecord says that the bytes are no record of a known version.
var errRecord = errors.New("not a budget record")

// encode returns the record as bytes: version, times, marks, the cells from the newest on, each as its distance from the
// one before in units of that one's width, and a checksum. It coarsens the cells first, which puts them on their grids.
func (r *record) encode() []byte {
	r.cells = r.cells.coarsen(r.last)
	b := make([]byte, 0, 64+4*len(r.cells))
	b = append(b, recordVersion)
	b = binary.AppendUvarint(b, uint64(r.last))
	b = binary.BigEndian.AppendUint32(b, r.epoch)
	b = binary.AppendUvarint(b, uint64(max(0, r.hold-r.last)))
	for _, m := range r.marks {
		left := uint64(max(0, m.until-r.last))
		b = binary.AppendUvarint(b, left)
		if left > 0 {
			b = binary.BigEndian.AppendUint32(b, m.owner)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(r.cells)))
	var newer int64
	for i, c := range slices.Backward(r.cells) {
		if i == len(r.cells)-1 {
			b = binary.AppendVarint(b, r.last-c.at) // the newest may be ahead of the last write
		} else {
			b = binary.AppendUvarint(b, uint64((newer-c.at)/width(r.last-newer)))
		}
		newer = c.at
		// The lowest bit says whether some of the permits are the sweep's.
		if c.sweeps == 0 {
			b = binary.AppendUvarint(b, uint64(c.count)<<1)
		} else {
			b = binary.AppendUvarint(b, uint64(c.count)<<1|1)
			b = binary.AppendUvarint(b, uint64(c.sweeps))
		}
	}
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// decodeRecord reads what encode wrote. Its errors match errRecord.
func decodeRecord(b []byte) (*record, error) {
	if len(b) < 1+crc32.Size {
		return nil, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	body, sum := b[:len(b)-crc32.Size], b[len(b)-crc32.Size:]
	if body[0] != recordVersion {
		return nil, fmt.Errorf("%w: version %d", errRecord, body[0])
	}
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(sum) {
		return nil, fmt.Errorf("%w: checksum differs", errRecord)
	}
	d := decoder{rest: body[1:]}
	r := &record{last: int64(d.uvarint(maxTime)), epoch: d.uint32()}
	if n := d.uvarint(maxTime); n > 0 {
		r.hold = r.last + int64(n)
	}
	for i := range r.marks {
		if left := d.uvarint(maxTime); left > 0 {
			r.marks[i] = mark{owner: d.uint32(), until: r.last + int64(left)}
		}
	}
	r.cells = d.cells(r.last)
	if d.bad || len(d.rest) > 0 {
		return nil, fmt.Errorf("%w: malformed", errRecord)
	}
	return r, nil
}

// decoder reads the parts of a record; after the first that is malformed it only returns zeros.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) fail() { d.bad, d.rest = true, nil }

func (d *decoder) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > limit {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 || v > maxTime || v < -maxTime {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) uint32() uint32 {
	if len(d.rest) < 4 {
		d.fail()
		return 0
	}
	v := binary.BigEndian.Uint32(d.rest)
	d.rest = d.rest[4:]
	return v
}

func (d *decoder) cells(last int64) history {
	n := int(d.uvarint(maxCells))
	if d.bad || n == 0 {
		return nil
	}
	h := make(history, n, n+4)
	at := last - d.varint()
	for i := n - 1; i >= 0; i-- {
		if i < n-1 {
			step := int64(d.uvarint(maxTime)) * width(last-at)
			if step <= 0 {
				d.fail()
			}
			at -= step
		}
		v := d.uvarint(maxCount)
		c := cell{at: at, count: int(v >> 1)}
		if v&1 == 1 {
			c.sweeps = int(d.uvarint(maxCount))
		}
		if c.count == 0 || c.sweeps > c.count || at <= 0 {
			d.fail()
		}
		if d.bad {
			return nil
		}
		h[i] = c
	}
	return h
}
