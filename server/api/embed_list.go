package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rasad/geo"
)

// The list of the embed: what the public world says, in words. The script of the page
// makes the same one; testdata/embed_list.json is what both are held to.

// town is the public world as an embed shows it, read from the snapshot that everybody
// gets: nothing else can get into a page.
type town struct {
	tag                 string // of the snapshot
	changed             time.Time
	exercise, simulated bool
	things              []thing

	mu   sync.Mutex
	said map[string]map[*thing]template.HTML // items of the list, by language
}

// thing is a feature of the public world.
type thing struct {
	id string
	spot
	box geo.Box // around all of where it can be
	said
}

// spot is where a thing is.
type spot struct {
	placed bool
	at     geo.LngLat // a point inside of a shape
	shape  *geo.Shape // nil: a point
}

// said is what the snapshot says of a feature.
type said struct {
	Kind       geo.Kind          `json:"kind"`
	Type       string            `json:"type"`
	Title      map[string]string `json:"title"`
	Advice     map[string]string `json:"advice"`
	Severity   string            `json:"severity"`
	Status     string            `json:"status"`
	RadiusM    float64           `json:"radius_m"`
	Room       *room             `json:"room"`
	UpdatedAt  time.Time         `json:"updated_at"`
	ValidUntil time.Time         `json:"valid_until"`
}

type room struct {
	State     string    `json:"state"`
	From      int       `json:"from"`
	To        int       `json:"to"`
	CountedAt time.Time `json:"counted_at"`
}

// townOf reads a snapshot.
func townOf(p PublicPage) (*town, error) {
	var in struct {
		Time      time.Time         `json:"time"`
		Exercise  bool              `json:"exercise"`
		Simulated bool              `json:"simulated"`
		Features  []json.RawMessage `json:"features"`
	}
	if err := json.Unmarshal(p.Body, &in); err != nil {
		return nil, fmt.Errorf("read the public snapshot: %w", err)
	}
	t := &town{tag: p.Tag, changed: in.Time, exercise: in.Exercise, simulated: in.Simulated}
	for _, raw := range in.Features {
		x, err := thingOf(raw)
		if err != nil {
			return nil, fmt.Errorf("read the public snapshot: %w", err)
		}
		t.things = append(t.things, x)
	}
	return t, nil
}

func thingOf(raw []byte) (x thing, err error) {
	var in struct {
		ID         string `json:"id"`
		Geometry   *sketch
		Properties *said
	}
	in.Properties = &x.said
	if err := json.Unmarshal(raw, &in); err != nil {
		return x, err
	}
	x.id = in.ID
	if in.Geometry != nil {
		if x.spot, err = in.Geometry.spot(); err != nil {
			return x, fmt.Errorf("feature %.40q: %w", x.id, err)
		}
	}
	switch {
	case x.shape != nil:
		x.box = x.shape.Bounds()
	case x.placed:
		x.box = around(x.at, x.RadiusM)
	}
	return x, nil
}

// sketch is a geometry of the snapshot. It is not judged again, as one that comes in is
// (geo.ParseGeoJSON): an outline of cells may touch itself.
type sketch struct {
	Type        string          `json:"type"`
	Coordinates json.RawMessage `json:"coordinates"`
}

func (g *sketch) spot() (spot, error) {
	type position = [2]float64
	var shape geo.Shape
	var err error
	read := func(to any) {
		if e := json.Unmarshal(g.Coordinates, to); e != nil && err == nil {
			err = e
		}
	}
	run := func(positions []position) {
		for _, p := range positions {
			at, e := geo.At(p[0], p[1])
			if e != nil && err == nil {
				err = e
			}
			shape.Points = append(shape.Points, at)
		}
	}
	lines := func(lines [][]position) {
		for _, l := range lines {
			run(l)
			shape.Ends = append(shape.Ends, uint32(len(shape.Points)))
		}
	}
	switch g.Type {
	case "Point":
		var c position
		read(&c)
		run([]position{c})
		return spot{placed: true, at: shape.Points[0]}, err
	case "MultiPoint":
		var c []position
		read(&c)
		shape.Type = geo.MultiPoint
		run(c)
	case "LineString":
		var c []position
		read(&c)
		shape.Type = geo.LineString
		lines([][]position{c})
	case "MultiLineString", "Polygon":
		var c [][]position
		read(&c)
		if shape.Type = geo.MultiLineString; g.Type == "Polygon" {
			shape.Type = geo.Polygon
		}
		lines(c)
	case "MultiPolygon":
		var c [][][]position
		read(&c)
		shape.Type = geo.MultiPolygon
		for _, p := range c {
			if len(p) == 0 {
				continue
			}
			lines(p)
			shape.Parts = append(shape.Parts, uint32(len(shape.Ends)))
		}
	default:
		return spot{}, fmt.Errorf("%.40q is no geometry", g.Type)
	}
	if err == nil && len(shape.Points) == 0 {
		err = errors.New("the geometry is empty")
	}
	if err != nil {
		return spot{}, err
	}
	return spot{placed: true, at: shape.Inside(), shape: &shape}, nil
}

// around is the box of a circle.
func around(at geo.LngLat, metres float64) geo.Box {
	const degree = 111_195 // metres, of latitude
	_, lat := at.Degrees()
	dy := metres / degree * 1e7
	dx := dy / max(math.Cos(lat*math.Pi/180), 0.01)
	clamp := func(v, most float64) int32 { return int32(min(max(v, -most), most)) }
	return geo.Box{
		Min: geo.LngLat{Lng: clamp(float64(at.Lng)-dx, geo.LngMax), Lat: clamp(float64(at.Lat)-dy, geo.LatMax)},
		Max: geo.LngLat{Lng: clamp(float64(at.Lng)+dx, geo.LngMax), Lat: clamp(float64(at.Lat)+dy, geo.LatMax)},
	}
}

// shown tells whether a preset shows the thing. What has no place concerns everybody.
func (x *thing) shown(p *embedPreset) bool {
	if !p.layers.has(x.Kind) {
		return false
	}
	if p.area == (embedArea{}) || !x.placed {
		return true
	}
	a := p.area.box()
	return x.box.Min.Lng <= a.Max.Lng && a.Min.Lng <= x.box.Max.Lng && x.box.Min.Lat <= a.Max.Lat && a.Min.Lat <= x.box.Max.Lat
}

// severities, the worst first. What has none, or an unknown one, comes after them.
var severities = []string{"extreme", "severe", "moderate", "minor"}

func severityRank(s string) int {
	if i := slices.Index(severities, s); i >= 0 {
		return i
	}
	return len(severities)
}

// list returns what a preset shows, in the order of the list: what is open before what
// is over, then the worst, then by kind, then by title.
func (t *town) list(p *embedPreset) []*thing {
	out := make([]*thing, 0, len(t.things))
	for i := range t.things {
		if x := &t.things[i]; x.shown(p) {
			out = append(out, x)
		}
	}
	titles := make(map[*thing]string, len(out))
	for _, x := range out {
		titles[x], _ = x.title(p.lang)
	}
	over := func(x *thing) int {
		if x.Status == "over" {
			return 1
		}
		return 0
	}
	slices.SortFunc(out, func(a, b *thing) int {
		return cmp.Or(cmp.Compare(over(a), over(b)), cmp.Compare(severityRank(a.Severity), severityRank(b.Severity)),
			cmp.Compare(slices.Index(embedKinds, a.Kind), slices.Index(embedKinds, b.Kind)), cmp.Compare(titles[a], titles[b]), cmp.Compare(a.id, b.id))
	})
	return out
}

// title is the title in a language, or in another one, which is named then.
func (x *thing) title(lang string) (text, other string) {
	if text, other = inLanguage(x.Title, lang); text == "" {
		text = x.Type
	}
	return text, other
}

// inLanguage returns a text in a language, or, where it is missing, in another one and
// which: in danger a foreign word is better than none.
func inLanguage(t map[string]string, lang string) (text, other string) {
	if t[lang] != "" {
		return t[lang], ""
	}
	for _, l := range embedLanguages {
		if t[l] != "" {
			return t[l], l
		}
	}
	return "", ""
}

// item is a thing in words. Empty members are not shown.
type item struct {
	ID         string `json:"id"`
	Title      string `json:"title"`
	TitleLang  string `json:"title_lang,omitempty"`
	Kind       string `json:"kind"`
	Severity   string `json:"severity,omitempty"`
	Over       string `json:"over,omitempty"`
	Advice     string `json:"advice,omitempty"`
	AdviceLang string `json:"advice_lang,omitempty"`
	Where      string `json:"where"`
	Room       string `json:"room,omitempty"`
	Holds      string `json:"holds,omitempty"`
	Counted    dated  `json:"counted,omitzero"`
	Until      dated  `json:"until,omitzero"`
	Updated    dated  `json:"updated,omitzero"`

	thing *thing
}

// KindCode, SeverityCode and StatusCode are what the style sheet goes by.
func (i item) KindCode() geo.Kind { return i.thing.Kind }

// SeverityCode is the code of the severity; empty: none that is known.
func (i item) SeverityCode() string {
	if i.Severity == "" {
		return ""
	}
	return i.thing.Severity
}

// StatusCode is open or over.
func (i item) StatusCode() string { return i.thing.Status }

// dated is a sentence about a moment.
type dated struct {
	Before, Moment, After string
	At                    string // as RFC 3339 has it
}

// MarshalText is the sentence.
func (d dated) MarshalText() ([]byte, error) { return []byte(d.Before + d.Moment + d.After), nil }

// say puts a thing into words.
func (t tongue) say(x *thing) item {
	i := item{ID: x.id, Kind: t.text("embed_kind_" + string(x.Kind)), Severity: t.words["embed_severity_"+x.Severity], thing: x}
	i.Title, i.TitleLang = x.title(t.lang)
	i.Advice, i.AdviceLang = inLanguage(x.Advice, t.lang)
	if x.Status == "over" {
		i.Over = t.text("embed_over")
	}
	switch {
	case !x.placed:
		i.Where = t.text("embed_where_hidden")
	case x.shape != nil:
		i.Where = t.text("embed_where_area")
	case x.RadiusM > 0:
		i.Where = t.text("embed_where_within", "distance", t.distance(x.RadiusM))
	default:
		i.Where = t.text("embed_where_point")
	}
	if r := x.Room; r != nil && x.Kind == geo.Shelter {
		i.Room = t.words["embed_room_"+r.State]
		switch {
		case r.To > 0 && r.From > 1:
			i.Holds = t.text("embed_holds_between", "from", t.number(r.From), "to", t.number(r.To))
		case r.To > 0:
			i.Holds = t.text("embed_holds_up_to", "to", t.number(r.To))
		case r.From > 0:
			i.Holds = t.text("embed_holds_from", "from", t.number(r.From))
		}
		if i.Counted = t.dated("embed_counted", r.CountedAt); r.CountedAt.IsZero() {
			i.Counted = dated{Before: t.text("embed_uncounted")}
		}
	}
	i.Until = t.dated("embed_until", x.ValidUntil)
	i.Updated = t.dated("embed_updated", x.UpdatedAt)
	return i
}

// tongue writes in one language for one city.
type tongue struct {
	lang  string
	zone  *time.Location
	words map[string]string
}

// text is a message with its parameters, given as pairs.
func (t tongue) text(key string, pairs ...string) string {
	s := t.words[key]
	for i := 0; i+1 < len(pairs); i += 2 {
		s = strings.Replace(s, "{"+pairs[i]+"}", pairs[i+1], 1)
	}
	return s
}

// dated is a message about a moment; of no moment it is empty.
func (t tongue) dated(key string, at time.Time) dated {
	if at.IsZero() {
		return dated{}
	}
	before, after, _ := strings.Cut(t.words[key], "{time}")
	return dated{before, t.moment(at), after, at.In(t.zone).Format(time.RFC3339)}
}

// moment is a day and a time in the city's zone, calendar and digits. The day always
// stands there: a page may be kept for long.
func (t tongue) moment(at time.Time) string {
	at = at.In(t.zone)
	month, day := int(at.Month()), at.Day()
	if t.lang == "fa" {
		j := jalaliOf(at)
		month, day = j.month, j.day
	}
	name := ""
	if months := strings.Split(t.words["embed_months"], "|"); month <= len(months) {
		name = months[month-1]
	}
	return t.text("embed_moment", "day", t.digits(strconv.Itoa(day)), "month", name, "time", t.digits(at.Format("15:04")))
}

// number is a whole number with its thousands apart.
func (t tongue) number(n int) string {
	s := strconv.Itoa(n)
	apart := ","
	if t.lang == "fa" {
		apart = "٬"
	}
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + apart + s[i:]
	}
	return t.digits(s)
}

// distance is a length as exactly as a person can use it, as the screens write it
// (frontend/src/ui/format.ts).
func (t tongue) distance(metres float64) string {
	switch {
	case metres < 100:
		return t.text("embed_distance_m", "n", t.number(int(math.Round(metres))))
	case metres < 995:
		return t.text("embed_distance_m", "n", t.number(int(math.Round(metres/10))*10))
	case metres < 9950:
		return t.text("embed_distance_km", "n", t.digits(strconv.FormatFloat(math.Round(metres/100)/10, 'f', -1, 64)))
	}
	return t.text("embed_distance_km", "n", t.number(int(math.Round(metres/1000))))
}

// digits writes the digits of a number as the language has them.
func (t tongue) digits(s string) string {
	if t.lang != "fa" {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r - '0' + '۰'
		case r == '.':
			return '٫'
		}
		return r
	}, s)
}
