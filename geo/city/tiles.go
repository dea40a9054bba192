package city

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/clip"
	"github.com/paulmach/orb/encoding/mvt"
	"github.com/paulmach/orb/geojson"
	"github.com/paulmach/orb/maptile"
	"github.com/paulmach/orb/simplify"
)

// layerID numbers the layers of a tile in the order in which they lie in it.
type layerID uint8

const (
	layerSea layerID = iota
	layerLand
	layerWater
	layerWaterway
	layerBuilding
	layerBoundary
	layerCoast
	layerRail
	layerRoad
	layerPlace
	layerPOI
	layerMask
	layerCount
	layerNone = layerCount
)

var layerNames = [layerCount]string{"sea", "land", "water", "waterway", "building", "boundary", "coast", "rail", "road", "place", "poi", "mask"}

// layerFields is the schema, for the metadata of the tile file.
var layerFields = [layerCount]map[string]string{
	layerSea:      {},
	layerLand:     named("kind", "String"),
	layerWater:    named("kind", "String"),
	layerWaterway: named("kind", "String", "tunnel", "Number", "intermittent", "Number"),
	layerBuilding: {"levels": "Number"},
	layerBoundary: {"level": "Number", "maritime": "Number"},
	layerCoast:    {},
	layerRail:     {"kind": "String", "service": "Number", "bridge": "Number", "tunnel": "Number"},
	layerRoad: named("kind", "String", "rank", "Number", "link", "Number", "bridge", "Number", "tunnel", "Number", "ref", "String",
		"oneway", "Number", "private", "Number", "layer", "Number"),
	layerPlace: named("kind", "String", "rank", "Number", "pop", "Number"),
	layerPOI:   named("kind", "String", "id", "String"),
	layerMask:  {},
}

func named(pairs ...string) map[string]string {
	m := map[string]string{"name": "String", "name_fa": "String", "name_zh": "String", "name_en": "String"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

const (
	tileZoomMax = 14
	tileExtent  = 4096
	// tileBuffer is how far lines and areas reach over the edge of a tile, so that no seam shows: 8 pixels.
	tileBuffer = 64
	// A pixel of a 512-pixel tile, in tile units.
	tilePixel = tileExtent / 512
)

// feature is something on the map, in Mercator units of the whole world.
type feature struct {
	layer      layerID
	zoom       int // the lowest at which it shows
	geometry   orb.Geometry
	bound      orb.Bound
	properties []property
}

// property shows from a zoom on.
type property struct {
	key   string
	value any
	zoom  int
}

func (n names) properties(zoom int) []property {
	var ps []property
	for _, p := range [...]property{{"name", n.Local, zoom}, {"name_en", n.EN, zoom}, {"name_fa", n.FA, zoom}, {"name_zh", n.ZH, zoom}} {
		if p.value != "" {
			ps = append(ps, p)
		}
	}
	return ps
}

// add puts something given in degrees on the map, clipped to it.
func (b *builder) add(layer layerID, zoom int, g orb.Geometry, properties ...property) {
	b.addClipped(layer, zoom, g, b.mapBound, properties)
}

func (b *builder) addClipped(layer layerID, zoom int, g orb.Geometry, box orb.Bound, properties []property) {
	m := clip.Geometry(box, mapPoints(g, mercator))
	if m == nil || isEmpty(m) {
		return
	}
	b.features = append(b.features, feature{layer, zoom, m, m.Bound(), properties})
}

func isEmpty(g orb.Geometry) bool {
	switch g := g.(type) {
	case orb.LineString:
		return len(g) < 2
	case orb.MultiLineString:
		return len(g) == 0
	case orb.Polygon:
		return len(g) == 0
	case orb.MultiPolygon:
		return len(g) == 0
	}
	return false
}

// piece is what of a feature lies in one tile, in tile units.
type piece struct {
	feature  int
	geometry orb.Geometry
}

type tileKey struct{ x, y uint32 }

// tileRange is the tiles of a zoom that touch the map.
func tileRange(b orb.Bound, zoom int) (lo, hi tileKey) {
	n := float64(uint32(1) << zoom)
	index := func(v float64) uint32 { return uint32(math.Max(0, math.Min(n-1, math.Floor(v*n)))) }
	return tileKey{index(b.Min[0]), index(b.Min[1])}, tileKey{index(b.Max[0]), index(b.Max[1])}
}

// writeTiles cuts all features into tiles and hands them to the writer in the order of their ids.
func (b *builder) writeTiles(ctx context.Context, w *pmWriter) error {
	// Draw large areas before the small ones that lie on them.
	slices.SortStableFunc(b.features, func(a, c feature) int {
		if a.layer != c.layer {
			return cmp.Compare(a.layer, c.layer)
		}
		if a.layer == layerLand || a.layer == layerWater {
			return -cmp.Compare(area(multi(a.geometry)), area(multi(c.geometry)))
		}
		return 0
	})
	for zoom := range tileZoomMax + 1 {
		if err := b.writeZoom(ctx, w, zoom); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) writeZoom(ctx context.Context, w *pmWriter, zoom int) error {
	// Cut, a chunk of features at a time; chunks are put together in their order, so that the
	// result does not depend on who finished first.
	const chunk = 512
	chunks := make([]map[tileKey][]piece, (len(b.features)+chunk-1)/chunk)
	parallel(len(chunks), func(i int) {
		into := map[tileKey][]piece{}
		for f := i * chunk; f < min(len(b.features), (i+1)*chunk); f++ {
			b.cut(f, zoom, into)
		}
		chunks[i] = into
	})
	tiles := map[tileKey][]piece{}
	for _, c := range chunks {
		for k, ps := range c {
			tiles[k] = append(tiles[k], ps...)
		}
	}
	type numbered struct {
		id  uint64
		key tileKey
	}
	order := make([]numbered, 0, len(tiles))
	for k := range tiles {
		order = append(order, numbered{tileID(uint8(zoom), k.x, k.y), k})
	}
	slices.SortFunc(order, func(a, b numbered) int { return cmp.Compare(a.id, b.id) })

	// Encode a batch at a time and write it in order.
	const batch = 256
	bodies, errs := make([][]byte, batch), make([]error, batch)
	for start := 0; start < len(order); start += batch {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("write tiles: %w", err)
		}
		part := order[start:min(len(order), start+batch)]
		parallel(len(part), func(i int) {
			bodies[i], errs[i] = b.encode(tiles[part[i].key], zoom)
		})
		for i, t := range part {
			if errs[i] != nil {
				return fmt.Errorf("encode tile %d/%d/%d: %w", zoom, t.key.x, t.key.y, errs[i])
			}
			if bodies[i] == nil {
				continue
			}
			if n := len(bodies[i]); n > b.report.LargestTile.Bytes {
				b.report.LargestTile = TileSize{fmt.Sprintf("%d/%d/%d", zoom, t.key.x, t.key.y), n}
			}
			if err := w.add(t.id, bodies[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// parallel calls f for 0 to n-1 on all processors and waits.
func parallel(n int, f func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// cut simplifies a feature for a zoom and cuts it into the tiles that it touches.
func (b *builder) cut(index, zoom int, into map[tileKey][]piece) {
	f := &b.features[index]
	if zoom < f.zoom {
		return
	}
	scale := math.Ldexp(tileExtent, zoom)
	lo, hi := tileRange(b.mapBound, zoom)
	if p, ok := f.geometry.(orb.Point); ok {
		t := maptile.Tile{X: uint32(p[0] * scale / tileExtent), Y: uint32(p[1] * scale / tileExtent)}
		at := orb.Point{math.Floor(p[0]*scale - float64(t.X)*tileExtent), math.Floor(p[1]*scale - float64(t.Y)*tileExtent)}
		into[tileKey{t.X, t.Y}] = append(into[tileKey{t.X, t.Y}], piece{index, at})
		return
	}
	size := math.Max(f.bound.Max[0]-f.bound.Min[0], f.bound.Max[1]-f.bound.Min[1]) * scale
	areal := multi(f.geometry) != nil
	if areal && zoom < tileZoomMax && f.layer != layerMask {
		least := 2.0 * tilePixel // smaller is a speck
		if f.layer == layerBuilding {
			least = tilePixel / 2
		}
		if size < least {
			return
		}
	}
	g := mapPoints(f.geometry, func(p orb.Point) orb.Point { return orb.Point{p[0] * scale, p[1] * scale} })
	tolerance := 0.35 * tilePixel
	if zoom == tileZoomMax { // screens draw these tiles up to any zoom
		tolerance = 0.5
	}
	g = simplify.DouglasPeucker(tolerance).Simplify(g)

	bound := g.Bound()
	index32 := func(v float64, lo, hi uint32) uint32 {
		return uint32(math.Max(float64(lo), math.Min(float64(hi), math.Floor(v/tileExtent))))
	}
	x0, x1 := index32(bound.Min[0]-tileBuffer, lo.x, hi.x), index32(bound.Max[0]+tileBuffer, lo.x, hi.x)
	y0, y1 := index32(bound.Min[1]-tileBuffer, lo.y, hi.y), index32(bound.Max[1]+tileBuffer, lo.y, hi.y)
	span := func(i uint32) (float64, float64) {
		return float64(i)*tileExtent - tileBuffer, float64(i+1)*tileExtent + tileBuffer
	}
	// By columns first: a coast of 50,000 points is gone through once a column, not once a tile.
	for x := x0; x <= x1; x++ {
		column := g
		left, right := span(x)
		if x0 != x1 {
			column = cutTo(orb.Bound{Min: orb.Point{left, bound.Min[1]}, Max: orb.Point{right, bound.Max[1]}}, g)
			if column == nil {
				continue
			}
		}
		for y := y0; y <= y1; y++ {
			top, bottom := span(y)
			part := cutTo(orb.Bound{Min: orb.Point{left, top}, Max: orb.Point{right, bottom}}, column)
			if part == nil {
				continue
			}
			ox, oy := float64(x)*tileExtent, float64(y)*tileExtent
			if part = snap(part, ox, oy); part != nil {
				into[tileKey{x, y}] = append(into[tileKey{x, y}], piece{index, part})
			}
		}
	}
}

// cutTo clips a copy: the clipper uses its input as scratch.
func cutTo(b orb.Bound, g orb.Geometry) orb.Geometry {
	gb := g.Bound()
	if !b.Intersects(gb) {
		return nil
	}
	if b.Contains(gb.Min) && b.Contains(gb.Max) {
		return g
	}
	c := clip.Geometry(b, orb.Clone(g))
	if c == nil || isEmpty(c) {
		return nil
	}
	return c
}

// snap moves a geometry to the integers of its tile, winds rings as the specification wants
// (bodies clockwise on the screen) and drops what is left of no size. It is nil when all is.
func snap(g orb.Geometry, ox, oy float64) orb.Geometry {
	round := func(ps []orb.Point) []orb.Point {
		out := make([]orb.Point, 0, len(ps))
		for _, p := range ps {
			q := orb.Point{math.Round(p[0] - ox), math.Round(p[1] - oy)}
			if n := len(out); n == 0 || out[n-1] != q {
				out = append(out, q)
			}
		}
		return out
	}
	polygon := func(p orb.Polygon) orb.Polygon {
		var out orb.Polygon
		left := 0.0
		for i, r := range p {
			ring := round(r)
			a := twiceArea(ring)
			if a == 0 || len(ring) < 4 {
				if i == 0 {
					return nil
				}
				continue
			}
			// With y down, a positive area is clockwise on the screen.
			if (a > 0) != (i == 0) {
				slices.Reverse(ring)
			}
			if i == 0 {
				left = math.Abs(a)
			} else {
				left -= math.Abs(a)
			}
			out = append(out, ring)
		}
		if left <= 0 { // the tile lies wholly in a hole
			return nil
		}
		return out
	}
	var lines orb.MultiLineString
	var polygons orb.MultiPolygon
	switch g := g.(type) {
	case orb.LineString:
		lines = append(lines, round(g))
	case orb.MultiLineString:
		for _, l := range g {
			lines = append(lines, round(l))
		}
	case orb.Polygon:
		polygons = append(polygons, polygon(g))
	case orb.MultiPolygon:
		for _, p := range g {
			polygons = append(polygons, polygon(p))
		}
	}
	lines = slices.DeleteFunc(lines, func(l orb.LineString) bool { return len(l) < 2 })
	polygons = slices.DeleteFunc(polygons, func(p orb.Polygon) bool { return len(p) == 0 })
	switch {
	case len(lines) > 0:
		return lines
	case len(polygons) > 0:
		return polygons
	}
	return nil
}

// encode makes the body of a tile: pieces of equal properties become one feature. It is nil when
// there is nothing to show.
func (b *builder) encode(pieces []piece, zoom int) ([]byte, error) {
	layers := make([]*mvt.Layer, layerCount)
	byKey := map[string]*geojson.Feature{}
	for _, p := range pieces {
		f := &b.features[p.feature]
		properties, key := f.at(zoom)
		_, isPoint := p.geometry.(orb.Point)
		if same, ok := byKey[key]; ok && !isPoint {
			switch g := p.geometry.(type) {
			case orb.MultiLineString:
				same.Geometry = append(same.Geometry.(orb.MultiLineString), g...)
			case orb.MultiPolygon:
				same.Geometry = append(same.Geometry.(orb.MultiPolygon), g...)
			}
			continue
		}
		if layers[f.layer] == nil {
			layers[f.layer] = &mvt.Layer{Name: layerNames[f.layer], Version: 2, Extent: tileExtent}
		}
		out := geojson.NewFeature(p.geometry)
		out.Properties = properties
		layers[f.layer].Features = append(layers[f.layer].Features, out)
		byKey[key] = out
	}
	for _, l := range layers {
		if l == nil {
			continue
		}
		for _, f := range l.Features {
			if lines, ok := f.Geometry.(orb.MultiLineString); ok {
				f.Geometry = joinLines(lines, f.Properties["oneway"] == nil && l.Name != layerNames[layerCoast] && l.Name != layerNames[layerWaterway])
			}
		}
	}
	layers = slices.DeleteFunc(layers, func(l *mvt.Layer) bool { return l == nil })
	if len(layers) == 0 {
		return nil, nil
	}
	body, err := mvt.Marshal(layers)
	if err != nil {
		return nil, err
	}
	return gzipped(body)
}

// at gives the properties that show at a zoom, and a text that is equal for features which may be one.
func (f *feature) at(zoom int) (geojson.Properties, string) {
	out := geojson.Properties{}
	var key strings.Builder
	key.WriteByte(byte(f.layer))
	for _, p := range f.properties {
		if zoom >= p.zoom {
			out[p.key] = p.value
			fmt.Fprintf(&key, "\x00%s\x00%v", p.key, p.value)
		}
	}
	return out, key.String()
}

// joinLines joins lines that meet end to end, so that a street which is mapped block by block has
// room for its name. Lines are turned round only where their direction means nothing.
func joinLines(lines orb.MultiLineString, turn bool) orb.MultiLineString {
	if len(lines) == 1 {
		return lines
	}
	// A crossing of more than two ends stays one: joining there would turn corners.
	ends := map[orb.Point][]int{}
	for i, l := range lines {
		ends[l[0]] = append(ends[l[0]], i)
		ends[l[len(l)-1]] = append(ends[l[len(l)-1]], i)
	}
	used := make([]bool, len(lines))
	grow := func(l orb.LineString) orb.LineString {
		for {
			end := l[len(l)-1]
			at := ends[end]
			if len(at) != 2 {
				return l
			}
			next := -1
			for _, i := range at {
				if !used[i] {
					next = i
				}
			}
			if next < 0 {
				return l
			}
			n := lines[next]
			if n[0] != end {
				if !turn {
					return l
				}
				n = reversedLine(n)
			}
			used[next] = true
			l = append(l, n[1:]...)
		}
	}
	var out orb.MultiLineString
	// First from ends where nothing can lead in, then what is left: loops.
	for _, loops := range [2]bool{false, true} {
		for i, l := range lines {
			if used[i] {
				continue
			}
			atStart, atEnd := ends[l[0]], ends[l[len(l)-1]]
			begins := len(atStart) != 2 || !turn && !slices.ContainsFunc(atStart, func(k int) bool { return k != i && lines[k][len(lines[k])-1] == l[0] })
			switch {
			case loops || begins:
				used[i] = true
				out = append(out, grow(slices.Clone(l)))
			case turn && len(atEnd) != 2:
				used[i] = true
				out = append(out, grow(reversedLine(l)))
			}
		}
	}
	return out
}
