package roads

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"rasad/geo"
)

// at is a place that the test knows to be one.
func at(lng, lat float64) geo.LngLat {
	p, err := geo.At(lng, lat)
	if err != nil {
		panic(err)
	}
	return p
}

// random makes a town of n crossings with some streets, a third of them one-way, some of
// those with a way against them, and bans.
func random(t testing.TB, r *rand.Rand, n, streets int) *Graph {
	t.Helper()
	var b Builder
	for range n {
		b.Node(at(51.3+r.Float64()*0.2, 35.6+r.Float64()*0.2))
	}
	for i := range streets {
		s := Segment{From: NodeID(r.IntN(n)), To: NodeID(r.IntN(n)), Class: Class(r.IntN(int(classCount))), Way: int64(i),
			Names: Names{Local: string(rune('a' + r.IntN(20))), FA: "خیابان"}}
		for range r.IntN(4) {
			s.Between = append(s.Between, at(51.3+r.Float64()*0.2, 35.6+r.Float64()*0.2))
		}
		s.Forward, s.Flags = 1+r.Float64()*100, Flags(r.IntN(int(Against)))&^Gate
		switch r.IntN(8) {
		case 0, 1:
		case 2:
			s.Forward, s.Backward = 0, s.Forward
		case 3:
			s.Backward, s.BackwardFlags = 1+r.Float64()*100, Against
		default:
			s.Backward, s.BackwardFlags = 1+r.Float64()*100, Gate
		}
		if err := b.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	for range streets / 4 {
		a, c := r.IntN(streets), r.IntN(streets)
		if b.segs[a].To == b.segs[c].From {
			if err := b.Ban(Drive{a, false}, Drive{c, false}); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Ban(Drive{a, false}, Drive{a, true}, Drive{a, false}); err != nil {
			t.Fatal(err)
		}
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// secondsFrom is the oracle: all times from a node by relaxing until nothing changes,
// without going against a one-way street.
func secondsFrom(g *Graph, from NodeID) []float64 {
	d := make([]float64, g.NodeCount())
	for i := range d {
		d[i] = math.Inf(1)
	}
	d[from] = 0
	for again := true; again; {
		again = false
		for n := range g.Nodes() {
			for e := range g.Out(n) {
				if e.Flags&Against != 0 {
					continue
				}
				if v := d[n] + e.Seconds; v < d[e.To] {
					d[e.To], again = v, true
				}
			}
		}
	}
	return d
}

func TestCoreIsStronglyConnected(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(25)
		g := random(t, r, n, r.IntN(2*n))
		reach := make([][]float64, n)
		for i := range reach {
			reach[i] = secondsFrom(g, NodeID(i))
		}
		best := 0
		for i := range n {
			size := 0
			for j := range n {
				if !math.IsInf(reach[i][j], 1) && !math.IsInf(reach[j][i], 1) {
					size++
				}
			}
			best = max(best, size)
		}
		if g.CoreCount() != best {
			t.Fatalf("seed %d: the core has %d nodes, want %d", seed, g.CoreCount(), best)
		}
		for i := range n {
			for j := range n {
				if g.Core(NodeID(i)) && g.Core(NodeID(j)) && math.IsInf(reach[i][j], 1) {
					t.Fatalf("seed %d: %d and %d are in the core, but there is no way between them", seed, i, j)
				}
			}
		}
	}
}

// A chain of half a million one-way crossings must not grow the stack, and is no component.
func TestLongChain(t *testing.T) {
	var b Builder
	const n = 500_000
	for i := range n {
		b.Node(geo.LngLat{Lng: int32(i)})
	}
	for i := range n - 1 {
		if err := b.Add(Segment{From: NodeID(i), To: NodeID(i + 1), Forward: 1, Class: Service}); err != nil {
			t.Fatal(err)
		}
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	if g.CoreCount() != 1 {
		t.Errorf("the core has %d nodes, want 1", g.CoreCount())
	}
}

func TestEdges(t *testing.T) {
	var b Builder
	u, v := b.Node(at(51.40, 35.70)), b.Node(at(51.41, 35.70))
	bend := at(51.405, 35.701)
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	must(b.Add(Segment{From: u, To: v, Between: []geo.LngLat{bend}, Forward: 60, Backward: 70, Class: Primary, Flags: Bridge,
		Names: Names{Local: "انقلاب", EN: "Enghelab Street", Ref: "1"}, Way: 7}))
	must(b.Add(Segment{From: v, To: u, Forward: 50, Class: Service}))
	g, err := b.Graph()
	must(err)

	var out []Edge
	for e := range g.Out(u) {
		out = append(out, e)
	}
	if len(out) != 1 || out[0].To != v || out[0].Seconds != 60 || out[0].OneWay || out[0].Flags != Bridge || out[0].Class != Primary || out[0].Way != 7 {
		t.Fatalf("edges out of u: got %+v", out)
	}
	if want := geo.Distance(at(51.40, 35.70), bend) + geo.Distance(bend, at(51.41, 35.70)); math.Abs(out[0].Metres-want) > 0.01 {
		t.Errorf("length: got %g m, want %g", out[0].Metres, want)
	}
	back := []Edge{}
	for e := range g.Out(v) {
		back = append(back, e)
	}
	if len(back) != 2 || back[0].Seconds != 70 || !back[1].OneWay {
		t.Fatalf("edges out of v: got %+v", back)
	}
	if got, want := g.Shape(out[0].ID), []geo.LngLat{at(51.40, 35.70), bend, at(51.41, 35.70)}; !reflect.DeepEqual(got, want) {
		t.Errorf("shape: got %v, want %v", got, want)
	}
	if got, want := g.Shape(back[0].ID), []geo.LngLat{at(51.41, 35.70), bend, at(51.40, 35.70)}; !reflect.DeepEqual(got, want) {
		t.Errorf("shape of the way back: got %v, want %v", got, want)
	}
	for lang, want := range map[string]string{"en": "Enghelab Street", "fa": "انقلاب", "zh": "انقلاب", "": "انقلاب"} {
		if got := g.Name(out[0].ID, lang); got != want {
			t.Errorf("name in %q: got %q, want %q", lang, got, want)
		}
	}
	if got := g.Name(back[1].ID, "en"); got != "" {
		t.Errorf("a nameless road is called %q", got)
	}
}

func TestBuilderRefuses(t *testing.T) {
	tests := map[string]Segment{
		"a node that was not added":     {From: 0, To: 9, Forward: 1},
		"a class that is none of ours":  {From: 0, To: 0, Forward: 1, Class: classCount},
		"a segment nobody may drive":    {From: 0, To: 0},
		"a negative time":               {From: 0, To: 0, Forward: 5, Backward: -1},
		"a time that is no number":      {From: 0, To: 0, Forward: math.NaN()},
		"a time that never ends":        {From: 0, To: 0, Forward: math.Inf(1)},
		"a time that passes a float32":  {From: 0, To: 0, Forward: 1e300},
		"two times whose sum overflows": {From: 0, To: 0, Forward: math.MaxFloat64, Backward: math.MaxFloat64},
	}
	for name, s := range tests {
		var b Builder
		b.Node(geo.LngLat{})
		if err := b.Add(s); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestWriteLoad(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		g := random(t, r, 1+r.IntN(60), r.IntN(120))
		var b bytes.Buffer
		if err := Write(&b, g); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "roads.bin")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := Write(&again, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), again.Bytes()) {
			t.Fatalf("seed %d: what was loaded is written differently", seed)
		}
		if !reflect.DeepEqual(g.bans, got.bans) {
			t.Fatalf("seed %d: bans differ after loading", seed)
		}
		for e := range g.EdgeCount() {
			if !reflect.DeepEqual(g.Edge(EdgeID(e)), got.Edge(EdgeID(e))) || !reflect.DeepEqual(g.Shape(EdgeID(e)), got.Shape(EdgeID(e))) ||
				g.Name(EdgeID(e), "fa") != got.Name(EdgeID(e), "fa") {
				t.Fatalf("seed %d: edge %d differs after loading", seed, e)
			}
		}
	}
}

func TestLoadDamaged(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	var b bytes.Buffer
	if err := Write(&b, random(t, rand.New(rand.NewPCG(4, 0)), 20, 40)); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for n := range len(whole) {
		if _, err := parse(whole[:n]); err == nil {
			t.Fatalf("a file cut after %d of %d bytes is read as whole", n, len(whole))
		}
	}
	for bit := range len(whole) * 8 {
		flipped := bytes.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := parse(flipped); err == nil {
			t.Fatalf("bit %d flipped: read as whole", bit)
		}
	}
	newer := bytes.Clone(whole)
	newer[8] = Version + 1
	if _, err := parse(newer); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("a newer version: got %v, want an error that names the version, not damage", err)
	}
}

// Whoever makes something of the graph may keep it in the file; it comes back, survives being written again, and
// stands in nobody's way.
func TestSections(t *testing.T) {
	var b bytes.Buffer
	g := random(t, rand.New(rand.NewPCG(5, 0)), 20, 40)
	if err := Write(&b, g, Section{"HIER", []byte("order")}, Section{"NONE", nil}, Section{"HIER", []byte("newer")}); err != nil {
		t.Fatal(err)
	}
	again, err := parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"HIER": "newer", "NONE": ""} {
		if got, ok := again.Section(name); !ok || string(got) != want {
			t.Errorf("section %s: got %q, %v, want %q", name, got, ok, want)
		}
	}
	if _, ok := again.Section("EDGE"); ok {
		t.Error("a section of the format itself is handed out")
	}
	var twice bytes.Buffer
	if err := Write(&twice, again); err != nil || !bytes.Equal(b.Bytes(), twice.Bytes()) {
		t.Errorf("written again: %v, %d bytes, want the same %d", err, twice.Len(), b.Len())
	}
	for _, name := range []string{"", "abc", "abcde", "EDGE", "BANS", "a b c", "abcé", "a\x00bc"} {
		if err := Write(io.Discard, g, Section{Name: name}); err == nil {
			t.Errorf("section %q: got no error", name)
		}
	}
}

func TestBans(t *testing.T) {
	// a --0--> b <--1--> c, and 2 from b to a
	var build Builder
	a, b, c := build.Node(at(51.40, 35.70)), build.Node(at(51.41, 35.70)), build.Node(at(51.42, 35.70))
	for _, s := range []Segment{{From: a, To: b, Forward: 1}, {From: b, To: c, Forward: 1, Backward: 2}, {From: b, To: a, Forward: 3}} {
		if err := build.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	for name, path := range map[string][]Drive{
		"of one":                  {{0, false}},
		"of none":                 nil,
		"of an unknown segment":   {{0, false}, {3, false}},
		"of a negative segment":   {{-1, false}, {0, false}},
		"that does not join":      {{0, false}, {1, true}},
		"that joins tail to tail": {{1, false}, {2, false}},
	} {
		if err := build.Ban(path...); err == nil {
			t.Errorf("a ban %s: got no error", name)
		}
	}
	for _, path := range [][]Drive{{{1, true}, {2, false}}, {{0, false}, {1, false}, {1, true}}, {{0, false}, {2, false}}, {{0, false}, {2, false}}, {{0, true}, {0, false}}} {
		if err := build.Ban(path...); err != nil {
			t.Fatal(err)
		}
	}
	g, err := build.Graph()
	if err != nil {
		t.Fatal(err)
	}
	// By node: a has a-b, b has b-c and b-a, c has c-b. Nobody can drive from b to a by segment 0.
	want := [][]EdgeID{{0, 1, 3}, {0, 2}, {3, 2}}
	if got := slices.Collect(g.Bans()); !reflect.DeepEqual(got, want) {
		t.Errorf("bans: got %v, want %v", got, want)
	}
	if r, ok := g.Reverse(1); !ok || r != 3 {
		t.Errorf("reverse of b-c: got %d, %v, want 3", r, ok)
	}
	if _, ok := g.Reverse(0); ok {
		t.Error("a one-way street has a reverse")
	}
}

// FuzzLoad feeds damaged files past the checksum: nothing panics, and what is accepted can be used.
func FuzzLoad(f *testing.F) {
	for seed := range uint64(4) {
		var b bytes.Buffer
		if err := Write(&b, random(f, rand.New(rand.NewPCG(seed, 6)), 6, 10)); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes()[:b.Len()-32])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parse(b); err == nil {
			return
		}
		if len(b) < headBytes {
			return
		}
		g, err := decode(b)
		if err != nil {
			return
		}
		for n, p := range g.Nodes() {
			for e := range g.Out(n) {
				if e.From != n || len(g.Shape(e.ID)) < 2 {
					t.Fatalf("edge %+v leaves %d", e, n)
				}
				g.Name(e.ID, "zh")
			}
			for _, on := range g.Snap(p, 90, 1000, nil) {
				if !(on.Along >= 0 && on.Along <= 1) || !(on.Metres >= 0 && on.Metres <= 1000) {
					t.Fatalf("%v snaps to %+v", p, on)
				}
				if r, ok := g.Reverse(on.Edge); ok && g.Edge(r).From != g.Edge(on.Edge).To {
					t.Fatalf("edge %d does not run back over %d", r, on.Edge)
				}
			}
		}
		for ban := range g.Bans() {
			for i := 1; i < len(ban); i++ {
				if g.Edge(ban[i-1]).To != g.Edge(ban[i]).From {
					t.Fatalf("ban %v jumps", ban)
				}
			}
		}
		all := []geo.LngLat{at(-180, -90), at(180, -90), at(180, 90), at(-180, 90), at(-180, -90)}
		for _, typ := range []geo.ShapeType{geo.Polygon, geo.LineString} {
			g.Touching(&geo.Shape{Type: typ, Points: all, Ends: []uint32{5}})
		}
	})
}
