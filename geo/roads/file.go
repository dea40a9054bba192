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
	"slices"
	"strings"

	"rasad/geo"
)

// The file, little-endian:
//
//	magic "RASADRDS", version u32, number of sections u32
//	for each section: tag (4 bytes), zero (4 bytes), offset u64, length u64
//	the sections
//	SHA-256 of everything before it
//
// A reader keeps sections that it does not know for whoever asks ([Graph.Section]), so a later version
// may add some (a hierarchy) without a new number; the number changes when one of these changes:
//
//	NODE  lon i32, lat i32, core u8                         by node
//	FRST  u32                                               by node, one more: its first edge
//	EDGE  to u32, segment u32 (highest bit: b to a), seconds f32
//	FLAG  u8                                                by edge
//	SEGM  a u32, b u32, metres f32, name u32, way i64, class u8
//	SHPF  u32                                               by segment, one more: its first bend
//	SHAP  lon i32, lat i32                                  bends
//	NAME  five strings each (local fa zh en ref): u32 length, UTF-8
//	BANS  u32 length and that many u32 edges each, ascending

// Version is the version of the file format that this package writes and the only one that it reads.
const Version = 2

// Section is a part of the file that this format knows nothing of, such as a hierarchy that took long
// to make.
type Section struct {
	Name string // four ASCII characters
	Body []byte
}

var ownSections = [...]string{"NODE", "FRST", "EDGE", "FLAG", "SEGM", "SHPF", "SHAP", "NAME", "BANS"}

const (
	magic       = "RASADRDS"
	headBytes   = 16
	tableBytes  = 24
	nodeBytes   = 9
	edgeBytes   = 12
	segBytes    = 25
	sectionsMax = 64
)

// ErrCorrupt is wrapped by what [Load] returns for bytes that are not a whole road graph.
var ErrCorrupt = errors.New("the road graph file is damaged")

// Section is the body of a section of the file that the graph was loaded from, as it was written; false
// when there was none. It is not to be changed.
func (g *Graph) Section(name string) ([]byte, bool) {
	i := slices.IndexFunc(g.sections, func(s Section) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return g.sections[i].Body, true
}

// Write writes the graph with the sections that it was loaded with and more, which replace those of the
// same name. Equal graphs give equal bytes. It refuses a name that is not four printable ASCII characters or is
// one of the format's own.
func Write(w io.Writer, g *Graph, more ...Section) error {
	extra := slices.Clone(g.sections)
	for _, s := range more {
		if len(s.Name) != 4 || strings.ContainsFunc(s.Name, func(r rune) bool { return r <= ' ' || r > '~' }) || slices.Contains(ownSections[:], s.Name) {
			return fmt.Errorf("write road graph: section %q: want four ASCII characters and none of %v", s.Name, ownSections)
		}
		extra = append(slices.DeleteFunc(extra, func(o Section) bool { return o.Name == s.Name }), s)
	}
	slices.SortFunc(extra, func(a, b Section) int { return strings.Compare(a.Name, b.Name) })
	if len(ownSections)+len(extra) > sectionsMax {
		return fmt.Errorf("write road graph: %d sections, at most %d", len(ownSections)+len(extra), sectionsMax)
	}

	le := binary.LittleEndian
	var node, frst, edges, flags, segm, shpf, shap, name, bans []byte
	for i, p := range g.nodes {
		node = le.AppendUint32(node, uint32(p.Lng))
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
	for _, f := range g.flags {
		flags = append(flags, byte(f))
	}
	for _, s := range g.segs {
		segm = le.AppendUint32(segm, s.a)
		segm = le.AppendUint32(segm, s.b)
		segm = le.AppendUint32(segm, math.Float32bits(s.metres))
		segm = le.AppendUint32(segm, s.name)
		segm = le.AppendUint64(segm, uint64(s.way))
		segm = append(segm, byte(s.class))
	}
	for _, v := range g.shapeFirst {
		shpf = le.AppendUint32(shpf, v)
	}
	for _, p := range g.shapes {
		shap = le.AppendUint32(shap, uint32(p.Lng))
		shap = le.AppendUint32(shap, uint32(p.Lat))
	}
	for _, n := range g.names {
		for _, s := range [...]string{n.Local, n.FA, n.ZH, n.EN, n.Ref} {
			name = le.AppendUint32(name, uint32(len(s)))
			name = append(name, s...)
		}
	}
	for _, ban := range g.bans {
		bans = le.AppendUint32(bans, uint32(len(ban)))
		for _, e := range ban {
			bans = le.AppendUint32(bans, uint32(e))
		}
	}
	var sections []Section
	for i, body := range [...][]byte{node, frst, edges, flags, segm, shpf, shap, name, bans} {
		sections = append(sections, Section{ownSections[i], body})
	}
	sections = append(sections, extra...)

	head := append([]byte(nil), magic...)
	head = le.AppendUint32(head, Version)
	head = le.AppendUint32(head, uint32(len(sections)))
	at := uint64(headBytes + tableBytes*len(sections))
	for _, s := range sections {
		head = append(head, s.Name...)
		head = le.AppendUint32(head, 0)
		head = le.AppendUint64(head, at)
		head = le.AppendUint64(head, uint64(len(s.Body)))
		at += uint64(len(s.Body))
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	if _, err := out.Write(head); err != nil {
		return fmt.Errorf("write road graph: %w", err)
	}
	for _, s := range sections {
		if _, err := out.Write(s.Body); err != nil {
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
	g := &Graph{}
	for i := range n {
		row := b[headBytes+tableBytes*i:]
		off, length := le.Uint64(row[8:]), le.Uint64(row[16:])
		if off > uint64(len(b)) || length > uint64(len(b))-off {
			return nil, fmt.Errorf("%w: section %q lies outside the file", ErrCorrupt, row[:4])
		}
		name, body := string(row[:4]), b[off:off+length:off+length]
		if _, twice := section[name]; twice {
			return nil, fmt.Errorf("%w: section %q is there twice", ErrCorrupt, name)
		}
		section[name] = body
		if !slices.Contains(ownSections[:], name) {
			g.sections = append(g.sections, Section{name, bytes.Clone(body)}) // the rest of the file is not kept
		}
	}
	rows := func(tag string, size int) (func() []byte, int, error) {
		s, ok := section[tag]
		if !ok || len(s)%size != 0 {
			return nil, 0, fmt.Errorf("%w: section %q", ErrCorrupt, tag)
		}
		return func() []byte { row := s[:size]; s = s[size:]; return row }, len(s) / size, nil
	}

	row, count, err := rows("NODE", nodeBytes)
	if err != nil {
		return nil, err
	}
	g.nodes, g.core = make([]geo.LngLat, count), make([]bool, count)
	for i := range count {
		r := row()
		p := geo.LngLat{Lng: int32(le.Uint32(r)), Lat: int32(le.Uint32(r[4:]))}
		if p.Lng < -180e7 || p.Lng > 180e7 || p.Lat < -90e7 || p.Lat > 90e7 {
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
	flags := section["FLAG"]
	if len(flags) != count {
		return nil, fmt.Errorf("%w: section \"FLAG\"", ErrCorrupt)
	}
	g.flags = make([]Flags, count)
	for i, f := range flags {
		if g.flags[i] = Flags(f); g.flags[i] >= flagsEnd {
			return nil, fmt.Errorf("%w: edge %d has unknown flags", ErrCorrupt, i)
		}
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
			name: le.Uint32(r[12:]), way: int64(le.Uint64(r[16:])), class: Class(r[24])}
		if uint64(s.a) >= uint64(len(g.nodes)) || uint64(s.b) >= uint64(len(g.nodes)) ||
			uint64(s.name) >= uint64(len(g.names)) || s.class >= classCount || !(s.metres >= 0 && s.metres < math.MaxFloat32) {
			return nil, fmt.Errorf("%w: segment %d", ErrCorrupt, i)
		}
		g.segs[i] = s
	}

	if row, count, err = rows("SHAP", 8); err != nil {
		return nil, err
	}
	g.shapes = make([]geo.LngLat, count)
	for i := range g.shapes {
		r := row()
		g.shapes[i] = geo.LngLat{Lng: int32(le.Uint32(r)), Lat: int32(le.Uint32(r[4:]))}
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
	if g.bans, err = bansOf(g, section["BANS"]); err != nil {
		return nil, err
	}
	return g, nil
}

// bansOf reads the bans and checks that each is a way that one could drive.
func bansOf(g *Graph, b []byte) ([][]EdgeID, error) {
	le := binary.LittleEndian
	var bans [][]EdgeID
	for len(b) > 0 {
		if len(b) < 4 || le.Uint32(b) < 2 || uint64(len(b)) < 4+4*uint64(le.Uint32(b)) {
			return nil, fmt.Errorf("%w: ban %d", ErrCorrupt, len(bans))
		}
		ban := make([]EdgeID, le.Uint32(b))
		b = b[4:]
		for i := range ban {
			ban[i], b = EdgeID(le.Uint32(b)), b[4:]
			if uint64(ban[i]) >= uint64(len(g.edges)) || i > 0 && g.Edge(ban[i]).From != g.Edge(ban[i-1]).To {
				return nil, fmt.Errorf("%w: ban %d", ErrCorrupt, len(bans))
			}
		}
		if len(bans) > 0 && slices.Compare(bans[len(bans)-1], ban) >= 0 {
			return nil, fmt.Errorf("%w: ban %d", ErrCorrupt, len(bans))
		}
		bans = append(bans, ban)
	}
	return bans, nil
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
