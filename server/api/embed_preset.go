package api

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"rasad/geo"
	"rasad/geo/picture"
)

// embedPreset is what the address of an embed asks for, in one form: two addresses that
// ask for the same are equal and share what is kept. A value that is unknown or wrong
// is as if it were not there, because a news site must never show an error.
type embedPreset struct {
	lang   string // fa, zh or en
	said   bool   // the address names the language
	area   embedArea
	layers embedLayers
	theme  string // day, night or auto
	size   string
	text   int // tenths of the usual size of letters
	list   bool
	// approval is the number under which an authority approved the map (审图号).
	approval string
	w, h     int // of the picture, pixels
}

// embedArea is an area in 1e-4 degree, some ten metres: what differs by less is one to
// the caches. All zero: the city.
type embedArea struct{ west, south, east, north int32 }

const (
	areaUnit      = 1e4
	areaSideMin   = 10      // 0.001°
	areaSideMax   = 100_000 // 10°
	areaLatMost   = 85 * areaUnit
	areaLngMost   = 180 * areaUnit
	approvalMax   = 40 // letters
	acceptMax     = 256
	embedTextMin  = 10
	embedTextMax  = 16
	embedQueryMax = 2048 // bytes; a longer address asks for nothing
)

func (a embedArea) box() geo.Box {
	const k = 1e7 / areaUnit
	return geo.Box{Min: geo.LngLat{Lng: a.west * k, Lat: a.south * k}, Max: geo.LngLat{Lng: a.east * k, Lat: a.north * k}}
}

// embedLayers are the kinds that an embed shows, a bit for each of embedKinds.
type embedLayers uint8

// embedKinds are the kinds that can be public, in the order of the list.
var embedKinds = []geo.Kind{geo.Hazard, geo.Incident, geo.Shelter, geo.Site}

const allLayers embedLayers = 1<<4 - 1

func (l embedLayers) has(k geo.Kind) bool {
	i := slices.Index(embedKinds, k)
	return i >= 0 && l>>i&1 == 1
}

// String is the layers as an address names them; all of them: nothing.
func (l embedLayers) String() string {
	if l == allLayers {
		return ""
	}
	var out []string
	for _, k := range embedKinds {
		if l.has(k) {
			out = append(out, string(k)+"s")
		}
	}
	return strings.Join(out, ",")
}

// embedLanguages are those of the embed, the first being spoken where nothing else
// decides.
var embedLanguages = []string{"en", "fa", "zh"}

// The pictures of the sizes, pixels.
var embedSizes = map[string][2]int{"compact": {480, 300}, "normal": {720, 450}, "tall": {640, 800}}

// embedPresetOf reads what a request asks for. home is the language of the installation.
func embedPresetOf(r *http.Request, home, approval string) embedPreset {
	p := embedPreset{lang: home, layers: allLayers, theme: "auto", size: "normal", text: embedTextMin, list: true, approval: approval}
	var q url.Values
	if len(r.URL.RawQuery) <= embedQueryMax {
		q, _ = url.ParseQuery(r.URL.RawQuery) // what can be read of it
	}
	if l := strings.ToLower(q.Get("lang")); slices.Contains(embedLanguages, l) {
		p.lang, p.said = l, true
	} else if l := accepted(r.Header.Get("Accept-Language")); l != "" {
		p.lang = l
	}
	p.area = areaOf(q.Get("area"))
	if named := layersOf(q.Get("layers")); named != 0 {
		p.layers = named
	}
	if t := q.Get("theme"); t == "day" || t == "night" {
		p.theme = t
	}
	if _, ok := embedSizes[q.Get("size")]; ok {
		p.size = q.Get("size")
	}
	if v, err := strconv.ParseFloat(q.Get("text"), 64); err == nil && v >= 1 && v <= 1.6 {
		p.text = min(max(int(math.Round(v*10)), embedTextMin), embedTextMax)
	}
	p.list = q.Get("list") != "0"
	if s := cleanApproval(q.Get("approval")); s != "" {
		p.approval = s
	}
	p.w, p.h = embedSizes[p.size][0], embedSizes[p.size][1]
	side := func(name string, to *int) {
		if v, err := strconv.Atoi(q.Get(name)); err == nil && v >= picture.SideMin && v <= picture.SideMax {
			*to = v
		}
	}
	side("w", &p.w)
	side("h", &p.h)
	return p
}

// ofPage and ofPicture leave of a preset what the one or the other depends on.
func (p embedPreset) ofPage() embedPreset {
	p.w, p.h = embedSizes[p.size][0], embedSizes[p.size][1]
	p.said = false
	return p
}

func (p embedPreset) ofPicture() embedPreset {
	p.size, p.text, p.list, p.said = "", 0, false, false
	if p.theme == "auto" {
		p.theme = picture.Day
	}
	return p
}

// picture is the address of the picture of a page. world is empty for the home world.
func (p embedPreset) picture(theme, world, approval string) string {
	q := url.Values{"lang": {p.lang}, "theme": {theme}, "w": {strconv.Itoa(p.w)}, "h": {strconv.Itoa(p.h)}}
	if p.area != (embedArea{}) {
		q.Set("area", p.area.String())
	}
	if l := p.layers.String(); l != "" {
		q.Set("layers", l)
	}
	if world != "" {
		q.Set("world", world)
	}
	if p.approval != approval { // the installation's stands there anyway
		q.Set("approval", p.approval)
	}
	return picturePath + "?" + q.Encode()
}

// String is the area as an address names it.
func (a embedArea) String() string {
	side := func(v int32) string { return strconv.FormatFloat(float64(v)/areaUnit, 'f', -1, 64) }
	return strings.Join([]string{side(a.west), side(a.south), side(a.east), side(a.north)}, ",")
}

// areaOf reads two corners of an area, in any order; zero when they are none.
func areaOf(s string) embedArea {
	parts := strings.Split(s, ",")
	if len(parts) != 4 {
		return embedArea{}
	}
	var v [4]int32
	for i, part := range parts {
		f, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		most := float64(areaLngMost)
		if i%2 == 1 {
			most = areaLatMost
		}
		if f *= areaUnit; err != nil || !(math.Abs(f) <= most) { // NaN too
			return embedArea{}
		}
		v[i] = int32(math.Round(f))
	}
	a := embedArea{min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])}
	for _, side := range []int32{a.east - a.west, a.north - a.south} {
		if side < areaSideMin || side > areaSideMax {
			return embedArea{}
		}
	}
	return a
}

func layersOf(s string) (l embedLayers) {
	for rest := s; rest != ""; {
		var one string
		one, rest = cutComma(rest)
		for i, k := range embedKinds {
			if one == string(k)+"s" {
				l |= 1 << i
			}
		}
	}
	return l
}

// accepted is the first language of ours that a browser asks for; empty: none.
func accepted(header string) string {
	if header == "" || len(header) > acceptMax {
		return ""
	}
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return ""
	}
	for _, t := range tags {
		base, _ := t.Base()
		if slices.Contains(embedLanguages, base.String()) {
			return base.String()
		}
	}
	return ""
}

// cleanApproval is the number of an approval as it may be shown; empty when it is none.
func cleanApproval(s string) string {
	s = strings.TrimSpace(s)
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > approvalMax || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return s
}
