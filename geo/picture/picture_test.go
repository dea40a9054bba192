package picture

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/encoding/mvt"
	"github.com/paulmach/orb/geojson"

	"rasad/geo"
)

func at(lng, lat float64) geo.LngLat {
	p, err := geo.At(lng, lat)
	if err != nil {
		panic(err)
	}
	return p
}

func boxOf(w, s, e, n float64) geo.Box { return geo.Box{Min: at(w, s), Max: at(e, n)} }

var wholeTown = boxOf(51.2, 35.6, 51.5, 35.8)

func palettes(t testing.TB) map[string]Palette {
	t.Helper()
	css, err := os.ReadFile("../../frontend/src/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Palettes(css)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestColoursAreThoseOfTheScreens(t *testing.T) {
	p := palettes(t)
	for theme, want := range map[string]string{Night: "#0f1620", Day: "#f6f4ef"} {
		if got := p[theme]["map-ground"]; got != want {
			t.Errorf("the ground by %s is %s, want %s", theme, got, want)
		}
	}
	for name, css := range map[string]string{"no theme": ":root{}", "a colour short": `:root[data-theme="night"]{--map-ground: #000000;}:root[data-theme="day"]{}`} {
		if _, err := Palettes([]byte(css)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAFrameShowsAllOfItsBox(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		lng, lat := r.Float64()*340-170, r.Float64()*160-80
		b := boxOf(lng, lat, lng+r.Float64()*9+0.001, lat+r.Float64()*4+0.001)
		f := FrameOf(b, r.IntN(3000)-500, r.IntN(3000)-500)
		if f.W < SideMin || f.W > SideMax || f.H < SideMin || f.H > SideMax {
			t.Fatalf("a frame of %d by %d", f.W, f.H)
		}
		lo, hi := f.at(geo.LngLat{Lng: b.Min.Lng, Lat: b.Max.Lat}), f.at(geo.LngLat{Lng: b.Max.Lng, Lat: b.Min.Lat})
		const little = 0.01
		if lo[0] < -little || lo[1] < -little || hi[0] > float64(f.W)+little || hi[1] > float64(f.H)+little || lo[0] > hi[0] || lo[1] > hi[1] {
			t.Fatalf("%v is shown at %v to %v of %d by %d", b, lo, hi, f.W, f.H)
		}
		if math.Abs(lo[0]-(float64(f.W)-hi[0])) > little || math.Abs(lo[1]-(float64(f.H)-hi[1])) > little {
			t.Fatalf("%v is not in the middle", b)
		}
	}
	// The length of a pixel is that of the earth.
	f := FrameOf(boxOf(51.3, 35.65, 51.5, 35.75), 800, 600)
	a, b := at(51.40, 35.7), at(51.41, 35.7)
	pixels := f.at(b)[0] - f.at(a)[0]
	if got, want := pixels*f.metres(a), geo.Distance(a, b); math.Abs(got-want) > want*0.005 {
		t.Errorf("%v m by the picture, %v m", got, want)
	}
}

// town is a city of one street each few metres, made as its tiles are asked for.
type town struct {
	streets int // of each direction in a tile
	fail    error
	asked   int
}

func (c *town) Tile(z uint8, x, y uint32) ([]byte, bool, error) {
	c.asked++
	if c.fail != nil {
		return nil, false, c.fail
	}
	r := rand.New(rand.NewPCG(uint64(x), uint64(y)))
	road := &mvt.Layer{Name: "road", Version: 2, Extent: 4096}
	for i := range c.streets {
		kind := []string{"residential", "tertiary", "secondary", "primary", "motorway"}[i%5]
		var l orb.LineString
		for j := range 60 {
			l = append(l, orb.Point{float64(j) * 69, math.Floor(float64(i)*4096/float64(c.streets) + r.Float64()*40)})
		}
		f := geojson.NewFeature(l)
		f.Properties = geojson.Properties{"kind": kind}
		road.Features = append(road.Features, f)
	}
	polygon := func(kind string, x0, y0, side float64) *geojson.Feature {
		f := geojson.NewFeature(orb.Polygon{{{x0, y0}, {x0 + side, y0}, {x0 + side, y0 + side}, {x0, y0 + side}, {x0, y0}}})
		f.Properties = geojson.Properties{"kind": kind}
		return f
	}
	water := &mvt.Layer{Name: "water", Version: 2, Extent: 4096, Features: []*geojson.Feature{polygon("lake", 500, 500, 900)}}
	land := &mvt.Layer{Name: "land", Version: 2, Extent: 4096, Features: []*geojson.Feature{polygon("park", 2000, 2000, 900), polygon("unheard_of", 0, 0, 4000)}}
	buildings := &mvt.Layer{Name: "building", Version: 2, Extent: 4096, Features: []*geojson.Feature{polygon("house", 100, 100, 50)}}
	places := &mvt.Layer{Name: "place", Version: 2, Extent: 4096}
	for _, p := range []orb.Point{{900, 900}, {2048, 1500}, {3000, 3000}} {
		place := geojson.NewFeature(p)
		place.Properties = geojson.Properties{"kind": "city", "name": "تهران", "name_en": "Tehran & all", "rank": 1.}
		places.Features = append(places.Features, place)
	}
	b, err := mvt.MarshalGzipped(mvt.Layers{road, water, land, buildings, places})
	return b, err == nil, err
}

func words(lang string) Words {
	return Words{Language: lang, RTL: lang == "fa", Title: "Map", AsOf: "As of 14:32", Credit: "© OpenStreetMap contributors", Distance: func(m float64) string { return fmt.Sprint(m, " m") }}
}

func ground(t testing.TB, c Tiles, b geo.Box, w, h int) *Ground {
	t.Helper()
	g, err := GroundOf(c, wholeTown, FrameOf(b, w, h))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// read fails the test when a picture is no XML; it returns the texts in it.
func read(t testing.TB, b []byte) (texts []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	in := ""
	for {
		token, err := d.Token()
		if err == io.EOF {
			return texts
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v\n%.300s", err, b)
		}
		switch e := token.(type) {
		case xml.StartElement:
			in = e.Name.Local
		case xml.CharData:
			if in == "text" {
				texts = append(texts, string(e))
			}
		case xml.EndElement:
			in = ""
		}
	}
}

func TestAPictureIsSmallHoweverDenseTheCity(t *testing.T) {
	for streets, sizes := range map[int][][2]int{0: {{480, 300}, {1600, 1600}}, 200: {{480, 300}}, 600: {{1600, 1600}}} {
		for _, size := range sizes {
			g := ground(t, &town{streets: streets}, wholeTown, size[0], size[1])
			out := Draw(g, palettes(t)[Day], nil, words("en"))
			read(t, out)
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			_, _ = w.Write(out)
			_ = w.Close()
			if z.Len() > 60<<10 || streets > 0 && z.Len() < 1000 {
				t.Errorf("%d streets in a tile, %v: %d bytes gzipped", streets, size, z.Len())
			}
			// The motorways stay whatever has to go.
			if streets > 0 && !bytes.Contains(out, []byte(palettes(t)[Day]["map-motorway"])) {
				t.Errorf("%d streets: no motorway is left", streets)
			}
		}
	}
}

func TestTheSameInputIsTheSamePicture(t *testing.T) {
	marks := []Mark{{Sign: Danger, Title: "Flood", At: at(51.4, 35.7), RadiusM: 500}}
	draw := func() []byte {
		return Draw(ground(t, &town{streets: 20}, wholeTown, 720, 450), palettes(t)[Night], marks, words("fa"))
	}
	if a, b := draw(), draw(); !bytes.Equal(a, b) {
		t.Error("two pictures of the same differ")
	}
}

func TestWhatAPictureSays(t *testing.T) {
	w := words("en")
	w.Banners = []Banner{{"EXERCISE <all>", true}, {"SIMULATED", false}}
	w.Approval = "GS(2026)1"
	area := &geo.Shape{Type: geo.Polygon, Points: []geo.LngLat{at(51.3, 35.65), at(51.35, 35.65), at(51.35, 35.7), at(51.3, 35.65)}, Ends: []uint32{4}}
	marks := []Mark{
		{Sign: Danger, Tone: Grave, Title: "Flood & <more>", At: at(51.34, 35.66), Area: area},
		{Sign: Event, Title: strings.Repeat("long ", 20), At: at(51.45, 35.75), RadiusM: 900},
		{Sign: Refuge, Tone: Room, Title: "School", At: at(51.25, 35.75)}, {Sign: Refuge, Tone: Full, Title: "Hall", At: at(51.3, 35.75)}, {Sign: Refuge, Tone: Shut, Title: "Gym", At: at(51.35, 35.75)},
		{Sign: Facility, Title: "Hospital", At: at(51.45, 35.65)}, {Sign: Facility, Title: "Its wing", At: at(51.4501, 35.65)}, {Sign: Danger, Tone: Past, Title: "Smoke", At: at(51.42, 35.7)},
		{Sign: Refuge, Title: "far away", At: at(60, 20)},
	}
	p := palettes(t)[Day]
	out := Draw(ground(t, &town{streets: 5}, wholeTown, 720, 450), p, marks, w)
	said := strings.Join(read(t, out), "|")
	for _, want := range []string{"EXERCISE <all>", "SIMULATED", "GS(2026)1", "As of 14:32", "© OpenStreetMap contributors", "5000 m", "Flood & <more>", "School", "Hall", "Gym", "Hospital +1", "Smoke", "Tehran & all", "…"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said: %s", want, said)
		}
	}
	for _, not := range []string{"far away", "Its wing", strings.Repeat("long ", 9)} {
		if strings.Contains(said, not) {
			t.Errorf("%q is said", not)
		}
	}
	for _, token := range []string{"state-exercise", "state-simulated", "act-now", "attention", "shelter-open", "shelter-full", "shelter-closed", "site", "status-out-of-service", "map-water", "map-park", "map-motorway"} {
		if !bytes.Contains(out, []byte(p[token])) {
			t.Errorf("nothing has the colour %s", token)
		}
	}
	if !bytes.Contains(out, []byte(`stroke-dasharray="5 4"`)) {
		t.Error("what is somewhere within a circle has a firm edge")
	}
	// In the narrowest picture the credit is smaller, and the scale stands above it.
	small := Draw(ground(t, nil, wholeTown, SideMin, SideMin), p, nil, w)
	read(t, small)
	size := regexp.MustCompile(`font-size="([\d.]+)"[^>]*>© OpenStreetMap`).FindSubmatch(small)
	if size == nil {
		t.Fatal("nobody is credited in the narrowest picture")
	}
	if v, err := strconv.ParseFloat(string(size[1]), 64); err != nil || v > 9 {
		t.Errorf("the credit is written in %s", size[1])
	}
	if plain := Draw(ground(t, nil, wholeTown, 720, 450), p, nil, Words{}); len(read(t, plain)) != 0 || len(plain) > 2000 {
		t.Errorf("a picture of nothing says something: %s", plain)
	}
}

// Signs stand in the picture, and a title beside its own.
func TestEverythingStandsInThePicture(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	number := regexp.MustCompile(`(?:translate\(|<text x=")(-?[\d.]+)[" ](?: y="|)(-?[\d.]+)`)
	for range 60 {
		var marks []Mark
		for range r.IntN(400) {
			m := Mark{Sign: Sign(r.IntN(4)), Tone: Tone(r.IntN(6)), Title: strings.Repeat("ا", r.IntN(30)), At: at(51+r.Float64(), 35.4+r.Float64()*0.6), RadiusM: r.IntN(3) * r.IntN(9000)}
			if r.IntN(3) == 0 {
				x, y, d := 51+r.Float64(), 35.4+r.Float64()*0.6, r.Float64()*0.3
				m.Area = &geo.Shape{Type: geo.Polygon, Points: []geo.LngLat{at(x, y), at(x+d, y), at(x+d, y+d), at(x, y)}, Ends: []uint32{4}}
				m.At = m.Area.Inside()
			}
			marks = append(marks, m)
		}
		w, h := 160+r.IntN(900), 160+r.IntN(900)
		out := Draw(ground(t, nil, wholeTown, w, h), palettes(t)[Night], marks, words([]string{"fa", "en"}[r.IntN(2)]))
		read(t, out)
		for _, m := range number.FindAllStringSubmatch(string(out), -1) {
			x, _ := strconv.ParseFloat(m[1], 64)
			y, _ := strconv.ParseFloat(m[2], 64)
			if x < -1 || y < -1 || x > float64(w)+1 || y > float64(h)+1 {
				t.Fatalf("%s stands outside of %d by %d", m[0], w, h)
			}
		}
		if signs := bytes.Count(out, []byte("<g transform=\"translate")); signs > marksMax {
			t.Fatalf("%d signs", signs)
		}
	}
}

func TestADamagedTileIsAnError(t *testing.T) {
	broken := errors.New("the disk is gone")
	if _, err := GroundOf(&town{fail: broken}, wholeTown, FrameOf(wholeTown, 720, 450)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := layersOf([]byte("no gzip")); err == nil {
		t.Error("what is no gzip is a tile")
	}
}

// FuzzTile: whatever a tile holds, reading it ends with an answer.
func FuzzTile(f *testing.F) {
	b, _, _ := (&town{streets: 3}).Tile(12, 1, 1)
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		f.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add([]byte{0x1a, 0x05, 0x0a, 0x03, 'm', 'a', 's'})
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
		_, _ = layersOf(out.Bytes())
	})
}

func BenchmarkGround(b *testing.B) {
	c := &town{streets: 200}
	for b.Loop() {
		ground(b, c, wholeTown, 720, 450)
	}
}

func BenchmarkDraw(b *testing.B) {
	g := ground(b, &town{streets: 50}, wholeTown, 720, 450)
	p := palettes(b)[Day]
	var marks []Mark
	for i := range 500 {
		marks = append(marks, Mark{Sign: Refuge, Tone: Room, Title: fmt.Sprint("School ", i), At: at(51.2+float64(i%25)*0.012, 35.6+float64(i/25)*0.01)})
	}
	for b.Loop() {
		Draw(g, p, marks, words("en"))
	}
}
