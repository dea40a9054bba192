package city

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestTileID(t *testing.T) {
	tests := []struct {
		z    uint8
		x, y uint32
		id   uint64
	}{
		{0, 0, 0, 0}, {1, 0, 0, 1}, {1, 0, 1, 2}, {1, 1, 1, 3}, {1, 1, 0, 4}, {2, 0, 0, 5}, {2, 1, 1, 7}, {2, 3, 0, 20},
		{3, 0, 0, 21}, {12, 3423, 1763, 19078479},
	}
	for _, tt := range tests {
		if got := tileID(tt.z, tt.x, tt.y); got != tt.id {
			t.Errorf("tile %d/%d/%d: got id %d, want %d", tt.z, tt.x, tt.y, got, tt.id)
		}
	}
	// Every tile of a zoom has an id of its own, without gaps, and neighbours on the curve are neighbours on the map.
	next := uint64(0)
	for z := range uint8(8) {
		n := uint32(1) << z
		at := make([][2]uint32, n*n)
		for x := range n {
			for y := range n {
				id := tileID(z, x, y)
				if id < next || id >= next+uint64(n*n) {
					t.Fatalf("tile %d/%d/%d: id %d lies outside its zoom", z, x, y, id)
				}
				at[id-next] = [2]uint32{x, y}
			}
		}
		for i := 1; i < len(at); i++ {
			dx, dy := int(at[i][0])-int(at[i-1][0]), int(at[i][1])-int(at[i-1][1])
			if dx*dx+dy*dy != 1 {
				t.Fatalf("zoom %d: ids %d and %d are %v and %v, no neighbours", z, i-1, i, at[i-1], at[i])
			}
		}
		next += uint64(n * n)
	}
}

type numberedTile struct {
	z    uint8
	x, y uint32
	body []byte
}

// archiveOf writes tiles to a file and opens it.
func archiveOf(t testing.TB, tiles map[uint64]numberedTile, ids []uint64) (*archive, string) {
	t.Helper()
	dir := t.TempDir()
	w, err := newPMWriter(filepath.Join(dir, "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, id := range ids {
		if err := w.add(id, tiles[id].body); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "a.pmtiles")
	head := pmHeader{maxZoom: 14, bbox: [4]float64{-75.8, 39.58, -75.4, 39.85}, centre: [2]float64{-75.5466, 39.7447}, centreZoom: 12}
	if err := w.finish(path, head, map[string]any{"name": "test", "attribution": Attribution}); err != nil {
		t.Fatal(err)
	}
	a, f, err := openArchiveFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return a, path
}

func TestArchiveRoundTrip(t *testing.T) {
	for name, tt := range map[string]struct {
		tiles  int
		leaves bool
	}{"no tile": {0, false}, "one tile": {1, false}, "a town": {2000, false}, "a country, with leaf directories": {30_000, true}} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, uint64(tt.tiles)))
			tiles := map[uint64]numberedTile{}
			for len(tiles) < tt.tiles {
				// Mostly one crowded zoom, with holes; bodies repeat, as those of an empty sea do.
				z := uint8(14)
				if r.IntN(10) == 0 {
					z = uint8(r.IntN(15))
				}
				n := uint32(1) << z
				x, y := r.Uint32N(min(n, 700)), r.Uint32N(min(n, 700))
				body := fmt.Appendf(nil, "body %d", r.IntN(tt.tiles))
				if r.IntN(3) == 0 {
					body = []byte("sea")
				}
				tiles[tileID(z, x, y)] = numberedTile{z, x, y, body}
			}
			ids := make([]uint64, 0, len(tiles))
			for id := range tiles {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			a, _ := archiveOf(t, tiles, ids)
			if got := a.head.leafLength > 0; got != tt.leaves {
				t.Fatalf("leaf directories: got %v, want %v", got, tt.leaves)
			}
			if a.head.tiles != uint64(tt.tiles) || a.head.entries > a.head.tiles || a.head.bodies > a.head.entries {
				t.Errorf("header counts %d tiles, %d entries, %d bodies of %d tiles", a.head.tiles, a.head.entries, a.head.bodies, tt.tiles)
			}
			if a.head.bbox != [4]float64{-75.8, 39.58, -75.4, 39.85} || a.head.centre != [2]float64{-75.5466, 39.7447} {
				t.Errorf("header says bbox %v, centre %v", a.head.bbox, a.head.centre)
			}
			for _, tile := range tiles {
				got, ok, err := a.tile(tile.z, tile.x, tile.y)
				if err != nil || !ok || !bytes.Equal(got, tile.body) {
					t.Fatalf("tile %d/%d/%d: got %q, %v, %v, want %q", tile.z, tile.x, tile.y, got, ok, err, tile.body)
				}
			}
			for range 2000 {
				z := uint8(r.IntN(16))
				x, y := r.Uint32N(1<<z+2), r.Uint32N(1<<z+2)
				_, want := tiles[tileID(z, x, y)]
				want = want && x < 1<<z && y < 1<<z
				if _, ok, err := a.tile(z, x, y); ok != want || err != nil {
					t.Fatalf("tile %d/%d/%d: got %v, %v, want %v", z, x, y, ok, err, want)
				}
			}
			if m, err := a.metadata(); err != nil || m["attribution"] != Attribution {
				t.Errorf("metadata: got %v, %v", m, err)
			}
		})
	}
}

func TestRunsAndRepeats(t *testing.T) {
	w, err := newPMWriter(filepath.Join(t.TempDir(), "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, tile := range []struct {
		id   uint64
		body string
	}{{5, "sea"}, {6, "sea"}, {7, "sea"}, {8, "land"}, {9, "sea"}, {11, "sea"}} {
		if err := w.add(tile.id, []byte(tile.body)); err != nil {
			t.Fatal(err)
		}
	}
	want := []entry{{5, 0, 3, 3}, {8, 3, 4, 1}, {9, 0, 3, 1}, {11, 0, 3, 1}}
	if fmt.Sprint(w.entries) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", w.entries, want)
	}
	if w.offset != 7 {
		t.Errorf("%d bytes of bodies were written, want 7: each body once", w.offset)
	}
}

func TestDirectoryRefuses(t *testing.T) {
	u := func(vs ...uint64) (b []byte) {
		for _, v := range vs {
			b = binary.AppendUvarint(b, v)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":                          {},
		"more entries than bytes":          u(1<<40, 1, 1, 1, 1),
		"cut off":                          u(2, 1, 1, 1, 1, 1),
		"an id twice":                      u(2, 1, 0, 1, 1, 5, 5, 1, 6),
		"ids that overflow":                u(2, 1<<63, 1<<63, 1, 1, 5, 5, 1, 6),
		"a body of no bytes":               u(1, 1, 1, 0, 1),
		"a run that passes 32 bits":        u(1, 1, 1<<33, 1, 1),
		"a first offset that follows none": u(1, 1, 1, 5, 0),
		"offsets that overflow":            u(2, 1, 1, 1, 1, 5, 5, 1<<63+9, 0),
	} {
		if got, err := parseDirectory(b); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

// A file with any one bit flipped is refused or read without a panic, and never gives a tile
// outside of itself.
func TestArchiveDamaged(t *testing.T) {
	tiles, ids := map[uint64]numberedTile{}, []uint64{}
	for x := range uint32(16) {
		id := tileID(4, x, 3)
		tiles[id] = numberedTile{4, x, 3, fmt.Appendf(nil, "tile %d", x)}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	_, path := archiveOf(t, tiles, ids)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(whole) * 8 {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		useArchive(b)
	}
	for n := range len(whole) {
		useArchive(whole[:n])
	}
}

func useArchive(b []byte) {
	a, err := openArchive(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return
	}
	for _, t := range [][3]uint32{{0, 0, 0}, {4, 3, 3}, {4, 15, 3}, {14, 4000, 6000}, {26, 1, 1}, {31, 5, 5}, {255, 1, 1}} {
		_, _, _ = a.tile(uint8(t[0]), t[1], t[2])
	}
	_, _ = a.metadata()
}

// leafLoop is a file whose leaf directory leads to itself.
func leafLoop(t testing.TB) []byte {
	t.Helper()
	leaf, err := gzipped(appendDirectory(nil, []entry{{id: 0, offset: 0, length: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	// The length in the entry is that of the leaf itself; it fits in a byte, so the size does not change.
	leaf, err = gzipped(appendDirectory(nil, []entry{{id: 0, offset: 0, length: uint32(len(leaf))}}))
	if err != nil {
		t.Fatal(err)
	}
	h := pmHeader{rootOffset: pmHeaderBytes, rootLength: uint64(len(leaf)), leafOffset: pmHeaderBytes, leafLength: uint64(len(leaf)),
		metaOffset: pmHeaderBytes, dataOffset: pmHeaderBytes, maxZoom: 14}
	return append(h.bytes(), leaf...)
}

func TestLeafLoopEnds(t *testing.T) {
	b := leafLoop(t)
	a, err := openArchive(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := a.tile(3, 1, 1); ok || err == nil {
		t.Errorf("got %v, %v, want an error: the leaf leads to itself", ok, err)
	}
}

func FuzzArchive(f *testing.F) {
	tiles := map[uint64]numberedTile{1: {1, 0, 0, []byte("a")}, 2: {1, 0, 1, []byte("b")}}
	_, path := archiveOf(f, tiles, []uint64{1, 2})
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(leafLoop(f))
	f.Fuzz(func(t *testing.T, b []byte) { useArchive(b) })
}

// FuzzDirectory: parse never panics, and what it accepts is encoded and parsed back the same.
func FuzzDirectory(f *testing.F) {
	f.Add(appendDirectory(nil, []entry{{5, 0, 3, 3}, {8, 3, 4, 1}, {9, 0, 3, 0}}))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := parseDirectory(b)
		if err != nil {
			return
		}
		again, err := parseDirectory(appendDirectory(nil, entries))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(entries) {
			t.Fatalf("got %v, %v, want %v", again, err, entries)
		}
	})
}
