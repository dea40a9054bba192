package city

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/clip"
	"github.com/paulmach/osm"

	"rasad/geo/coverage"
	"rasad/geo/roads"
)

// Options say what to build of what.
type Options struct {
	In       string      // .osm.pbf, .osm, .osm.bz2 or .osm.gz
	Out      string      // a folder; it is made when it is not there
	BBox     *[4]float64 // W,S,E,N in degrees; nil takes what the file says it holds
	Overlays []Overlay
	Name     string       // of the city; empty takes its greatest place
	TimeZone string       // IANA name; empty takes what OpenStreetMap says, if it does
	BytesMax int64        // the basemap may have; 0 is 4 GiB
	Log      *slog.Logger // one line a stage; nil is silent
}

const (
	basemapBytesMax = 4 << 30
	tilesMax        = 2_000_000 // at the deepest zoom: some 2,600 km by 2,600 km at the equator
	largestTileMax  = 2 << 20   // a wall's browser chokes on more
	seaSwallowsMax  = 0.01

	// What makes a boundary the edge of the extract. Measured: Geofabrik's Delaware has 96 % of its roads
	// and 94 % used squares inside, 50 % outside; its Andorra 99.7 %, 99.6 % and 50 %.
	coverageRoadsMin   = 0.95 // share of the road network inside
	coverageEmptyShare = 0.65 // share of used squares outside, at most so much of that inside
	coverageSquare     = 0.01 // degrees
)

// builder carries a build from stage to stage.
type builder struct {
	o      Options
	x      *extract
	over   *overlays
	report *Report

	clip     orb.Bound // degrees
	mapBound orb.Bound // the same in Mercator
	features []feature
	coasts   []orb.LineString
	sites    []*site
	places   []Place
	streets  []street
	houses   []orb.Point // one for each building
	admin    []boundaryArea
	built    []orb.MultiPolygon // areas that are mapped as built up
	sea      orb.MultiPolygon
	coverage orb.MultiPolygon
	zone     string
}

// boundaryArea is an administrative boundary that closes.
type boundaryArea struct {
	level    int
	area     orb.MultiPolygon
	timeZone string
}

func newBuilder(o Options) *builder {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &builder{o: o, report: &Report{
		Source: filepath.Base(o.In), Counts: map[string]int{}, Sites: map[string]int{}, Files: map[string]int64{},
		Took: map[string]string{}, skipped: map[[2]string]int{}, repaired: map[[2]string]int{}, started: time.Now()}}
}

// Build builds a city. The report is there even when a gate refuses, so that a person can see
// how far off it was; then the error wraps [ErrGate] and nothing in the folder has changed.
func Build(ctx context.Context, o Options) (*Report, error) {
	b := newBuilder(o)
	if o.TimeZone != "" {
		if _, err := time.LoadLocation(o.TimeZone); err != nil {
			return b.report, fmt.Errorf("build city: time zone: %w", err)
		}
	}
	err := b.build(ctx)
	b.report.Skipped, b.report.Repaired = notes(b.report.skipped), notes(b.report.repaired)
	if err != nil {
		return b.report, fmt.Errorf("build city of %s: %w", o.In, err)
	}
	return b.report, nil
}

func (b *builder) warn(format string, a ...any) {
	b.report.Warnings = append(b.report.Warnings, fmt.Sprintf(format, a...))
}

func (b *builder) skipped(what, why string)  { b.report.skipped[[2]string{what, why}]++ }
func (b *builder) repaired(what, why string) { b.report.repaired[[2]string{what, why}]++ }

func (b *builder) stage(name string, args ...any) {
	b.report.stage(name)
	b.o.Log.Info("city: "+name, append(args, "took", b.report.Took[name])...)
}

// Roads makes only the road graph of a city and writes nothing; the gates up to there are those of [Build]. A graph that
// a gate refuses is there all the same, with the error.
func Roads(ctx context.Context, o Options) (*roads.Graph, *Report, error) {
	b := newBuilder(o)
	graph, err := b.readRoads(ctx)
	b.report.Skipped, b.report.Repaired = notes(b.report.skipped), notes(b.report.repaired)
	if err != nil {
		return graph, b.report, fmt.Errorf("make roads of %s: %w", o.In, err)
	}
	return graph, b.report, nil
}

// readRoads reads what there is and makes the road graph of it.
func (b *builder) readRoads(ctx context.Context) (graph *roads.Graph, err error) {
	if b.over, err = readOverlays(b.o.Overlays); err != nil {
		return nil, err
	}
	for _, e := range b.over.refused {
		b.warn("%v", e)
	}
	if b.x, err = readExtract(ctx, b.o.In); err != nil {
		return nil, err
	}
	b.report.Counts["nodes"], b.report.Counts["ways"], b.report.Counts["relations"] = len(b.x.ids), len(b.x.ways), len(b.x.rels)
	if b.x.badNode > 0 {
		b.report.skipped[[2]string{"node", "lies nowhere on Earth"}] = b.x.badNode
	}
	b.stage("read", "nodes", len(b.x.ids), "ways", len(b.x.ways), "relations", len(b.x.rels))
	if err := b.frame(); err != nil {
		return nil, err
	}
	b.over.apply(b.x)
	b.collect()
	b.stage("collect", "features", len(b.features))
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	if graph, err = b.roadGraph(); err != nil {
		return nil, err
	}
	b.report.Counts["road nodes"], b.report.Counts["road edges"], b.report.Counts["road nodes connected"] = graph.NodeCount(), graph.EdgeCount(), graph.CoreCount()
	if err := b.gateRoads(graph); err != nil {
		return graph, err
	}
	b.stage("roads", "nodes", graph.NodeCount(), "edges", graph.EdgeCount())
	return graph, nil
}

func (b *builder) build(ctx context.Context) error {
	graph, err := b.readRoads(ctx)
	if err != nil {
		return err
	}
	if err := b.makeSea(graph); err != nil {
		return err
	}
	b.makeCoverage(graph)
	b.stage("sea and coverage")
	b.finishSites()
	b.finishPlaces()
	for _, r := range b.over.rows {
		if !r.used {
			b.warn("%v", r.refused("id %q is nothing that this extract has", r.id))
		}
	}
	b.addPoints()
	b.stage("sites and places", "sites", len(b.sites), "places", len(b.places))
	demand := b.makeDemand()
	b.stage("demand", "cells", len(demand.Cells), "zones", len(demand.Zones))
	return b.write(ctx, graph, demand)
}

// frame decides the box of the map and refuses an extract that cannot fill it.
func (b *builder) frame() error {
	if err := b.report.gate("extract", len(b.x.ids) > 0 && len(b.x.ways) > 0,
		"%d nodes and %d ways; an empty extract is no city", len(b.x.ids), len(b.x.ways)); err != nil {
		return err
	}
	data := b.x.bound()
	switch {
	case b.o.BBox != nil:
		w, s, e, n := b.o.BBox[0], b.o.BBox[1], b.o.BBox[2], b.o.BBox[3]
		if err := b.report.gate("box", w < e && s < n && w >= -180 && e <= 180 && s >= -latMax && n <= latMax,
			"%g,%g,%g,%g; want W,S,E,N with W < E and S < N, latitudes within ±85.05; a box over the antimeridian must be built as two", w, s, e, n); err != nil {
			return err
		}
		b.clip = orb.Bound{Min: orb.Point{w, s}, Max: orb.Point{e, n}}
	case b.x.header != nil && b.x.header.Max[0] > b.x.header.Min[0] && b.x.header.Max[1] > b.x.header.Min[1]:
		b.clip = *b.x.header
	default:
		b.clip = data
	}
	inside := 0
	for _, p := range b.x.places {
		if b.clip.Contains(point(p)) {
			inside++
		}
	}
	if err := b.report.gate("data", inside > 0, "%d of %d nodes lie in the box %s; the data lie in %s",
		inside, len(b.x.ids), boundText(b.clip), boundText(data)); err != nil {
		return err
	}
	b.mapBound = mercatorBound(b.clip)
	lo, hi := tileRange(b.mapBound, tileZoomMax)
	tiles := (int64(hi.x-lo.x) + 1) * (int64(hi.y-lo.y) + 1)
	if err := b.report.gate("size", tiles <= tilesMax, "the box spans %d tiles at zoom %d, at most %d; cut it with a bbox", tiles, tileZoomMax, tilesMax); err != nil {
		return err
	}
	b.report.BBox = [4]float64{b.clip.Min[0], b.clip.Min[1], b.clip.Max[0], b.clip.Max[1]}
	return nil
}

func boundText(b orb.Bound) string {
	return fmt.Sprintf("%.4f,%.4f,%.4f,%.4f", b.Min[0], b.Min[1], b.Max[0], b.Max[1])
}

// collect goes through every element once and sorts out what it is.
func (b *builder) collect() {
	for _, n := range b.x.tagged {
		at := point(n.at)
		b.addSite(nodeKey(n.id), n.tags, at, nil, rankNode)
		b.addPlace(n.tags, at)
	}
	for i := range b.x.ways {
		b.collectWay(&b.x.ways[i])
	}
	borders := map[int64]border{}
	for i := range b.x.rels {
		b.collectRelation(&b.x.rels[i], borders)
	}
	for i := range b.x.ways { // in the order of ids, whatever the order of the map
		w := &b.x.ways[i]
		d, ok := borders[w.id]
		if !ok {
			continue
		}
		zoom := 10
		switch {
		case d.level <= 2:
			zoom = 3
		case d.level <= 4:
			zoom = 4
		case d.level <= 6:
			zoom = 7
		}
		ps := []property{{"level", d.level, 0}}
		if d.maritime || w.tags.Find("maritime") == "yes" || w.tags.Find("natural") == "coastline" {
			ps = append(ps, property{"maritime", 1, 0})
		}
		line, _ := b.x.line(w)
		if len(line) >= 2 {
			b.add(layerBoundary, zoom, line, ps...)
		}
	}
}

type border struct {
	level    int
	maritime bool
}

func (b *builder) collectWay(w *way) {
	if len(w.tags) == 0 {
		return
	}
	line, whole := b.x.line(w)
	if len(line) < 2 {
		b.skipped("way", "fewer than two of its nodes are in the extract")
		return
	}
	t := w.tags
	if t.Find("natural") == "coastline" {
		b.coasts = append(b.coasts, line)
		b.add(layerCoast, 4, line)
	}
	if !line.Bound().Intersects(b.clip) {
		return
	}
	closed := whole && len(line) >= 4 && line[0] == line[len(line)-1]
	switch {
	case yes(t.Find("highway")) && t.Find("area") != "yes":
		b.addRoad(t, line)
	case t.Find("route") == "ferry":
		b.add(layerRoad, 12, line, append(namesOf(t, b.over.dictionary).properties(12), property{"kind", "ferry", 0}, property{"rank", 9, 0})...)
	case railZooms[t.Find("railway")] > 0:
		b.addRail(t, line)
	case waterwayZooms[t.Find("waterway")] > 0:
		b.addWaterway(t, line)
	}
	if !closed {
		b.addSite(wayKey(w.id), t, middle(line), nil, rankLine)
		return
	}
	b.addArea(wayKey(w.id), t, orb.MultiPolygon{{orb.Ring(line)}}, rankArea)
}

// addArea sorts out a closed way or an assembled relation.
func (b *builder) addArea(key string, t osm.Tags, g orb.MultiPolygon, rank int) {
	if !g.Bound().Intersects(b.clip) || area(g) == 0 {
		return
	}
	if isArea(t) {
		layer, kind, zoom := areaKind(t)
		var ps []property
		if kind != "" {
			ps = append(ps, property{"kind", kind, 0})
		}
		switch layer {
		case layerBuilding:
			if n, err := strconv.Atoi(t.Find("building:levels")); err == nil && n > 0 && n < 250 {
				ps = append(ps, property{"levels", n, 14})
			}
			if c := g.Bound().Center(); b.clip.Contains(c) {
				b.houses = append(b.houses, c)
			}
		case layerWater:
			if kind == "water" || kind == "reservoir" {
				b.addNamedArea("water", t, g)
			}
		case layerLand:
			if kind == "park" {
				b.addNamedArea("park", t, g)
			}
			if kind == "urban" && t.Find("landuse") != "construction" {
				b.built = append(b.built, g)
			}
		}
		if layer == layerLand || layer == layerWater {
			ps = append(ps, namesOf(t, b.over.dictionary).properties(12)...)
		}
		if layer != layerNone {
			b.add(layer, zoom, g, ps...)
		}
		// A hospital that is mapped as a building still is a building.
		if layer != layerBuilding && yes(t.Find("building")) {
			b.add(layerBuilding, 13, g)
			if c := g.Bound().Center(); b.clip.Contains(c) {
				b.houses = append(b.houses, c)
			}
		}
	}
	at := label(g)
	b.addSite(key, t, at, g, rank)
	if t.Find("place") != "" && t.Find("boundary") == "" {
		b.addPlace(t, at)
	}
}

func (b *builder) collectRelation(r *relation, borders map[int64]border) {
	typ := r.tags.Find("type")
	admin := typ == "boundary" && r.tags.Find("boundary") == "administrative"
	layer, _, _ := areaKind(r.tags)
	siteKind, _ := siteType(r.tags)
	if !admin && (typ != "multipolygon" && typ != "boundary" || layer == layerNone && siteKind == "" && r.tags.Find("place") == "") {
		if siteKind != "" && typ == "site" {
			b.skipped("relation", "a site relation has no area of its own; its members stand for it")
		}
		return
	}
	g, bad := b.x.area(r, b.clip)
	if admin {
		level, err := strconv.Atoi(r.tags.Find("admin_level"))
		if err != nil || level < 2 || level > 11 {
			b.skipped("boundary", "its admin_level is no number from 2 to 11")
			return
		}
		for _, m := range r.members {
			if m.Type == osm.TypeWay {
				if d, ok := borders[m.Ref]; !ok || level < d.level {
					borders[m.Ref] = border{level, r.tags.Find("maritime") == "yes"}
				}
			}
		}
		if g != nil && bad == (broken{}) {
			b.admin = append(b.admin, boundaryArea{level, g, r.tags.Find("timezone")})
		}
		return
	}
	if g == nil {
		why := "no ring of it closes"
		if bad.missing > 0 {
			why = "the extract has only a part of it, and no ring closes"
		}
		b.skipped("relation", why)
		return
	}
	if bad.closedGap > 0 {
		b.repaired("relation", fmt.Sprintf("a ring was closed over a gap of at most %d m", gapMetresMax))
	}
	if bad.closedOut > 0 {
		b.repaired("relation", "a ring that the edge of the extract cuts was closed outside the map")
	}
	if bad.strayInner > 0 {
		b.repaired("relation", "a hole outside its body was dropped")
	}
	if bad.open > 0 {
		b.repaired("relation", "a ring that does not close was dropped, the others kept")
	}
	b.addArea(relationKey(r.id), r.tags, g, rankRelation)
}

func flag(ps []property, key string, on bool, zoom int) []property {
	if on {
		ps = append(ps, property{key, 1, zoom})
	}
	return ps
}

func (b *builder) addRoad(t osm.Tags, line orb.LineString) {
	k, ok := roadKinds[t.Find("highway")]
	if !ok {
		return
	}
	n := namesOf(t, b.over.dictionary)
	ps := []property{{"kind", k.kind, 0}, {"rank", k.rank, 0}}
	ps = append(ps, n.properties(12)...)
	ps = flag(ps, "link", k.link, 0)
	ps = flag(ps, "bridge", yes(t.Find("bridge")), 12)
	ps = flag(ps, "tunnel", yes(t.Find("tunnel")), 12)
	if ref, _, _ := strings.Cut(t.Find("ref"), ";"); ref != "" {
		ps = append(ps, property{"ref", ref, 8})
	}
	if o := oneway(t); o != 0 {
		ps = append(ps, property{"oneway", o, 13})
	}
	switch t.Find("access") {
	case "private", "no":
		ps = append(ps, property{"private", 1, 13})
	}
	if l, err := strconv.Atoi(t.Find("layer")); err == nil && l != 0 && l >= -5 && l <= 5 {
		ps = append(ps, property{"layer", l, 13})
	}
	b.add(layerRoad, k.zoom, line, ps...)
	if n.Local != "" && k.rank <= 8 {
		if in := clip.LineString(b.clip, slices.Clone(line)); len(in) > 0 && len(in[0]) > 1 {
			b.streets = append(b.streets, street{n, k.rank, in[0]})
		}
	}
}

func (b *builder) addRail(t osm.Tags, line orb.LineString) {
	kind := t.Find("railway")
	zoom := railZooms[kind]
	ps := []property{{"kind", kind, 0}}
	if t.Find("service") != "" {
		ps, zoom = append(ps, property{"service", 1, 0}), max(zoom, 13)
	}
	ps = flag(ps, "bridge", yes(t.Find("bridge")), 12)
	ps = flag(ps, "tunnel", yes(t.Find("tunnel")), 12)
	b.add(layerRail, zoom, line, ps...)
}

func (b *builder) addWaterway(t osm.Tags, line orb.LineString) {
	kind := t.Find("waterway")
	ps := append([]property{{"kind", kind, 0}}, namesOf(t, b.over.dictionary).properties(9)...)
	ps = flag(ps, "tunnel", yes(t.Find("tunnel")), 12)
	ps = flag(ps, "intermittent", t.Find("intermittent") == "yes", 12)
	b.add(layerWaterway, waterwayZooms[kind], line, ps...)
}

// makeSea makes the sea and refuses one that drowns the city.
func (b *builder) makeSea(graph *roads.Graph) error {
	// Without buildings the road network says where land is.
	land, what := b.houses, "buildings"
	if len(land) == 0 {
		what = "road nodes"
		for _, p := range graph.Nodes() {
			land = append(land, point(p))
		}
	}
	drowned := func(s orb.MultiPolygon) int {
		if len(s) == 0 {
			return 0
		}
		sheet, n := newSheet(s), 0
		for _, p := range land {
			if sheet.contains(p) {
				n++
			}
		}
		return n
	}
	s, rep := sea(b.coasts, b.clip, func(s orb.MultiPolygon) float64 { return float64(drowned(s)) / float64(max(1, len(land))) })
	b.report.Sea = rep
	n := drowned(s)
	b.report.SeaSwallows = float64(n) / float64(max(1, len(land)))
	if err := b.report.gate("sea", b.report.SeaSwallows <= seaSwallowsMax,
		"the sea would swallow %d of %d %s (%.2f %%), at most %.0f %%; a coastline is broken or runs the wrong way round",
		n, len(land), what, 100*b.report.SeaSwallows, 100*seaSwallowsMax); err != nil {
		return err
	}
	if rep.Carried > 0 {
		b.warn("%d ends of coastline lay open and were carried to the edge of the map: look at the sea", rep.Carried)
	}
	if b.sea = s; len(s) > 0 {
		b.add(layerSea, 0, s)
	}
	return nil
}

// makeCoverage decides which ground the city covers. An extract is often cut along a border, and
// its file does not say so. Then one of the boundaries in it holds nearly all roads, and
// outside of it most squares of a kilometre are empty, where inside hardly one is.
func (b *builder) makeCoverage(graph *roads.Graph) {
	box := orb.MultiPolygon{{b.clip.ToRing()}}
	b.coverage, b.report.CoverageBasis = box, "the box"
	if len(b.over.coverage) > 0 {
		b.coverage, b.report.CoverageBasis = b.over.coverage, "the coverage of an overlay"
	} else if a := b.cutAlong(graph); a != nil {
		b.coverage, b.report.CoverageBasis = a.area, fmt.Sprintf("the boundary of level %d that the extract seems to be cut along (an overlay of kind coverage overrules this)", a.level)
	}
	inside := multi(clip.Geometry(b.clip, orb.Clone(b.coverage)))
	if inside == nil { // an overlay's coverage that misses the map
		b.warn("the coverage lies outside the map; the whole box counts as covered")
		inside = box
	}
	b.coverage = inside
	// Compared in degrees: the box is small enough for a share.
	b.report.CoveredShare = math.Min(1, area(inside)/area(box))
	centre := b.clip.Center()
	for _, a := range b.admin {
		if a.timeZone != "" && b.zone == "" && contains(a.area, centre) {
			if _, err := time.LoadLocation(a.timeZone); err == nil {
				b.zone = a.timeZone
			}
		}
	}
}

// cutAlong finds the boundary that the extract seems to be cut along; nil when there is none.
func (b *builder) cutAlong(graph *roads.Graph) *boundaryArea {
	used := map[[2]int]bool{}
	square := func(p orb.Point) [2]int {
		return [2]int{int(math.Floor(p[0] / coverageSquare)), int(math.Floor(p[1] / coverageSquare))}
	}
	for _, p := range b.x.places {
		used[square(point(p))] = true
	}
	water := newSheet(b.sea)
	lo, hi := square(b.clip.Min), square(b.clip.Max)
	var best *boundaryArea
	least := math.Inf(1)
	for i := range b.admin {
		a := &b.admin[i]
		size := area(a.area)
		if size >= least || !a.area.Bound().Intersects(b.clip) {
			continue
		}
		sheet, in := newSheet(a.area), 0
		for _, p := range graph.Nodes() {
			if sheet.contains(point(p)) {
				in++
			}
		}
		if float64(in) < coverageRoadsMin*float64(graph.NodeCount()) {
			continue
		}
		var squares, usedSquares [2]int // outside, inside
		for x := lo[0]; x <= hi[0]; x++ {
			for y := lo[1]; y <= hi[1]; y++ {
				c := orb.Point{(float64(x) + 0.5) * coverageSquare, (float64(y) + 0.5) * coverageSquare}
				if !b.clip.Contains(c) || water.contains(c) {
					continue
				}
				k := 0
				if sheet.contains(c) {
					k = 1
				}
				squares[k]++
				if used[[2]int{x, y}] {
					usedSquares[k]++
				}
			}
		}
		share := func(k int) float64 { return float64(usedSquares[k]) / float64(max(1, squares[k])) }
		if squares[0] > 0 && share(0) < coverageEmptyShare*share(1) {
			best, least = a, size
		}
	}
	return best
}

// mask is what is not covered, all round the world, in degrees.
func (b *builder) mask() orb.MultiPolygon {
	world := orb.Bound{Min: orb.Point{-180, -latMax}, Max: orb.Point{180, latMax}}
	out := orb.MultiPolygon{{world.ToRing()}}
	for _, p := range b.coverage {
		hole := slices.Clone(p[0])
		if twiceArea(hole) > 0 { // RFC 7946: bodies counter-clockwise, holes clockwise
			slices.Reverse(hole)
		}
		out[0] = append(out[0], hole)
		for _, h := range p[1:] { // a hole in the coverage is masked ground
			body := slices.Clone(h)
			if twiceArea(body) < 0 {
				slices.Reverse(body)
			}
			out = append(out, orb.Polygon{body})
		}
	}
	return out
}

// addPoints puts places and sites on the map, and the mask.
func (b *builder) addPoints() {
	for _, p := range b.places {
		ps := append([]property{{"kind", p.Kind, 0}, {"rank", p.Rank, 0}}, p.properties(0)...)
		if p.Pop > 0 {
			ps = append(ps, property{"pop", p.Pop, 0})
		}
		b.add(layerPlace, p.zoom, orb.Point{p.Lon, p.Lat}, ps...)
	}
	for _, s := range b.sites {
		if s.properties["derived"] == true {
			continue // its site is there already
		}
		zoom := 13
		switch s.typ {
		case "hospital", "fire_station", "police", "ambulance_station":
			zoom = 10
		case "hydrant", "suction_point", "water_tank", "fuel", "siren", "kindergarten":
			zoom = 14
		default:
			if s.shelter {
				zoom = 12
			}
		}
		b.add(layerPOI, zoom, s.at, append([]property{{"kind", s.typ, 0}, {"id", s.id, 0}}, s.names.properties(0)...)...)
	}
	b.addClipped(layerMask, 0, b.mask(), orb.Bound{Min: orb.Point{0, 0}, Max: orb.Point{1, 1}}, nil)
}

// title finds the name of the city and where it lies: its greatest place.
func (b *builder) title() (n names, at orb.Point) {
	n, at = names{Local: strings.TrimSuffix(filepath.Base(b.o.In), filepath.Ext(b.o.In))}, b.clip.Center()
	i := slices.IndexFunc(b.places, func(p Place) bool {
		return p.Kind == "city" || p.Kind == "town" || p.Kind == "village" || p.Kind == "suburb"
	})
	if i >= 0 {
		n, at = b.places[i].names, orb.Point{b.places[i].Lon, b.places[i].Lat}
	}
	if b.o.Name != "" && b.o.Name != n.Local {
		n = names{Local: b.o.Name}
		if d, ok := b.over.dictionary[b.o.Name]; ok {
			n = d
		}
	}
	return n, at
}

// write writes all files beside their places and then moves them in, the manifest last: a folder
// whose manifest fits its files is whole.
func (b *builder) write(ctx context.Context, graph *roads.Graph, demand *coverage.Demand) error {
	if err := os.MkdirAll(b.o.Out, 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	tmp, err := os.MkdirTemp(b.o.Out, ".build-")
	if err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer os.RemoveAll(tmp)
	in := func(name string) string { return filepath.Join(tmp, name) }

	name, centre := b.title()
	b.report.City = name.Local
	zone := or(b.o.TimeZone, b.zone)
	if zone == "" {
		b.warn("the time zone is not known: give it to the build, or the server has to be told")
	}
	const firstZoom = 12

	tiles, err := newPMWriter(in("tiles"))
	if err != nil {
		return err
	}
	defer tiles.close()
	if err := b.writeTiles(ctx, tiles); err != nil {
		return err
	}
	vectorLayers := make([]map[string]any, layerCount)
	for i := range layerCount {
		lowest := tileZoomMax
		for _, f := range b.features {
			if f.layer == i {
				lowest = min(lowest, f.zoom)
			}
		}
		vectorLayers[i] = map[string]any{"id": layerNames[i], "fields": layerFields[i], "minzoom": lowest, "maxzoom": tileZoomMax}
	}
	head := pmHeader{maxZoom: tileZoomMax, bbox: b.report.BBox, centre: [2]float64{centre[0], centre[1]}, centreZoom: firstZoom}
	if err := tiles.finish(in(FileBasemap), head, map[string]any{
		"name": name.Local, "description": "Basemap of " + name.Local + " for Rasad", "type": "baselayer", "format": "pbf",
		"attribution": Attribution, "version": strconv.Itoa(FormatVersion), "vector_layers": vectorLayers,
	}); err != nil {
		return err
	}
	b.report.Counts["tiles"], b.report.Counts["tiles distinct"] = int(tiles.tiles), len(tiles.seen)
	b.stage("basemap", "tiles", tiles.tiles)

	if err := writeFile(in(FileSites), func(w io.Writer) error { return writeSites(w, b.sites) }); err != nil {
		return err
	}
	streets := streetPlaces(b.streets)
	b.report.Counts["places"], b.report.Counts["streets"], b.report.Counts["buildings"] = len(b.places), len(streets), len(b.houses)
	b.report.Counts["sites"] = len(b.sites)
	if err := writeFile(in(FilePlaces), func(w io.Writer) error { return writePlaces(w, slices.Concat(b.places, streets)) }); err != nil {
		return err
	}
	if err := writeFile(in(FileRoads), func(w io.Writer) error { return roads.Write(w, graph, roads.Hierarchy(graph)) }); err != nil {
		return err
	}
	if err := writeFile(in(FileDemand), func(w io.Writer) error { return coverage.WriteDemand(w, demand) }); err != nil {
		return err
	}
	if err := writeFile(in(FileMask), b.writeMask); err != nil {
		return err
	}

	m := Manifest{Format: FormatVersion, Name: name.Local, NameFA: name.FA, NameZH: name.ZH, NameEN: name.EN, BBox: b.report.BBox,
		Centre: [2]float64{centre[0], centre[1]}, Zoom: firstZoom, TimeZone: zone, Credit: Attribution, Licence: "ODbL 1.0",
		Source: Source{filepath.Base(b.o.In), b.x.sum}, Covered: math.Round(b.report.CoveredShare*1e4) / 1e4, Counts: b.report.Counts,
		Formats: map[string]string{FileBasemap: "pmtiles 3", FileSites: "GeoJSON, RFC 7946", FilePlaces: "places 1", FileRoads: fmt.Sprintf("roads %d", roads.Version),
			FileDemand: fmt.Sprintf("demand %d", coverage.Version)},
		Files: map[string]FileInfo{}, BuiltAt: time.Now().UTC().Truncate(time.Second)}
	for _, o := range b.o.Overlays {
		info, err := fileInfo(o.Path)
		if err != nil {
			return fmt.Errorf("read overlay: %w", err)
		}
		m.Overlays = append(m.Overlays, Source{filepath.Base(o.Path), info.SHA256})
	}
	files := []string{FileBasemap, FileSites, FilePlaces, FileRoads, FileMask, FileDemand}
	for _, name := range files {
		info, err := fileInfo(in(name))
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		m.Files[name], b.report.Files[name] = info, info.Bytes
	}
	most := b.o.BytesMax
	if most == 0 {
		most = basemapBytesMax
	}
	if err := errors.Join(
		b.report.gate("tile", b.report.LargestTile.Bytes <= largestTileMax, "the largest tile %s has %d bytes, at most %d",
			b.report.LargestTile.Tile, b.report.LargestTile.Bytes, largestTileMax),
		b.report.gate("output", m.Files[FileBasemap].Bytes <= most, "the basemap has %d bytes, at most %d", m.Files[FileBasemap].Bytes, most),
	); err != nil {
		return err
	}
	b.report.Skipped, b.report.Repaired = notes(b.report.skipped), notes(b.report.repaired)
	if err := writeFile(in(FileReport), func(w io.Writer) error { _, err := io.WriteString(w, b.report.Text()); return err }); err != nil {
		return err
	}
	if err := writeFile(in(FileReportJSON), func(w io.Writer) error { return writeJSON(w, b.report) }); err != nil {
		return err
	}
	if err := writeFile(in(FileManifest), func(w io.Writer) error { return writeJSON(w, m) }); err != nil {
		return err
	}
	for _, name := range append(files, FileReport, FileReportJSON, FileManifest) {
		if err := os.Rename(in(name), filepath.Join(b.o.Out, name)); err != nil {
			return fmt.Errorf("move into place: %w", err)
		}
	}
	if err := syncFolder(b.o.Out); err != nil {
		return err
	}
	b.stage("files")
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writePlaces writes places.json, a place a line.
func writePlaces(w io.Writer, places []Place) error {
	if _, err := fmt.Fprintf(w, "{\"format\":%d,\"places\":[", FormatVersion); err != nil {
		return err
	}
	for i, p := range places {
		line, err := json.Marshal(p)
		if err != nil {
			return err
		}
		sep := ",\n"
		if i == 0 {
			sep = "\n"
		}
		if _, err := io.WriteString(w, sep+string(line)); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "\n]}\n")
	return err
}

func (b *builder) writeMask(w io.Writer) error {
	mask := mapPoints(b.mask(), func(p orb.Point) orb.Point { return orb.Point{round7(p[0]), round7(p[1])} })
	return writeJSONLine(w, map[string]any{"type": "Feature", "properties": map[string]any{"kind": "mask"},
		"geometry": map[string]any{"type": "MultiPolygon", "coordinates": mask}})
}

func writeJSONLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync the folder: %w", err)
	}
	return nil
}
