package city

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/geojson"
	"github.com/paulmach/osm"

	"rasad/geo"
)

// Overlay is a file of what OpenStreetMap lacks: sites, shelters, places, names.
//
// CSV has a header row; GeoJSON is a FeatureCollection. Columns (properties):
//
//	id        the key of a new site, or of one to amend: osm-n123 …
//	lon, lat  in the datum of the file; in GeoJSON the geometry
//	kind      what it is: a site type, "shelter" (with type), a place (city, suburb …), "name" or "coverage"
//	type      the type, where kind says only "site" or "shelter"
//	name, name_fa, name_zh, name_en
//	datum     of this row, where it differs from the file's
//
// and any other column is kept as a property of the site, but for those that a build writes itself
// (see the package comment: source, derived, merged …), which are ignored. A row whose id is the key of an
// OpenStreetMap element amends it: its names go to every place where it shows (a street's too).
// A row of kind "name" is an entry of a dictionary: whatever is called name gets name_fa,
// name_zh and name_en if it has none. A polygon of kind "coverage" says which ground the city covers.
//
// People make the demand that coverage is measured by: rows of kind "population", or of no kind and type, with a
// number of people (or population) at a point or over a polygon; a CSV of lon, lat, people; or an ESRI ASCII grid
// in degrees (.asc) of people a pixel. A polygon of kind "zone" is a part of the city that coverage is told for.
type Overlay struct {
	Path  string
	Datum geo.Datum // of the coordinates in the file; WGS 84 when empty
}

// overlayRow is one row or feature.
type overlayRow struct {
	file       string
	line       int // of a CSV file; of GeoJSON the number of the feature from 1
	id         string
	kind, typ  string
	names      names
	at         orb.Point // WGS 84
	placed     bool
	area       orb.MultiPolygon // WGS 84, of a polygon
	original   map[string]any   // what was there before the datum was converted
	properties map[string]any   // everything else
	used       bool             // it amended something
}

func (r *overlayRow) refused(format string, a ...any) error {
	return fmt.Errorf("%s, row %d: %s", filepath.Base(r.file), r.line, fmt.Sprintf(format, a...))
}

// overlays is all rows, sorted by what they are for.
type overlays struct {
	rows       []*overlayRow
	byID       map[string]*overlayRow
	dictionary map[string]names
	coverage   orb.MultiPolygon
	demand     demandRows
	refused    []error
}

const (
	overlayBytesMax = 256 << 20
	idBytesMax      = 128
)

// readOverlays reads the files. A file that cannot be read at all is an error; a row that makes
// no sense is refused with its number and the rest goes on.
func readOverlays(files []Overlay) (*overlays, error) {
	o := &overlays{byID: map[string]*overlayRow{}, dictionary: map[string]names{}}
	for _, f := range files {
		taken, refused, err := o.demand.takeFile(f)
		if err != nil {
			return nil, fmt.Errorf("read overlay %s: %w", f.Path, err)
		}
		o.refused = append(o.refused, refused...)
		if taken {
			continue
		}
		rows, err := readOverlay(f)
		if err != nil {
			return nil, fmt.Errorf("read overlay %s: %w", f.Path, err)
		}
		for _, r := range rows {
			if err := o.add(r, f.Datum); err != nil {
				o.refused = append(o.refused, err)
			}
		}
	}
	return o, nil
}

func readOverlay(f Overlay) ([]*overlayRow, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, overlayBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(b) > overlayBytesMax {
		return nil, fmt.Errorf("more than %d MiB", overlayBytesMax>>20)
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	switch strings.ToLower(filepath.Ext(f.Path)) {
	case ".csv":
		return parseCSV(f.Path, b)
	case ".geojson", ".json":
		return parseGeoJSON(f.Path, b)
	}
	return nil, errors.New("the name must end in .csv, .geojson, .json or .asc")
}

func parseCSV(path string, b []byte) ([]*overlayRow, error) {
	r := csv.NewReader(bytes.NewReader(b))
	r.TrimLeadingSpace = true
	if head, _, _ := bytes.Cut(b, []byte("\n")); !bytes.Contains(head, []byte(",")) && bytes.Contains(head, []byte(";")) {
		r.Comma = ';'
	}
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("header row: %w", err)
	}
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
	}
	var rows []*overlayRow
	for {
		rec, err := r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		row := &overlayRow{file: path, line: line, properties: map[string]any{}}
		for i, v := range rec {
			if v = strings.TrimSpace(v); v == "" {
				continue
			}
			row.properties[head[i]] = v
			// A key stays a string, and so does a phone number with its plus and zeros.
			if n, err := strconv.ParseFloat(v, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) &&
				strconv.FormatFloat(n, 'f', -1, 64) == v && head[i] != "id" && head[i] != "phone" && !strings.HasPrefix(head[i], "name") {
				row.properties[head[i]] = n
			}
		}
		lon, hasLon := row.properties["lon"]
		lat, hasLat := row.properties["lat"]
		if hasLon || hasLat {
			x, xok := number(lon)
			y, yok := number(lat)
			if !xok || !yok {
				x = math.NaN() // refused by add, with its row
			}
			row.at, row.placed = orb.Point{x, y}, true
		}
		delete(row.properties, "lon")
		delete(row.properties, "lat")
		rows = append(rows, row)
	}
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil
	}
	return 0, false
}

func parseGeoJSON(path string, b []byte) ([]*overlayRow, error) {
	var c struct {
		Type     string            `json:"type"`
		Features []json.RawMessage `json:"features"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	if c.Type != "FeatureCollection" {
		return nil, fmt.Errorf("type %q, want FeatureCollection", c.Type)
	}
	var rows []*overlayRow
	for i, raw := range c.Features {
		row := &overlayRow{file: path, line: i + 1}
		f, err := geojson.UnmarshalFeature(raw)
		if err != nil {
			return nil, fmt.Errorf("feature %d: %w", i+1, err)
		}
		row.properties = f.Properties.Clone()
		if row.properties == nil {
			row.properties = map[string]any{}
		}
		switch id := f.ID.(type) {
		case string:
			row.properties["id"] = id
		case float64:
			row.properties["id"] = strconv.FormatFloat(id, 'f', -1, 64)
		}
		switch g := f.Geometry.(type) {
		case nil:
		case orb.Point:
			row.at, row.placed = g, true
		case orb.Polygon, orb.MultiPolygon:
			row.area, row.placed = multi(g), true
		default:
			row.properties["kind"] = "geometry " + g.GeoJSONType() // refused by add, by name
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// add checks a row, converts its datum and files it.
func (o *overlays) add(r *overlayRow, fileDatum geo.Datum) error {
	take := func(key string) string {
		v, ok := r.properties[key]
		delete(r.properties, key)
		switch v := v.(type) {
		case string:
			return strings.TrimSpace(v)
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		case nil:
			return ""
		default:
			if ok {
				return fmt.Sprint(v)
			}
			return ""
		}
	}
	r.id, r.kind, r.typ = take("id"), take("kind"), take("type")
	r.names = names{Local: take("name"), FA: take("name_fa"), ZH: take("name_zh"), EN: take("name_en")}
	for _, k := range [...]string{"source", "derived", "derived_from", "merged", "amended", "original", "rev"} {
		delete(r.properties, k)
	}
	if strings.HasPrefix(r.kind, "geometry ") {
		return r.refused("%s: only points and polygons are sites", r.kind)
	}
	if r.id != "" && !validID(r.id) {
		return r.refused("id %q: want at most %d of A-Z a-z 0-9 - _ . ~", r.id, idBytesMax)
	}
	datum := fileDatum
	if d := take("datum"); d != "" {
		var err error
		if datum, err = geo.ParseDatum(d); err != nil {
			return r.refused("%v", err)
		}
	}
	if r.placed {
		if err := r.convert(datum); err != nil {
			return err
		}
	}
	if taken, err := o.demand.take(r); taken {
		return err
	}
	switch r.kind {
	case "name":
		if r.names.Local == "" {
			return r.refused("kind name without a name")
		}
		o.dictionary[r.names.Local] = r.names
		return nil
	case "coverage":
		if len(r.area) == 0 {
			return r.refused("kind coverage wants a polygon")
		}
		o.coverage = append(o.coverage, r.area...)
		return nil
	}
	if !r.placed && r.id == "" {
		return r.refused("neither a place nor the id of something to amend")
	}
	if r.id != "" {
		if _, ok := o.byID[r.id]; ok {
			return r.refused("id %q stands twice", r.id)
		}
		o.byID[r.id] = r
	}
	o.rows = append(o.rows, r)
	return nil
}

// convert brings the place of a row to WGS 84 and keeps what stood there.
func (r *overlayRow) convert(datum geo.Datum) error {
	var err error
	convert := func(p orb.Point) orb.Point {
		if !(math.Abs(p[0]) <= 180 && math.Abs(p[1]) <= 90) {
			err = r.refused("lon %v, lat %v is no place", p[0], p[1])
			return p
		}
		lon, lat := datum.ToWGS84(p[0], p[1])
		return orb.Point{lon, lat}
	}
	from := r.at
	if len(r.area) > 0 {
		for _, p := range r.area {
			for _, ring := range p {
				if len(ring) < 4 || ring[0] != ring[len(ring)-1] {
					return r.refused("a ring of its polygon is not closed")
				}
			}
		}
		from = label(r.area)
		r.area = mapPoints(r.area, convert).(orb.MultiPolygon)
		if err == nil {
			r.at = label(r.area)
		}
	} else {
		r.at = convert(r.at)
	}
	if err == nil && datum != "" && datum != geo.WGS84 {
		r.original = map[string]any{"lon": round7(from[0]), "lat": round7(from[1]), "datum": string(datum)}
	}
	return err
}

func round7(v float64) float64 { return math.Round(v*1e7) / 1e7 }

// validID says whether an id can stand in a path of the door.
func validID(id string) bool {
	if len(id) == 0 || len(id) > idBytesMax || id == "." || id == ".." {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0) {
			return false
		}
	}
	return true
}

// amendTags are the properties of a row that change the element itself, so that the map, the
// search and the roads see them too.
var amendTags = []struct{ property, tag string }{
	{"capacity", "capacity"}, {"phone", "phone"}, {"operator", "operator"}, {"address", "addr:full"},
}

// amend gives the tags of an element as its overlay row wants them.
func (o *overlays) amend(key string, t osm.Tags) osm.Tags {
	r, ok := o.byID[key]
	if !ok {
		return t
	}
	r.used = true
	set := func(t osm.Tags, k, v string) osm.Tags {
		if v == "" {
			return t
		}
		if i := slices.IndexFunc(t, func(tag osm.Tag) bool { return tag.Key == k }); i >= 0 {
			t[i].Value = v
			return t
		}
		return append(t, osm.Tag{Key: k, Value: v})
	}
	t = slices.Clone(t)
	t = set(t, "name", r.names.Local)
	t = set(t, "name:fa", r.names.FA)
	t = set(t, "name:zh", r.names.ZH)
	t = set(t, "name:en", r.names.EN)
	for _, a := range amendTags {
		if v, ok := r.properties[a.property]; ok {
			if n, isNumber := v.(float64); isNumber {
				v = strconv.FormatFloat(n, 'f', -1, 64)
			}
			if s, isString := v.(string); isString {
				t = set(t, a.tag, s)
			}
		}
	}
	return t
}

// apply amends every element of the extract that a row names.
func (o *overlays) apply(x *extract) {
	for i := range x.tagged {
		x.tagged[i].tags = o.amend(nodeKey(x.tagged[i].id), x.tagged[i].tags)
	}
	for i := range x.ways {
		if len(x.ways[i].tags) > 0 {
			x.ways[i].tags = o.amend(wayKey(x.ways[i].id), x.ways[i].tags)
		}
	}
	for i := range x.rels {
		x.rels[i].tags = o.amend(relationKey(x.rels[i].id), x.rels[i].tags)
	}
}

func nodeKey(id int64) string     { return "osm-n" + strconv.FormatInt(id, 10) }
func wayKey(id int64) string      { return "osm-w" + strconv.FormatInt(id, 10) }
func relationKey(id int64) string { return "osm-r" + strconv.FormatInt(id, 10) }
