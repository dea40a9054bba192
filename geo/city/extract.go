package city

import (
	"cmp"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"sort"
	"strings"

	"github.com/paulmach/orb"
	"github.com/paulmach/osm"
	"github.com/paulmach/osm/osmpbf"
	"github.com/paulmach/osm/osmxml"

	"rasad/geo"
)

// extract is an OpenStreetMap file in memory, as small as its uses allow: 16 bytes a node.
type extract struct {
	ids    []int64 // of nodes, ascending
	places []geo.LngLat
	tagged []taggedNode
	ways   []way
	rels   []relation

	header  *orb.Bound // as the file says it was cut
	sum     string     // SHA-256 of the file
	badNode int        // nodes that lie nowhere
}

type taggedNode struct {
	id   int64
	at   geo.LngLat
	tags osm.Tags
}

type way struct {
	id   int64
	refs []int64
	tags osm.Tags
}

type relation struct {
	id      int64
	tags    osm.Tags
	members osm.Members
}

// readExtract reads .osm.pbf, .osm, .osm.bz2 and .osm.gz, its parts in any order.
func readExtract(ctx context.Context, path string) (*extract, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read extract: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	in := io.TeeReader(f, sum)

	x := &extract{}
	var scanner osm.Scanner
	name := strings.ToLower(path)
	switch {
	case strings.HasSuffix(name, ".pbf"):
		pbf := osmpbf.New(ctx, in, runtime.GOMAXPROCS(0))
		h, err := pbf.Header()
		if err != nil {
			pbf.Close()
			return nil, fmt.Errorf("read extract %s: %w", path, err)
		}
		if h != nil && h.Bounds != nil {
			x.header = &orb.Bound{Min: orb.Point{h.Bounds.MinLon, h.Bounds.MinLat}, Max: orb.Point{h.Bounds.MaxLon, h.Bounds.MaxLat}}
		}
		scanner = pbf
	case strings.HasSuffix(name, ".osm.bz2"):
		scanner = osmxml.New(ctx, bzip2.NewReader(in))
	case strings.HasSuffix(name, ".osm.gz"):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("read extract %s: %w", path, err)
		}
		scanner = osmxml.New(ctx, z)
	case strings.HasSuffix(name, ".osm"):
		scanner = osmxml.New(ctx, in)
	default:
		return nil, fmt.Errorf("read extract %s: the name must end in .osm.pbf, .osm, .osm.bz2 or .osm.gz", path)
	}
	defer scanner.Close()

	for scanner.Scan() {
		switch o := scanner.Object().(type) {
		case *osm.Node:
			at, err := geo.At(o.Lon, o.Lat)
			if err != nil {
				x.badNode++
				continue
			}
			x.ids = append(x.ids, int64(o.ID))
			x.places = append(x.places, at)
			if len(o.Tags) > 0 {
				x.tagged = append(x.tagged, taggedNode{int64(o.ID), at, o.Tags})
			}
		case *osm.Way:
			refs := make([]int64, len(o.Nodes))
			for i, n := range o.Nodes {
				refs[i] = int64(n.ID)
			}
			x.ways = append(x.ways, way{int64(o.ID), refs, o.Tags})
		case *osm.Relation:
			x.rels = append(x.rels, relation{int64(o.ID), o.Tags, o.Members})
		case *osm.Bounds:
			x.header = &orb.Bound{Min: orb.Point{o.MinLon, o.MinLat}, Max: orb.Point{o.MaxLon, o.MaxLat}}
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read extract %s: %w", path, err)
	}
	// The scanner stops at the end of its format, the checksum is of the file.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return nil, fmt.Errorf("read extract %s: %w", path, err)
	}
	x.sum = hex.EncodeToString(sum.Sum(nil))
	x.sort()
	return x, nil
}

// sort brings every list into the order of ids, so that what is built does not depend on the
// order of the file, and lookups can halve. Of a node that is there twice the last one counts.
func (x *extract) sort() {
	if !slices.IsSorted(x.ids) {
		sort.Stable(byID{x})
	}
	n := 0
	for i := range x.ids {
		if i+1 < len(x.ids) && x.ids[i+1] == x.ids[i] {
			continue
		}
		x.ids[n], x.places[n] = x.ids[i], x.places[i]
		n++
	}
	x.ids, x.places = x.ids[:n], x.places[:n]
	slices.SortStableFunc(x.tagged, func(a, b taggedNode) int { return cmp.Compare(a.id, b.id) })
	slices.SortStableFunc(x.ways, func(a, b way) int { return cmp.Compare(a.id, b.id) })
	slices.SortStableFunc(x.rels, func(a, b relation) int { return cmp.Compare(a.id, b.id) })
	x.tagged = slices.CompactFunc(x.tagged, func(a, b taggedNode) bool { return a.id == b.id })
	x.ways = slices.CompactFunc(x.ways, func(a, b way) bool { return a.id == b.id })
	x.rels = slices.CompactFunc(x.rels, func(a, b relation) bool { return a.id == b.id })
}

type byID struct{ x *extract }

func (s byID) Len() int           { return len(s.x.ids) }
func (s byID) Less(i, j int) bool { return s.x.ids[i] < s.x.ids[j] }
func (s byID) Swap(i, j int) {
	s.x.ids[i], s.x.ids[j] = s.x.ids[j], s.x.ids[i]
	s.x.places[i], s.x.places[j] = s.x.places[j], s.x.places[i]
}

// node finds the place of a node.
func (x *extract) node(id int64) (geo.LngLat, bool) {
	i, ok := slices.BinarySearch(x.ids, id)
	if !ok {
		return geo.LngLat{}, false
	}
	return x.places[i], true
}

// way finds a way.
func (x *extract) way(id int64) (*way, bool) {
	i, ok := slices.BinarySearchFunc(x.ways, id, func(w way, id int64) int { return cmp.Compare(w.id, id) })
	if !ok {
		return nil, false
	}
	return &x.ways[i], true
}

// line is the line of a way through the nodes that the file has.
func (x *extract) line(w *way) (line orb.LineString, whole bool) {
	line, whole = make(orb.LineString, 0, len(w.refs)), true
	for _, id := range w.refs {
		p, ok := x.node(id)
		if !ok {
			whole = false
			continue
		}
		q := point(p)
		if n := len(line); n == 0 || line[n-1] != q {
			line = append(line, q)
		}
	}
	return line, whole
}

// bound is the box of all nodes.
func (x *extract) bound() orb.Bound {
	b := orb.Bound{Min: orb.Point{math.Inf(1), math.Inf(1)}, Max: orb.Point{math.Inf(-1), math.Inf(-1)}}
	for _, p := range x.places {
		b = b.Extend(point(p))
	}
	return b
}

func point(p geo.LngLat) orb.Point {
	lon, lat := p.Degrees()
	return orb.Point{lon, lat}
}
