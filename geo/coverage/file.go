package coverage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"rasad/geo"
	"rasad/geo/roads"
)

// The file, little-endian; a string is its length as u32 and UTF-8:
//
//	magic "RASADDEM", version u32, level u32
//	basis, source                                           strings
//	number of zones u32, by zone: id, local, fa, zh, en     strings
//	number of cells u32, by cell: lng i32, lat i32, weight f64, zone i32 (-1 none)
//	SHA-256 of everything before it

// Version is the version of the file format that this package writes and reads.
const Version = 1

const (
	magic     = "RASADDEM"
	headBytes = 16
	cellBytes = 20
	zonesMax  = 1 << 16
)

// ErrCorrupt is wrapped by what [LoadDemand] returns for bytes that are not a whole demand file.
var ErrCorrupt = errors.New("the demand file is damaged")

// WriteDemand writes the demand. Equal demands give equal bytes.
func WriteDemand(w io.Writer, d *Demand) error {
	le := binary.LittleEndian
	b := append([]byte(nil), magic...)
	b = le.AppendUint32(b, Version)
	b = le.AppendUint32(b, uint32(d.Level))
	text := func(s string) {
		b = le.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	text(d.Basis)
	text(d.Source)
	b = le.AppendUint32(b, uint32(len(d.Zones)))
	for _, z := range d.Zones {
		for _, s := range [...]string{z.ID, z.Names.Local, z.Names.FA, z.Names.ZH, z.Names.EN} {
			text(s)
		}
	}
	b = le.AppendUint32(b, uint32(len(d.Cells)))
	for _, c := range d.Cells {
		b = le.AppendUint32(b, uint32(c.At.Lng))
		b = le.AppendUint32(b, uint32(c.At.Lat))
		b = le.AppendUint64(b, math.Float64bits(c.Weight))
		b = le.AppendUint32(b, uint32(c.Zone))
	}
	sum := sha256.Sum256(b)
	if _, err := w.Write(append(b, sum[:]...)); err != nil {
		return fmt.Errorf("write demand: %w", err)
	}
	return nil
}

// LoadDemand reads a demand that [WriteDemand] wrote. The error wraps [ErrCorrupt] when the file is
// damaged, or names the version when this program does not read it.
func LoadDemand(path string) (*Demand, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load demand: %w", err)
	}
	d, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("load demand %s: %w", path, err)
	}
	return d, nil
}

func parse(b []byte) (*Demand, error) {
	if len(b) < headBytes+sha256.Size || string(b[:8]) != magic {
		return nil, fmt.Errorf("%w: not a demand file", ErrCorrupt)
	}
	body := b[:len(b)-sha256.Size]
	if v := binary.LittleEndian.Uint32(b[8:]); v != Version {
		return nil, fmt.Errorf("version %d, this program reads %d: build the city again", v, Version)
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], b[len(body):]) {
		return nil, fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	return decode(body)
}

// reader takes a file apart. After the first thing that is not there it gives zeros and stays bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad = true
		return make([]byte, min(n, 8))
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }

func (r *reader) text() string {
	n := r.u32()
	if uint64(n) > uint64(len(r.b)) {
		r.bad = true
		return ""
	}
	return string(r.take(int(n)))
}

// decode trusts nothing but the magic: a checksum proves that bytes are as written, not that whoever
// wrote them was right.
func decode(b []byte) (*Demand, error) {
	r := &reader{b: b[12:]}
	level := r.u32()
	if level < levelMin || level > levelMax {
		return nil, fmt.Errorf("%w: squares of level %d", ErrCorrupt, level)
	}
	d := &Demand{Level: uint8(level), Basis: r.text(), Source: r.text()}
	if d.Basis != BasisPeople && d.Basis != BasisArea {
		return nil, fmt.Errorf("%w: basis %.20q", ErrCorrupt, d.Basis)
	}
	zones := r.u32()
	if zones > zonesMax {
		return nil, fmt.Errorf("%w: %d zones", ErrCorrupt, zones)
	}
	for range zones {
		z := Zone{ID: r.text()}
		z.Names = roads.Names{Local: r.text(), FA: r.text(), ZH: r.text(), EN: r.text()}
		if r.bad {
			return nil, fmt.Errorf("%w: zone %d", ErrCorrupt, len(d.Zones))
		}
		d.Zones = append(d.Zones, z)
	}
	cells := r.u32()
	if r.bad || uint64(len(r.b)) != uint64(cells)*cellBytes {
		return nil, fmt.Errorf("%w: %d cells in %d bytes", ErrCorrupt, cells, len(r.b))
	}
	d.Cells = make([]Cell, cells)
	var lastX, lastY uint32
	for i := range d.Cells {
		row := r.take(cellBytes)
		le := binary.LittleEndian
		c := Cell{At: geo.LngLat{Lng: int32(le.Uint32(row)), Lat: int32(le.Uint32(row[4:]))},
			Weight: math.Float64frombits(le.Uint64(row[8:])), Zone: int32(le.Uint32(row[16:]))}
		if c.At.Lng < -geo.LngMax || c.At.Lng > geo.LngMax || c.At.Lat < -geo.LatMax || c.At.Lat > geo.LatMax ||
			!(c.Weight >= 0 && c.Weight <= weightMax) || c.Zone < NoZone || int64(c.Zone) >= int64(zones) {
			return nil, fmt.Errorf("%w: cell %d", ErrCorrupt, i)
		}
		x, y := Square(c.At, d.Level)
		if y < lastY || y == lastY && x < lastX {
			return nil, fmt.Errorf("%w: cell %d stands out of order", ErrCorrupt, i)
		}
		lastX, lastY = x, y
		d.Cells[i] = c
	}
	return d, nil
}
