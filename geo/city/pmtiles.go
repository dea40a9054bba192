package city

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
)

// PMTiles version 3: a header of 127 bytes, a root directory that ends within the first 16 KiB,
// JSON metadata, leaf directories, tile data in the order of their ids.
const (
	pmHeaderBytes  = 127
	pmRootBytesMax = 16384 - pmHeaderBytes
	pmGzip         = 2
	pmMVT          = 1
	pmZoomMax      = 26 // ids of deeper tiles do not fit where readers keep them
)

// tileID is the place of a tile on the Hilbert curves of all zooms, one after the other.
func tileID(z uint8, x, y uint32) uint64 {
	id := (uint64(1)<<(2*z) - 1) / 3
	for s := uint32(1) << z >> 1; s > 0; s >>= 1 {
		var rx, ry uint32
		if x&s != 0 {
			rx = 1
		}
		if y&s != 0 {
			ry = 1
		}
		id += uint64(s) * uint64(s) * uint64(3*rx^ry)
		x, y = x&(s-1), y&(s-1)
		if ry == 0 {
			if rx == 1 {
				x, y = s-1-x, s-1-y
			}
			x, y = y, x
		}
	}
	return id
}

// entry is a row of a directory: run tiles from id on that share one content, or, with run 0,
// a leaf directory for the ids from id on.
type entry struct {
	id, offset  uint64
	length, run uint32
}

// appendDirectory encodes a directory, not yet compressed.
func appendDirectory(b []byte, entries []entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(entries)))
	last := uint64(0)
	for _, e := range entries {
		b = binary.AppendUvarint(b, e.id-last)
		last = e.id
	}
	for _, e := range entries {
		b = binary.AppendUvarint(b, uint64(e.run))
	}
	for _, e := range entries {
		b = binary.AppendUvarint(b, uint64(e.length))
	}
	for i, e := range entries {
		if i > 0 && e.offset == entries[i-1].offset+uint64(entries[i-1].length) {
			b = append(b, 0) // follows the one before
		} else {
			b = binary.AppendUvarint(b, e.offset+1)
		}
	}
	return b
}

var errDirectory = errors.New("damaged tile directory")

// parseDirectory decodes what appendDirectory encoded; whatever else it is given is an error.
func parseDirectory(b []byte) ([]entry, error) {
	next := func() (uint64, error) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, errDirectory
		}
		b = b[n:]
		return v, nil
	}
	n, err := next()
	if err != nil || n > uint64(len(b)/4) { // four columns of at least a byte each
		return nil, errDirectory
	}
	entries := make([]entry, n)
	id := uint64(0)
	for i := range entries {
		d, err := next()
		if err != nil || i > 0 && d == 0 || d > math.MaxUint64-id {
			return nil, errDirectory
		}
		id += d
		entries[i].id = id
	}
	for i := range entries {
		v, err := next()
		if err != nil || v > math.MaxUint32 {
			return nil, errDirectory
		}
		entries[i].run = uint32(v)
	}
	for i := range entries {
		v, err := next()
		if err != nil || v == 0 || v > math.MaxUint32 {
			return nil, errDirectory
		}
		entries[i].length = uint32(v)
	}
	for i := range entries {
		v, err := next()
		switch {
		case err != nil || v == 0 && i == 0:
			return nil, errDirectory
		case v == 0:
			p := entries[i-1]
			if p.offset > math.MaxInt64 {
				return nil, errDirectory
			}
			entries[i].offset = p.offset + uint64(p.length)
		default:
			entries[i].offset = v - 1
		}
	}
	return entries, nil
}

// pmHeader is the fixed head of the file.
type pmHeader struct {
	rootOffset, rootLength uint64
	metaOffset, metaLength uint64
	leafOffset, leafLength uint64
	dataOffset, dataLength uint64
	tiles, entries, bodies uint64
	clustered              bool
	minZoom, maxZoom       uint8
	bbox                   [4]float64 // W,S,E,N
	centre                 [2]float64 // lon, lat
	centreZoom             uint8
}

func (h *pmHeader) bytes() []byte {
	b := make([]byte, 0, pmHeaderBytes)
	b = append(b, "PMTiles\x03"...)
	le := binary.LittleEndian
	for _, v := range [...]uint64{h.rootOffset, h.rootLength, h.metaOffset, h.metaLength, h.leafOffset,
		h.leafLength, h.dataOffset, h.dataLength, h.tiles, h.entries, h.bodies} {
		b = le.AppendUint64(b, v)
	}
	clustered := byte(0)
	if h.clustered {
		clustered = 1
	}
	b = append(b, clustered, pmGzip, pmGzip, pmMVT, h.minZoom, h.maxZoom)
	for _, v := range h.bbox {
		b = le.AppendUint32(b, uint32(int32(math.Round(v*1e7))))
	}
	b = append(b, h.centreZoom)
	for _, v := range h.centre {
		b = le.AppendUint32(b, uint32(int32(math.Round(v*1e7))))
	}
	return b
}

func parseHeader(b []byte, size uint64) (*pmHeader, error) {
	if len(b) < pmHeaderBytes || string(b[:7]) != "PMTiles" {
		return nil, errors.New("not a PMTiles file")
	}
	if b[7] != 3 {
		return nil, fmt.Errorf("PMTiles version %d, want 3", b[7])
	}
	le := binary.LittleEndian
	h := &pmHeader{clustered: b[96] == 1, minZoom: b[100], maxZoom: b[101], centreZoom: b[118]}
	for i, p := range [...]*uint64{&h.rootOffset, &h.rootLength, &h.metaOffset, &h.metaLength, &h.leafOffset,
		&h.leafLength, &h.dataOffset, &h.dataLength, &h.tiles, &h.entries, &h.bodies} {
		*p = le.Uint64(b[8+8*i:])
	}
	for i, s := range [...][2]uint64{{h.rootOffset, h.rootLength}, {h.metaOffset, h.metaLength},
		{h.leafOffset, h.leafLength}, {h.dataOffset, h.dataLength}} {
		if s[0] > size || s[1] > size-s[0] {
			return nil, fmt.Errorf("damaged PMTiles header: section %d lies outside the file", i)
		}
	}
	if b[97] != pmGzip || b[98] != pmGzip || b[99] != pmMVT {
		return nil, fmt.Errorf("PMTiles with compression %d, %d and tile type %d, want gzip and MVT", b[97], b[98], b[99])
	}
	if h.minZoom > h.maxZoom || h.maxZoom > pmZoomMax {
		return nil, fmt.Errorf("damaged PMTiles header: zooms %d to %d", h.minZoom, h.maxZoom)
	}
	for i := range h.bbox {
		h.bbox[i] = float64(int32(le.Uint32(b[102+4*i:]))) / 1e7
	}
	for i := range h.centre {
		h.centre[i] = float64(int32(le.Uint32(b[119+4*i:]))) / 1e7
	}
	return h, nil
}

// gzips keeps compressors: each has a megabyte of tables, far more than a tile.
var gzips = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant of the package
	}
	return w
}}

func gzipped(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzips.Get().(*gzip.Writer)
	defer gzips.Put(w)
	w.Reset(&out)
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// pmWriter writes a clustered PMTiles file. Tile bodies go to a file beside the final one as
// they come, so that memory holds only the directory.
type pmWriter struct {
	data    *os.File
	buf     *bufio.Writer
	offset  uint64
	entries []entry
	seen    map[[sha256.Size]byte]entry
	tiles   uint64
}

func newPMWriter(scratch string) (*pmWriter, error) {
	f, err := os.Create(scratch)
	if err != nil {
		return nil, fmt.Errorf("write tiles: %w", err)
	}
	return &pmWriter{data: f, buf: bufio.NewWriterSize(f, 1<<20), seen: map[[sha256.Size]byte]entry{}}, nil
}

// add takes the next tile, gzipped. Ids must ascend. A body that was there before is not
// written again, and one that repeats along the curve makes the last entry longer.
func (w *pmWriter) add(id uint64, body []byte) error {
	if n := len(w.entries); n > 0 && id < w.entries[n-1].id+uint64(w.entries[n-1].run) {
		panic(fmt.Sprintf("city: tile %d is added out of order", id))
	}
	w.tiles++
	sum := sha256.Sum256(body)
	e, ok := w.seen[sum]
	if !ok {
		e = entry{offset: w.offset, length: uint32(len(body))}
		if _, err := w.buf.Write(body); err != nil {
			return fmt.Errorf("write tiles: %w", err)
		}
		w.offset += uint64(len(body))
		w.seen[sum] = e
	}
	if n := len(w.entries); n > 0 {
		if last := &w.entries[n-1]; last.offset == e.offset && last.length == e.length && last.id+uint64(last.run) == id {
			last.run++
			return nil
		}
	}
	e.id, e.run = id, 1
	w.entries = append(w.entries, e)
	return nil
}

// directories encodes the root and, when that would pass rootMax bytes, leaves below it.
func directories(entries []entry, rootMax int) (root, leaves []byte, err error) {
	if root, err = gzipped(appendDirectory(nil, entries)); err != nil || len(root) <= rootMax {
		return root, nil, err
	}
	for size := 4096; ; size *= 2 {
		var top []entry
		leaves = leaves[:0]
		for i := 0; i < len(entries); i += size {
			leaf, err := gzipped(appendDirectory(nil, entries[i:min(i+size, len(entries))]))
			if err != nil {
				return nil, nil, err
			}
			top = append(top, entry{id: entries[i].id, offset: uint64(len(leaves)), length: uint32(len(leaf))})
			leaves = append(leaves, leaf...)
		}
		if root, err = gzipped(appendDirectory(nil, top)); err != nil || len(root) <= rootMax {
			return root, leaves, err
		}
	}
}

// finish writes the whole file to path. h needs its zooms, bbox and centre.
func (w *pmWriter) finish(path string, h pmHeader, metadata any) (err error) {
	meta, err := json.Marshal(metadata)
	if err != nil {
		return fmt.Errorf("write tiles: metadata: %w", err)
	}
	if meta, err = gzipped(meta); err != nil {
		return fmt.Errorf("write tiles: metadata: %w", err)
	}
	root, leaves, err := directories(w.entries, pmRootBytesMax)
	if err != nil {
		return fmt.Errorf("write tiles: directory: %w", err)
	}
	at := uint64(pmHeaderBytes)
	place := func(offset, length *uint64, n uint64) { *offset, *length = at, n; at += n }
	place(&h.rootOffset, &h.rootLength, uint64(len(root)))
	place(&h.metaOffset, &h.metaLength, uint64(len(meta)))
	place(&h.leafOffset, &h.leafLength, uint64(len(leaves)))
	place(&h.dataOffset, &h.dataLength, w.offset)
	h.tiles, h.entries, h.bodies, h.clustered = w.tiles, uint64(len(w.entries)), uint64(len(w.seen)), true

	if err := w.buf.Flush(); err != nil {
		return fmt.Errorf("write tiles: %w", err)
	}
	if _, err := w.data.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("write tiles: %w", err)
	}
	head := bytes.Join([][]byte{h.bytes(), root, meta, leaves}, nil)
	return writeFile(path, func(out io.Writer) error {
		if _, err := out.Write(head); err != nil {
			return err
		}
		_, err := io.Copy(out, w.data)
		return err
	})
}

// close drops the scratch file.
func (w *pmWriter) close() {
	w.data.Close()
	os.Remove(w.data.Name())
}

// writeFile writes a new file and syncs it.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	buf := bufio.NewWriterSize(f, 1<<20)
	err = write(buf)
	if err == nil {
		err = buf.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
