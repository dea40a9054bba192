package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/geo"
	"rasad/geo/picture"
)

// openTestEmbed reads the words and colours where they are written.
func openTestEmbed(t testing.TB) *Embed {
	t.Helper()
	e, err := OpenEmbed(os.DirFS("../../frontend"))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The table that the script of the page is held to as well.
func TestTheListOfTheEmbed(t *testing.T) {
	b, err := os.ReadFile("testdata/embed_list.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Cases []struct {
			Name, Zone string
			Layers     []string
			Area       []float64
			Features   json.RawMessage
			Want       map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &table); err != nil {
		t.Fatal(err)
	}
	e := openTestEmbed(t)
	for _, c := range table.Cases {
		world, err := townOf(PublicPage{Body: []byte(`{"time":"2026-11-22T11:02:00Z","features":` + string(c.Features) + `}`), Tag: "x"})
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		zone, err := time.LoadLocation(c.Zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, lang := range embedLanguages {
			p := embedPreset{lang: lang, layers: layersOf(strings.Join(c.Layers, ","))}
			if p.layers == 0 {
				p.layers = allLayers
			}
			if len(c.Area) == 4 {
				p.area = areaOf(strings.Trim(string(mustMarshal(t, c.Area)), "[]"))
			}
			items := []item{}
			for _, x := range world.list(&p) {
				items = append(items, tongue{lang, zone, e.words[lang]}.say(x))
			}
			var got, want any
			said := mustMarshal(t, items)
			if err := errors.Join(json.Unmarshal(said, &got), json.Unmarshal(c.Want[lang], &want)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: got\n%s\nwant\n%s", c.Name, lang, said, c.Want[lang])
			}
		}
	}
	if len(table.Cases) < 5 {
		t.Errorf("the table has %d cases", len(table.Cases))
	}
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// First days of years and days about the ends of months, as ICU and the calendars of
// the years give them.
func TestTheIranianCalendar(t *testing.T) {
	for day, want := range map[string]jalali{
		"2026-11-22": {1405, 9, 1}, "1979-02-11": {1357, 11, 22}, "2017-11-12": {1396, 8, 21}, "2003-12-26": {1382, 10, 5},
		"2021-03-20": {1399, 12, 30}, "2021-03-21": {1400, 1, 1}, "2024-03-19": {1402, 12, 29}, "2024-03-20": {1403, 1, 1},
		"2025-03-20": {1403, 12, 30}, "2025-03-21": {1404, 1, 1}, "2026-03-21": {1405, 1, 1}, "2027-03-21": {1406, 1, 1}, "2028-03-20": {1407, 1, 1},
		"2029-03-20": {1408, 1, 1}, "2030-03-21": {1409, 1, 1}, "2026-04-20": {1405, 1, 31}, "2026-04-21": {1405, 2, 1}, "2026-09-22": {1405, 6, 31},
		"2026-09-23": {1405, 7, 1}, "2026-10-22": {1405, 7, 30}, "2026-10-23": {1405, 8, 1}, "1969-12-31": {1348, 10, 10}, "1925-03-21": {1304, 1, 1}, "1930-03-21": {1309, 1, 1}, "2088-03-19": {1466, 12, 29}, "2088-03-20": {1467, 1, 1},
	} {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := jalaliOf(at); got != want {
			t.Errorf("%s is %v, want %v", day, got, want)
		}
	}
	// Every day follows the one before.
	at := time.Date(1925, 3, 21, 12, 0, 0, 0, time.UTC)
	last := jalaliOf(at)
	for range 365 * 160 {
		at = at.AddDate(0, 0, 1)
		day := jalaliOf(at)
		next := day.year == last.year && day.month == last.month && day.day == last.day+1
		month := day.year == last.year && day.month == last.month+1 && day.day == 1 && last.day >= 30
		year := day.year == last.year+1 && day.month == 1 && day.day == 1 && last.month == 12 && last.day >= 29
		if !next && !month && !year {
			t.Fatalf("%v follows %v", day, last)
		}
		last = day
	}
}

func TestNumbersAndDistances(t *testing.T) {
	e := openTestEmbed(t)
	for _, c := range []struct {
		metres     float64
		en, zh, fa string
	}{
		{0, "0 m", "0米", "۰ متر"}, {7.6, "8 m", "8米", "۸ متر"}, {99.4, "99 m", "99米", "۹۹ متر"}, {284, "280 m", "280米", "۲۸۰ متر"}, {994, "990 m", "990米", "۹۹۰ متر"},
		{995, "1 km", "1公里", "۱ کیلومتر"}, {2440, "2.4 km", "2.4公里", "۲٫۴ کیلومتر"}, {9949, "9.9 km", "9.9公里", "۹٫۹ کیلومتر"}, {12_300, "12 km", "12公里", "۱۲ کیلومتر"}, {1_234_000, "1,234 km", "1,234公里", "۱٬۲۳۴ کیلومتر"},
	} {
		for lang, want := range map[string]string{"en": c.en, "zh": c.zh, "fa": c.fa} {
			if got := (tongue{lang: lang, words: e.words[lang]}).distance(c.metres); got != want {
				t.Errorf("%v m in %s: %q, want %q", c.metres, lang, got, want)
			}
		}
	}
}

func TestWhatIsNoSnapshotIsNoTown(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON": `{`, "an unknown geometry": `{"features":[{"id":"a","geometry":{"type":"Blob","coordinates":[]}}]}`,
		"a polygon of nothing": `{"features":[{"id":"a","geometry":{"type":"Polygon","coordinates":[]}}]}`, "polygons of nothing": `{"features":[{"id":"a","geometry":{"type":"MultiPolygon","coordinates":[[]]}}]}`,
		"a place off the earth": `{"features":[{"id":"a","geometry":{"type":"Point","coordinates":[999,0]}}]}`, "no time": `{"features":[{"id":"a","properties":{"updated_at":"then"}}]}`,
		"a point that is a line": `{"features":[{"id":"a","geometry":{"type":"LineString","coordinates":"x"}}]}`,
	} {
		if _, err := townOf(PublicPage{Body: []byte(body)}); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func TestAShapeOfTheSnapshotIsTheShapeThatWasWritten(t *testing.T) {
	at := func(lng, lat int32) geo.LngLat { return geo.LngLat{Lng: lng * 1_000_000, Lat: lat * 1_000_000} }
	ring := []geo.LngLat{at(1, 1), at(4, 1), at(4, 4), at(1, 4), at(1, 1)}
	hole := []geo.LngLat{at(2, 2), at(2, 3), at(3, 3), at(2, 2)}
	for _, s := range []*geo.Shape{
		{Type: geo.MultiPoint, Points: ring[:3]}, {Type: geo.LineString, Points: ring[:3], Ends: []uint32{3}},
		{Type: geo.Polygon, Points: append(append([]geo.LngLat{}, ring...), hole...), Ends: []uint32{5, 9}},
		{Type: geo.MultiPolygon, Points: append(append([]geo.LngLat{}, ring...), ring...), Ends: []uint32{5, 10}, Parts: []uint32{1, 2}},
	} {
		b, err := geo.ToGeoJSON(&geo.Feature{Key: "a", Kind: geo.Hazard, Fix: geo.Fix{At: s.Inside(), Time: 1}, Shape: s})
		if err != nil {
			t.Fatal(err)
		}
		x, err := thingOf(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(mustMarshal(t, x.shape)), string(mustMarshal(t, s)); got != want || x.at != s.Inside() {
			t.Errorf("%s: got %s, want %s", s.Type, got, want)
		}
	}
}

// FuzzEmbedPreset: whatever an address says, it is a preset that can be drawn, and the
// same one when it is written again.
func FuzzEmbedPreset(f *testing.F) {
	for _, q := range []string{"", "lang=fa&area=51,35,52,36&layers=shelters,sites&theme=night&size=tall&text=1.4&list=0&approval=GS(2026)1&w=300&h=999", "area=NaN,1e400,-0,0x1p9", "%zz&lang=%00", "area=179.9999,84.99,-180,-85", "text=1e0&w=-1"} {
		f.Add(q, "zh-Hans, fa;q=0.3")
	}
	f.Fuzz(func(t *testing.T, query, accept string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{"Accept-Language": {accept}}}
		p := embedPresetOf(r, "en", "A1")
		if !slices.Contains(embedLanguages, p.lang) || p.layers == 0 || p.layers > allLayers || p.text < embedTextMin || p.text > embedTextMax || p.approval == "" ||
			p.w < picture.SideMin || p.w > picture.SideMax || p.h < picture.SideMin || p.h > picture.SideMax || embedSizes[p.size] == [2]int{} {
			t.Fatalf("%q is the preset %+v", query, p)
		}
		if a := p.area; a != (embedArea{}) {
			if b := a.box(); b.Min.Lng >= b.Max.Lng || b.Min.Lat >= b.Max.Lat || b.Max.Lat > geo.LatMax || b.Min.Lng < -geo.LngMax {
				t.Fatalf("%q is the area %+v", query, a)
			}
			if areaOf(a.String()) != a {
				t.Fatalf("%v is read as %v", a, areaOf(a.String()))
			}
		}
		_, again, _ := strings.Cut(p.picture(picture.Night, "", ""), "?")
		q := embedPresetOf(&http.Request{URL: &url.URL{RawQuery: again}, Header: http.Header{}}, "en", "A1")
		want := p.ofPicture()
		want.theme = picture.Night
		if q.ofPicture() != want {
			t.Fatalf("%q: %+v is written as %s and read as %+v", query, want, again, q.ofPicture())
		}
	})
}

func TestWhatWasUsedLastIsKept(t *testing.T) {
	l := newLRU[int, string](10)
	l.put(1, "a", 4)
	l.put(2, "b", 4)
	l.get(1)
	l.put(3, "c", 4) // there is no room for three
	for key, want := range map[int]bool{1: true, 2: false, 3: true} {
		if _, ok := l.get(key); ok != want {
			t.Errorf("%d is kept: %v", key, ok)
		}
	}
	l.put(1, "larger", 11)
	if _, ok := l.get(1); ok || l.weight != 4 || l.order.Len() != 1 {
		t.Errorf("what is too large is kept, or what it stood for weighs on: %d", l.weight)
	}
	l.put(3, "again", 9)
	if v, _ := l.get(3); v != "again" || l.weight != 9 {
		t.Errorf("%q with a weight of %d", v, l.weight)
	}
}
