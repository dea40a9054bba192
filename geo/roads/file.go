package roads

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// The file, little-endian:
//
//	magic "RASADRDS", version u32, number of sections u32
//	for each section: tag (4 bytes), zero (4 bytes), offset u64, length u64
//	the sections
//	SHA-256 of everything before it
//
// A reader passes over sections it does not know, so a later version may add some (restrictions,
// a hierarchy) without a new number; the number changes when one of these changes:
//
//	NODE  lon i32, lat i32, core u8                         by node
//	FRST  u32                                               by node, one more: its first edge
//	EDGE  to u32, segment u32 (highest bit: b to a), seconds f32
//	SEGM  a u32, b u32, metres f32, name u32, way i64, class u8, flags u8
//	SHPF  u32                                               by segment, one more: its first bend
//	SHAP  lon i32, lat i32                                  bends
//	NAME  five strings each (local fa zh en ref): u32 length, UTF-8

// Version is the version of the file format that this package writes and the newest that it reads.
const Version = 1

const (
	magic       = "RASADRDS"
	headBytes   = 16
	tableBytes  = 24
	nodeBytes   = 9
	edgeBytes   = 12
	segBytes    = 26
	sectionsMax = 64
)

// ErrCorrupt is wrapped by what [Load] returns for bytes that are not a whole road graph.
var ErrCorrupt = errors.New("the road graph file is damaged")

// Write writes the graph. Equal graphs give equal bytes.
func Write(w io.Writer, g *Graph) error {
	le := binary.LittleEndian
	var node, frst, edges, segm, shpf, shap, name []byte
	for i, p := range g.nodes {
		node = le.AppendUint32(node, uint32(p.Lon))
		node = le.AppendUint32(node, uint32(p.Lat))
		var core byte
		if g.core[i] {
			core = 1
		}
		node = append(node, core)
	}
	for _, v := range g.first {
		frst = le.AppendUint32(frst, v)
	}
	for _, e := range g.edges {
		edges = le.AppendUint32(edges, e.to)
		edges = le.AppendUint32(edges, e.seg)
		edges = le.AppendUint32(edges, math.Float32bits(e.seconds))
	}
	for _, s := range g.segs {
		segm = le.AppendUint32(segm, s.a)
		segm = le.AppendUint32(segm, s.b)
		segm = le.AppendUint32(segm, math.Float32bits(s.metres))
		segm = le.AppendUint32(segm, s.name)
		segm = le.AppendUint64(segm, uint64(s.way))
		segm = append(segm, byte(s.class), byte(s.flags))
	}
	for _, v := range g.shapeFirst {
		shpf = le.AppendUint32(shpf, v)
	}
	for _, p := range g.shapes {
		shap = le.AppendUint32(shap, uint32(p.Lon))
		shap = le.AppendUint32(shap, uint32(p.Lat))
	}
	for _, n := range g.names {
		for _, s := range [...]string{n.Local, n.FA, n.ZH, n.EN, n.Ref} {
			name = le.AppendUint32(name, uint32(len(s)))
			name = append(name, s...)
		}
	}
	sections := []struct {
		tag  string
		body []byte
	}{{"NODE", node}, {"FRST", frst}, {"EDGE", edges}, {"SEGM", segm}, {"SHPF", shpf}, {"SHAP", shap}, {"NAME", name}}

	head := append([]byte(nil), magic...)
	head = le.AppendUint32(head, Version)
	head = le.AppendUint32(head, uint32(len(sections)))
	at := uint64(headBytes + tableBytes*len(sections))
	for _, s := range sections {
		head = append(head, s.tag...)
		head = le.AppendUint32(head, 0)
		head = le.AppendUint64(head, at)
		head = le.AppendUint64(head, uint64(len(s.body)))
		at += uint64(len(s.body))
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	if _, err := out.Write(head); err != nil {
		return fmt.Errorf("write road graph: %w", err)
	}
	for _, s := range sections {
		if _, err := out.Write(s.body); err != nil {
			return fmt.Errorf("write road graph: %w", err)
		}
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("write road graph: %w", err)
	}
	return nil
}

// Load reads a graph that [Write] wrote. The error wraps [ErrCorrupt] when the file is damaged
// or names the version when it is newer than this program.
func Load(path string) (*Graph, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load road graph: %w", err)
	}
	g, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("load road graph %s: %w", path, err)
	}
	return g, nil
}

func parse(b []byte) (*Graph, error) {
	if len(b) < headBytes+sha256.Size || string(b[:8]) != magic {
		return nil, fmt.Errorf("%w: not a road graph", ErrCorrupt)
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

// decode trusts nothing but the magic: a checksum proves that bytes are as written, not that
// whoever wrote them was right.
func decode(b []byte) (*Graph, error) {
	le := binary.LittleEndian
	n := le.Uint32(b[12:])
	if n > sectionsMax || uint64(len(b)) < headBytes+tableBytes*uint64(n) {
		return nil, fmt.Errorf("%w: section table", ErrCorrupt)
	}
	section := map[string][]byte{}
	for i := range n {
		row := b[headBytes+tableBytes*i:]
		off, length := le.Uint64(row[8:]), le.Uint64(row[16:])
		if off > uint64(len(b)) || length > uint64(len(b))-off {
			return nil, fmt.Errorf("%w: section %q lies outside the file", ErrCorrupt, row[:4])
		}
		section[string(row[:4])] = b[off : off+length]
	}
	rows := func(tag string, size int) (func() []byte, int, error) {
		s, ok := section[tag]
		if !ok || len(s)%size != 0 {
			return nil, 0, fmt.Errorf("%w: section %q", ErrCorrupt, tag)
		}
		return func() []byte { row := s[:size]; s = s[size:]; return row }, len(s) / size, nil
	}
	g := &Graph{}

	row, count, err := rows("NODE", nodeBytes)
	if err != nil {
		return nil, err
	}
	g.nodes, g.core = make([]LngLat, count), make([]bool, count)
	for i := range count {
		r := row()
		p := LngLat{int32(le.Uint32(r)), int32(le.Uint32(r[4:]))}
		if p.Lon < -180e7 || p.Lon > 180e7 || p.Lat < -90e7 || p.Lat > 90e7 {
			return nil, fmt.Errorf("%w: node %d lies nowhere", ErrCorrupt, i)
		}
		g.nodes[i], g.core[i] = p, r[8] != 0
	}

	if row, count, err = rows("EDGE", edgeBytes); err != nil {
		return nil, err
	}
	g.edges = make([]edge, count)
	for i := range g.edges {
		r := row()
		g.edges[i] = edge{le.Uint32(r), le.Uint32(r[4:]), math.Float32frombits(le.Uint32(r[8:]))}
	}
	if g.first, err = offsets(section["FRST"], len(g.nodes), len(g.edges), "FRST"); err != nil {
		return nil, err
	}

	name, ok := section["NAME"]
	if !ok {
		return nil, fmt.Errorf("%w: section \"NAME\"", ErrCorrupt)
	}
	for len(name) > 0 {
		var f [5]string
		for k := range f {
			if len(name) < 4 || uint64(len(name)-4) < uint64(le.Uint32(name)) {
				return nil, fmt.Errorf("%w: name %d", ErrCorrupt, len(g.names))
			}
			end := 4 + int(le.Uint32(name))
			f[k], name = string(name[4:end]), name[end:]
		}
		g.names = append(g.names, Names{f[0], f[1], f[2], f[3], f[4]})
	}

	if row, count, err = rows("SEGM", segBytes); err != nil {
		return nil, err
	}
	g.segs = make([]segment, count)
	for i := range g.segs {
		r := row()
		s := segment{a: le.Uint32(r), b: le.Uint32(r[4:]), metres: math.Float32frombits(le.Uint32(r[8:])),
			name: le.Uint32(r[12:]), way: int64(le.Uint64(r[16:])), class: Class(r[24]), flags: Flags(r[25])}
		if uint64(s.a) >= uint64(len(g.nodes)) || uint64(s.b) >= uint64(len(g.nodes)) ||
			uint64(s.name) >= uint64(len(g.names)) || s.class >= classCount || !(s.metres >= 0 && s.metres < math.MaxFloat32) {
			return nil, fmt.Errorf("%w: segment %d", ErrCorrupt, i)
		}
		g.segs[i] = s
	}

	if row, count, err = rows("SHAP", 8); err != nil {
		return nil, err
	}
	g.shapes = make([]LngLat, count)
	for i := range g.shapes {
		r := row()
		g.shapes[i] = LngLat{int32(le.Uint32(r)), int32(le.Uint32(r[4:]))}
	}
	if g.shapeFirst, err = offsets(section["SHPF"], len(g.segs), len(g.shapes), "SHPF"); err != nil {
		return nil, err
	}

	for n := range g.nodes {
		for i := g.first[n]; i < g.first[n+1]; i++ {
			e := g.edges[i]
			seg := e.seg &^ reversed
			if uint64(seg) >= uint64(len(g.segs)) || !(e.seconds > 0 && e.seconds < math.MaxFloat32) {
				return nil, fmt.Errorf("%w: edge %d", ErrCorrupt, i)
			}
			from, to := g.segs[seg].a, g.segs[seg].b
			if e.seg&reversed != 0 {
				from, to = to, from
			}
			if from != uint32(n) || to != e.to {
				return nil, fmt.Errorf("%w: edge %d does not lie on its segment", ErrCorrupt, i)
			}
		}
	}
	g.index()
	return g, nil
}

// offsets reads n+1 ascending offsets that end at total.
func offsets(b []byte, n, total int, tag string) ([]uint32, error) {
	if len(b) != 4*(n+1) {
		return nil, fmt.Errorf("%w: section %q", ErrCorrupt, tag)
	}
	out, last := make([]uint32, n+1), uint32(0)
	for i := range out {
		out[i] = binary.LittleEndian.Uint32(b[4*i:])
		if out[i] < last || i == 0 && out[i] != 0 {
			return nil, fmt.Errorf("%w: section %q", ErrCorrupt, tag)
		}
		last = out[i]
	}
	if uint64(last) != uint64(total) {
		return nil, fmt.Errorf("%w: section %q", ErrCorrupt, tag)
	}
	return out, nil
}
