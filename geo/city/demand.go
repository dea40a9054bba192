package city

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/paulmach/orb"
	"github.com/paulmach/osm"

	"rasad/geo"
	"rasad/geo/coverage"
	"rasad/geo/roads"
)

// Where people are: from an overlay that counts them, else from what OpenStreetMap lets one guess. The guess is
// floor area of buildings, weighed by how likely somebody is in, plus the length of streets that people live
// along, because in half of the world buildings are not mapped. It is called what it is (basis "area", source
// "buildings and street length"), never people.

// floorUse is what a square metre of floor of a building counts, by its tag; defaultUse of any other building.
// Houses have people day and night, shops and schools by day, halls and sheds hardly ever.
var floorUse = map[string]float64{
	"apartments": 1, "barracks": 1, "bungalow": 1, "cabin": 1, "detached": 1, "dormitory": 1, "farm": 1, "ger": 1, "house": 1, "houseboat": 1,
	"residential": 1, "semidetached_house": 1, "static_caravan": 1, "terrace": 1, "tower_block": 1,
	"hospital": 1, "hotel": 1, "nursing_home": 1,
	"church": 0.5, "civic": 0.5, "college": 0.5, "commercial": 0.5, "government": 0.5, "kindergarten": 0.5, "mall": 0.5, "mosque": 0.5,
	"office": 0.5, "public": 0.5, "retail": 0.5, "school": 0.5, "supermarket": 0.5, "train_station": 0.5, "university": 0.5,
	"factory": 0.1, "hangar": 0.1, "industrial": 0.1, "manufacture": 0.1, "parking": 0.1, "sports_hall": 0.1, "stadium": 0.1, "warehouse": 0.1,
	"barn": 0, "bridge": 0, "carport": 0, "construction": 0, "cowshed": 0, "farm_auxiliary": 0, "garage": 0, "garages": 0, "greenhouse": 0, "hut": 0,
	"roof": 0, "ruins": 0, "shed": 0, "silo": 0, "stable": 0, "storage_tank": 0, "sty": 0, "toilets": 0, "transformer_tower": 0, "water_tower": 0,
}

const (
	defaultUse = 0.7 // most buildings are only mapped as "yes", and most of them are houses
	levelsMax  = 150
	// streetShare is what the streets of mapped ground count together, against its buildings: enough to see a
	// settlement whose houses nobody has drawn, too little to drown one whose houses are.
	streetShare = 0.5
	// floorPerStreetMetre is what a metre of street counts where no building is mapped at all.
	floorPerStreetMetre = 10
	streetStep          = 50 // metres; a piece of street counts in the square of its middle
)

// levelsOf is how many floors a building of a kind has when the map does not say.
func levelsOf(t osm.Tags) float64 {
	if n, err := strconv.ParseFloat(t.Find("building:levels"), 64); err == nil && n >= 1 && n <= levelsMax {
		return n
	}
	switch t.Find("building") {
	case "apartments", "dormitory", "hospital", "hotel", "office", "tower_block":
		return 4
	case "detached", "house", "residential", "semidetached_house", "terrace":
		return 2
	}
	return 1
}

// streetUse is what a metre of street counts, by its highway; of others nothing: nobody lives on a motorway, and a
// driveway belongs to a house.
var streetUse = map[string]float64{"residential": 1, "living_street": 1, "pedestrian": 1, "unclassified": 0.5, "tertiary": 0.5, "secondary": 0.5, "primary": 0.5}

const (
	sourcePeople = "population overlay"
	sourceStreet = "buildings and street length"

	rasterCellsMax = 100 << 20
	peopleMax      = 1e9 // of a row; more is a mistake of units
)

// demandRows is what overlays say about people and zones.
type demandRows struct {
	points []headcount
	areas  []headcount
	zones  []*overlayRow
}

// headcount is some people at a place or spread over an area, WGS 84.
type headcount struct {
	at     orb.Point
	area   orb.MultiPolygon
	people float64
}

// tally is one square of the demand while it is made.
type tally struct {
	weight, x, y float64 // sums: the middle is x/weight, y/weight
}

func (t *tally) add(p orb.Point, w float64) {
	t.weight, t.x, t.y = t.weight+w, t.x+w*p[0], t.y+w*p[1]
}

// squares are squares by their column and row.
type squares struct {
	level uint8
	in    map[[2]uint32]*tally
}

func newSquares(level uint8) *squares { return &squares{level, map[[2]uint32]*tally{}} }

func (s *squares) key(p orb.Point) [2]uint32 {
	x, y := coverage.Square(lngLat(p), s.level)
	return [2]uint32{x, y}
}

func (s *squares) add(p orb.Point, w float64) {
	k := s.key(p)
	t := s.in[k]
	if t == nil {
		t = &tally{}
		s.in[k] = t
	}
	t.add(p, w)
}

// middle is where the weight of a square is.
func (s *squares) middle(k [2]uint32) orb.Point {
	t := s.in[k]
	p := orb.Point{round7(t.x / t.weight), round7(t.y / t.weight)}
	if s.key(p) != k { // rounded over the edge
		return squareCentre(k, s.level)
	}
	return p
}

func (s *squares) keys() [][2]uint32 {
	return slices.SortedFunc(maps.Keys(s.in), func(a, b [2]uint32) int { return cmp.Or(cmp.Compare(a[1], b[1]), cmp.Compare(a[0], b[0])) })
}

func squareCentre(k [2]uint32, level uint8) orb.Point {
	n := float64(uint32(1) << level)
	y := math.Pi * (1 - 2*(float64(k[1])+0.5)/n)
	return orb.Point{round7(((float64(k[0])+0.5)/n - 0.5) * 360), round7(math.Atan(math.Sinh(y)) * 180 / math.Pi)}
}

func lngLat(p orb.Point) geo.LngLat {
	at, err := geo.At(p[0], p[1])
	if err != nil { // readers refuse what lies nowhere
		return geo.LngLat{}
	}
	return at
}

// makeDemand says where people are and which zones they live in.
func (b *builder) makeDemand() *coverage.Demand {
	level := coverage.LevelAt(b.clip.Center()[1])
	built, rep := b.builtDemand(level)
	found := built
	d := &coverage.Demand{Level: level, Basis: coverage.BasisArea, Source: sourceStreet}
	if people := b.over.demand; len(people.points)+len(people.areas) > 0 {
		d.Basis, d.Source = coverage.BasisPeople, sourcePeople
		found = peopleDemand(people, built)
	}
	rep.Basis, rep.Source = d.Basis, d.Source
	ground := newSheet(b.coverage)
	for _, k := range found.keys() {
		t := found.in[k]
		if t.weight <= 0 {
			continue
		}
		at := found.middle(k)
		if !ground.contains(at) || !b.clip.Contains(at) {
			rep.Outside += t.weight
			continue
		}
		d.Cells = append(d.Cells, coverage.Cell{At: lngLat(at), Weight: t.weight, Zone: coverage.NoZone})
	}
	b.makeZones(d, rep)
	rep.Cells, rep.Total, rep.CellMetres = len(d.Cells), math.Round(d.Total()), math.Round(coverage.SquareMetres(level, b.clip.Center()[1]))
	rep.Outside = math.Round(rep.Outside)
	b.report.Demand = *rep
	b.report.Counts["demand cells"], b.report.Counts["zones"] = len(d.Cells), len(d.Zones)
	if len(d.Cells) == 0 {
		b.warn("nobody lives on the covered ground, as far as the extract and the overlays know: coverage will have nothing to say")
	}
	return d
}

// builtDemand weighs buildings and streets.
func (b *builder) builtDemand(level uint8) (*squares, *DemandReport) {
	rep := &DemandReport{}
	floor, street := newSquares(level), newSquares(level)
	building := func(t osm.Tags, g orb.MultiPolygon) {
		tag := t.Find("building")
		use, ok := floorUse[tag]
		if !ok {
			use = defaultUse
		}
		at := g.Bound().Center()
		if !yes(tag) || use == 0 || !b.clip.Contains(at) {
			return
		}
		m2 := area(g) * metresPerDeg * metresPerDeg * math.Cos(at[1]*math.Pi/180) * levelsOf(t) * use
		if m2 > 0 {
			floor.add(at, m2)
			rep.Floor += m2
		}
	}
	for i := range b.x.ways {
		w := &b.x.ways[i]
		use := streetUse[w.tags.Find("highway")]
		if use == 0 && !yes(w.tags.Find("building")) {
			continue
		}
		line, whole := b.x.line(w)
		switch {
		case use > 0 && w.tags.Find("area") != "yes":
			for k := 1; k < len(line); k++ {
				m := metres(line[k-1], line[k])
				for n, j := math.Ceil(m/streetStep), 0.0; j < n; j++ {
					t := (j + 0.5) / n
					p := orb.Point{line[k-1][0] + t*(line[k][0]-line[k-1][0]), line[k-1][1] + t*(line[k][1]-line[k-1][1])}
					if b.clip.Contains(p) {
						street.add(p, m/n*use)
						rep.StreetKm += m / n / 1000
					}
				}
			}
		case whole && len(line) >= 4 && line[0] == line[len(line)-1]:
			building(w.tags, orb.MultiPolygon{{orb.Ring(line)}})
		}
	}
	for i := range b.x.rels {
		r := &b.x.rels[i]
		if r.tags.Find("type") == "multipolygon" && yes(r.tags.Find("building")) {
			if g, _ := b.x.area(r, b.clip); g != nil {
				building(r.tags, g)
			}
		}
	}
	var floors, lengths float64 // where both are mapped
	for _, k := range street.keys() {
		if f := floor.in[k]; f != nil {
			floors, lengths = floors+f.weight, lengths+street.in[k].weight
		}
	}
	rep.StreetCounts = floorPerStreetMetre
	if lengths > 0 {
		rep.StreetCounts = math.Round(streetShare*floors/lengths*10) / 10
	}
	for _, k := range street.keys() {
		s := street.in[k]
		floor.add(street.middle(k), s.weight*rep.StreetCounts)
	}
	rep.Floor, rep.StreetKm = math.Round(rep.Floor), math.Round(rep.StreetKm)
	return floor, rep
}

// peopleDemand puts people into squares. Those of an area are spread over it as buildings and streets are.
func peopleDemand(rows demandRows, built *squares) *squares {
	out := newSquares(built.level)
	for _, h := range rows.points {
		out.add(h.at, h.people)
	}
	for _, h := range rows.areas {
		spread(h, built, out)
	}
	// People are where their houses are, not in the middle of the pixel they were counted in.
	for k, t := range out.in {
		if w := built.in[k]; w != nil && w.weight > 0 && t.weight > 0 {
			m := built.middle(k)
			t.x, t.y = m[0]*t.weight, m[1]*t.weight
		}
	}
	return out
}

func spread(h headcount, built, out *squares) {
	bound := h.area.Bound()
	nw, se := built.key(orb.Point{bound.Min[0], bound.Max[1]}), built.key(orb.Point{bound.Max[0], bound.Min[1]})
	inside := newSheet(h.area)
	var keys [][2]uint32
	var weights []float64
	for _, lived := range [...]bool{true, false} {
		sum := 0.0
		for y := nw[1]; y <= se[1]; y++ {
			for x := nw[0]; x <= se[0]; x++ {
				k, w, at := [2]uint32{x, y}, 1.0, squareCentre([2]uint32{x, y}, built.level)
				if lived {
					t := built.in[k]
					if t == nil || t.weight <= 0 {
						continue
					}
					w, at = t.weight, built.middle(k)
				}
				if inside.contains(at) {
					keys, weights, sum = append(keys, k), append(weights, w), sum+w
				}
			}
		}
		if sum > 0 {
			for i, k := range keys {
				out.add(squareCentre(k, out.level), h.people*weights[i]/sum)
			}
			return
		}
	}
	out.add(label(h.area), h.people) // smaller than a square
}

// zonesShareMin is how much of the demand zones from the map must hold: less is an accident of mapping, and
// first-due areas serve better.
const zonesShareMin = 0.5

// makeZones finds the zones of the city: an overlay's, else its districts or its quarters, as they are mapped.
func (b *builder) makeZones(d *coverage.Demand, rep *DemandReport) {
	type zone struct {
		id    string
		names names
		area  orb.MultiPolygon
		size  float64
	}
	var given []zone
	for i, r := range b.over.demand.zones {
		given = append(given, zone{or(r.id, fmt.Sprintf("zone-%d", i+1)), r.names, r.area, area(r.area)})
	}
	var levels [12][]zone
	var quarters []zone
	mapped := func(key string, t osm.Tags, g orb.MultiPolygon) {
		n := namesOf(t, b.over.dictionary)
		if len(g) == 0 || n.Local == "" || !g.Bound().Intersects(b.clip) {
			return
		}
		z := zone{key, n, g, area(g)}
		switch level, _ := strconv.Atoi(t.Find("admin_level")); {
		case t.Find("boundary") == "administrative" && (level == 9 || level == 10):
			levels[level] = append(levels[level], z)
		case slices.Contains([]string{"suburb", "neighbourhood", "quarter", "borough"}, t.Find("place")):
			quarters = append(quarters, z)
		}
	}
	if len(given) == 0 {
		for i := range b.x.ways {
			w := &b.x.ways[i]
			if w.tags.Find("place") == "" && w.tags.Find("boundary") == "" {
				continue
			}
			if line, whole := b.x.line(w); whole && len(line) >= 4 && line[0] == line[len(line)-1] {
				mapped(wayKey(w.id), w.tags, orb.MultiPolygon{{orb.Ring(line)}})
			}
		}
		for i := range b.x.rels {
			r := &b.x.rels[i]
			if t := r.tags.Find("type"); (t == "boundary" || t == "multipolygon") && (r.tags.Find("boundary") != "" || r.tags.Find("place") != "") {
				g, _ := b.x.area(r, b.clip)
				mapped(relationKey(r.id), r.tags, g)
			}
		}
	}
	total := d.Total()
	for _, try := range []struct {
		from  string
		zones []zone
		least float64
	}{
		{"polygons of an overlay", given, 0},
		{"administrative boundaries of level 9", levels[9], zonesShareMin},
		{"administrative boundaries of level 10", levels[10], zonesShareMin},
		{"suburbs and neighbourhoods", quarters, zonesShareMin},
	} {
		if len(try.zones) == 0 || len(try.zones) < 2 && try.least > 0 {
			continue
		}
		// The smallest zone that holds a cell has it.
		slices.SortStableFunc(try.zones, func(a, c zone) int { return cmp.Compare(a.size, c.size) })
		sheets := make([]*sheet, len(try.zones))
		for i, z := range try.zones {
			sheets[i] = newSheet(z.area)
		}
		of, used, held := make([]int, len(d.Cells)), map[int]bool{}, 0.0
		for i, c := range d.Cells {
			of[i] = slices.IndexFunc(sheets, func(s *sheet) bool { return s.contains(point(c.At)) })
			if of[i] >= 0 {
				used[of[i]] = true
				held += c.Weight
			}
		}
		if held < try.least*total {
			continue
		}
		order := slices.Sorted(maps.Keys(used)) // a zone in which nobody lives cannot be uncovered
		slices.SortStableFunc(order, func(a, c int) int {
			return cmp.Or(cmp.Compare(try.zones[a].names.Local, try.zones[c].names.Local), cmp.Compare(try.zones[a].id, try.zones[c].id))
		})
		number := map[int]int32{-1: coverage.NoZone}
		for n, i := range order {
			z := try.zones[i]
			number[i] = int32(n)
			d.Zones = append(d.Zones, coverage.Zone{ID: z.id, Names: roads.Names{Local: or(z.names.Local, z.id), FA: z.names.FA, ZH: z.names.ZH, EN: z.names.EN}})
		}
		for i := range d.Cells {
			d.Cells[i].Zone = number[of[i]]
		}
		rep.Zones, rep.ZonesFrom = len(d.Zones), try.from
		if total > 0 {
			rep.ZonesHold = math.Round(held/total*1e4) / 1e4
		}
		return
	}
	rep.ZonesFrom = "none on the map: the server makes first-due areas of the fire stations"
}

// take keeps a row that speaks of people or of a zone; taken when it does.
func (d *demandRows) take(r *overlayRow) (taken bool, err error) {
	people, counted := r.properties["people"]
	if !counted {
		people, counted = r.properties["population"]
	}
	zone := r.kind == "zone"
	if !zone && r.kind != "population" && (r.kind != "" || r.typ != "" || !counted || !r.placed || strings.HasPrefix(r.id, "osm-")) {
		return false, nil
	}
	if zone {
		if len(r.area) == 0 {
			return true, r.refused("kind zone wants a polygon")
		}
		d.zones = append(d.zones, r)
	}
	if !counted {
		if !zone {
			return true, r.refused("kind population without people or population")
		}
		return true, nil
	}
	n, ok := number(people)
	if !ok || !(n >= 0 && n <= peopleMax) {
		return true, r.refused("%v is no number of people", people)
	}
	if !r.placed {
		return true, r.refused("people without a place")
	}
	if h := (headcount{r.at, r.area, n}); len(r.area) > 0 {
		d.areas = append(d.areas, h)
	} else {
		d.points = append(d.points, h)
	}
	return true, nil
}

// takeFile reads a whole file that holds nothing but people: a raster, or a CSV with lon, lat and people (or
// population) and no column that says what the rows are. Such a file may be far larger than one of sites. It
// leaves any other file alone.
func (d *demandRows) takeFile(f Overlay) (taken bool, refused []error, err error) {
	ext := strings.ToLower(filepath.Ext(f.Path))
	if ext != ".asc" && ext != ".csv" {
		return false, nil, nil
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return false, nil, err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 1<<16)
	if ext == ".asc" {
		return true, nil, d.readRaster(in, f.Datum)
	}
	head, err := in.Peek(4096)
	if err != nil && err != io.EOF {
		return false, nil, err
	}
	if _, ok := peopleColumns(head); !ok {
		return false, nil, nil
	}
	refused, err = d.readPeople(in, f)
	return true, refused, err
}

type columns struct {
	comma            rune
	lon, lat, people int
}

// peopleColumns finds the columns of a file of people by its header row; not ok when it is no such file.
func peopleColumns(head []byte) (c columns, ok bool) {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte("\ufeff")), []byte("\n"))
	c = columns{',', -1, -1, -1}
	if !bytes.Contains(line, []byte(",")) {
		c.comma = ';'
	}
	for i, name := range strings.Split(string(line), string(c.comma)) {
		switch strings.ToLower(strings.Trim(strings.TrimSpace(name), `"`)) {
		case "lon", "lng", "longitude", "x":
			c.lon = i
		case "lat", "latitude", "y":
			c.lat = i
		case "people", "population":
			c.people = i
		case "kind", "type", "id":
			return c, false
		}
	}
	return c, c.lon >= 0 && c.lat >= 0 && c.people >= 0
}

func (d *demandRows) readPeople(in *bufio.Reader, f Overlay) (refused []error, err error) {
	head, _ := in.Peek(4096)
	c, _ := peopleColumns(head)
	r := csv.NewReader(in)
	r.Comma, r.TrimLeadingSpace, r.ReuseRecord = c.comma, true, true
	if _, err := r.Read(); err != nil {
		return nil, fmt.Errorf("header row: %w", err)
	}
	const refusedMax = 20 // a file in the wrong datum would refuse every row
	bad := 0
	for {
		rec, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return refused, err
		}
		var v [3]float64
		ok := true
		for i, col := range [...]int{c.lon, c.lat, c.people} {
			n, err := strconv.ParseFloat(strings.TrimSpace(rec[col]), 64)
			v[i], ok = n, ok && err == nil
		}
		if !ok || !(math.Abs(v[0]) <= 180 && math.Abs(v[1]) <= 90 && v[2] >= 0 && v[2] <= peopleMax) {
			if bad++; bad <= refusedMax {
				line, _ := r.FieldPos(0)
				refused = append(refused, fmt.Errorf("%s, row %d: lon %s, lat %s, people %s: no people at a place", filepath.Base(f.Path), line, rec[c.lon], rec[c.lat], rec[c.people]))
			}
			continue
		}
		if v[2] == 0 {
			continue
		}
		lon, lat := f.Datum.ToWGS84(v[0], v[1])
		d.points = append(d.points, headcount{at: orb.Point{lon, lat}, people: v[2]})
	}
	if bad > refusedMax {
		refused = append(refused, fmt.Errorf("%s: %d more rows without people at a place", filepath.Base(f.Path), bad-refusedMax))
	}
	return refused, nil
}

// readRaster reads an ESRI ASCII grid in degrees whose values are people a pixel: WorldPop and GHSL come so, or
// from gdal_translate -of AAIGrid.
func (d *demandRows) readRaster(in io.Reader, datum geo.Datum) error {
	words := bufio.NewScanner(in)
	words.Split(bufio.ScanWords)
	head := map[string]float64{}
	var value string
	for words.Scan() {
		key := strings.ToLower(words.Text())
		if key[0] < 'a' || key[0] > 'z' || key == "nan" {
			value = words.Text() // the first of the values
			break
		}
		if !words.Scan() {
			return fmt.Errorf("header: %s without a value", key)
		}
		n, err := strconv.ParseFloat(words.Text(), 64)
		if err != nil {
			return fmt.Errorf("header: %s: %w", key, err)
		}
		head[key] = n
	}
	w, h, size := head["ncols"], head["nrows"], head["cellsize"]
	dx, dy := size, size
	if size == 0 { // gdal writes these where pixels are no squares
		dx, dy = head["dx"], head["dy"]
	}
	west, south := head["xllcorner"], head["yllcorner"]
	if x, ok := head["xllcenter"]; ok {
		west = x - dx/2
	}
	if y, ok := head["yllcenter"]; ok {
		south = y - dy/2
	}
	switch {
	case !(w >= 1 && h >= 1 && w == math.Trunc(w) && h == math.Trunc(h) && w*h <= rasterCellsMax):
		return fmt.Errorf("header: %g columns by %g rows, at most %d pixels", w, h, rasterCellsMax)
	case !(dx > 0 && dy > 0 && west >= -180.001 && south >= -90.001 && west+w*dx <= 180.001 && south+h*dy <= 90.001):
		return errors.New("header: the grid does not lie in longitude and latitude; want degrees")
	}
	nodata, hasNodata := head["nodata_value"]
	n, want := 0, int(w*h)
	for more := value != ""; more; more = words.Scan() {
		if value == "" {
			value = words.Text()
		}
		people, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("pixel %d: %w", n+1, err)
		}
		value = ""
		col, row := n%int(w), n/int(w)
		if n++; n > want {
			return fmt.Errorf("more than the %d pixels that the header announces", want)
		}
		if hasNodata && people == nodata || math.IsNaN(people) || people <= 0 {
			continue // a negative number of people is another way to say that nothing is known
		}
		if people > peopleMax {
			return fmt.Errorf("pixel %d: %g people", n, people)
		}
		convert := func(p orb.Point) orb.Point {
			lon, lat := datum.ToWGS84(min(max(p[0], -180), 180), min(max(p[1], -90), 90))
			return orb.Point{lon, lat}
		}
		sw := orb.Point{west + float64(col)*dx, south + (h-float64(row)-1)*dy}
		middle := orb.Point{sw[0] + dx/2, sw[1] + dy/2}
		if max(dx*math.Cos(middle[1]*math.Pi/180), dy)*metresPerDeg > rasterSpreadMetres {
			box := orb.Bound{Min: sw, Max: orb.Point{sw[0] + dx, sw[1] + dy}}
			d.areas = append(d.areas, headcount{area: mapPoints(orb.MultiPolygon{box.ToPolygon()}, convert).(orb.MultiPolygon), people: people})
			continue
		}
		d.points = append(d.points, headcount{at: convert(middle), people: people})
	}
	if err := words.Err(); err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("%d pixels, the header announces %d", n, want)
	}
	return nil
}

// rasterSpreadMetres is the side from which a pixel of people is spread over the squares in it, as its buildings
// are; a smaller one belongs to the square of its middle.
const rasterSpreadMetres = 150

// DemandReport says where people are thought to be, and why.
type DemandReport struct {
	Basis      string  `json:"basis"`  // "people" or "area"
	Source     string  `json:"source"` // for people
	Cells      int     `json:"cells"`
	CellMetres float64 `json:"cell_metres"`
	Total      float64 `json:"total"`   // people, or square metres
	Outside    float64 `json:"outside"` // of the overlay or the extract, off the covered ground
	Zones      int     `json:"zones"`
	ZonesFrom  string  `json:"zones_from"`
	ZonesHold  float64 `json:"zones_hold"` // share of the total
	// What the stand-in was made of; with people it says how those of an area were spread.
	Floor        float64 `json:"floor_m2"` // weighed by use
	StreetKm     float64 `json:"street_km"`
	StreetCounts float64 `json:"street_counts_m2"` // a metre of street
}

// lines are the report for a person.
func (r *DemandReport) lines(line func(format string, a ...any)) {
	unit := "people"
	if r.Basis == coverage.BasisArea {
		unit = "m² of floor, a stand-in for people"
	}
	line("\nDemand")
	line("  %s: %.0f %s in %d cells of %.0f m; %.0f more lie off the covered ground", r.Source, r.Total, unit, r.Cells, r.CellMetres, r.Outside)
	line("  buildings have %.0f m² of floor weighed by use; %.0f km of streets count %.1f m² a metre", r.Floor, r.StreetKm, r.StreetCounts)
	if r.Zones > 0 {
		line("  %d zones from %s hold %.1f %% of it", r.Zones, r.ZonesFrom, 100*r.ZonesHold)
	} else {
		line("  zones: %s", r.ZonesFrom)
	}
}
