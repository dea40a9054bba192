package roads

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// random makes a town of n crossings with some streets, a third of them one-way.
func random(t testing.TB, r *rand.Rand, n, streets int) *Graph {
	t.Helper()
	var b Builder
	for range n {
		b.Node(At(51.3+r.Float64()*0.2, 35.6+r.Float64()*0.2))
	}
	for i := range streets {
		s := Segment{From: NodeID(r.IntN(n)), To: NodeID(r.IntN(n)), Class: Class(r.IntN(int(classCount))), Way: int64(i),
			Names: Names{Local: string(rune('a' + r.IntN(20))), FA: "خیابان"}}
		for range r.IntN(4) {
			s.Between = append(s.Between, At(51.3+r.Float64()*0.2, 35.6+r.Float64()*0.2))
		}
		s.Forward = 1 + r.Float64()*100
		if r.IntN(3) > 0 {
			s.Backward = 1 + r.Float64()*100
		} else if r.IntN(2) == 0 {
			s.Forward, s.Backward = 0, s.Forward
		}
		if err := b.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// secondsFrom is the oracle: all times from a node by relaxing until nothing changes.
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
				if v := d[n] + e.Seconds; v < d[e.To] {
					d[e.To], again = v, true
				}
			}
		}
	}
	return d
}

func TestRouteIsTheFastest(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 0))
		n := 2 + r.IntN(40)
		g := random(t, r, n, r.IntN(3*n))
		for range 20 {
			from := NodeID(r.IntN(n))
			want := secondsFrom(g, from)
			to := NodeID(r.IntN(n))
			edges, seconds, ok := g.Route(from, to)
			if ok != !math.IsInf(want[to], 1) {
				t.Fatalf("seed %d: %d to %d: got ok %v, want seconds %g", seed, from, to, ok, want[to])
			}
			if !ok {
				continue
			}
			if math.Abs(seconds-want[to]) > 1e-6 {
				t.Fatalf("seed %d: %d to %d: got %g s, want %g", seed, from, to, seconds, want[to])
			}
			at, sum := from, 0.0
			for _, id := range edges {
				e := g.Edge(id)
				if e.From != at {
					t.Fatalf("seed %d: the route jumps from %d to %d", seed, at, e.From)
				}
				at, sum = e.To, sum+e.Seconds
			}
			if at != to || math.Abs(sum-seconds) > 1e-6 {
				t.Fatalf("seed %d: the route ends at %d after %g s, want %d after %g", seed, at, sum, to, seconds)
			}
		}
	}
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
		b.Node(LngLat{int32(i), 0})
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

func TestNearestEqualsBruteForce(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		g := random(t, r, 1+r.IntN(300), 600)
		for range 50 {
			lon, lat := 51.4+(r.Float64()-0.5), 35.7+(r.Float64()-0.5)
			n, metres, ok := g.Nearest(lon, lat)
			want, wantM := NodeID(0), math.Inf(1)
			for i, p := range g.Nodes() {
				if d := Metres(At(lon, lat), p); g.Core(i) && d < wantM {
					want, wantM = i, d
				}
			}
			if !ok || n != want || metres != wantM {
				t.Fatalf("seed %d: nearest to %g, %g: got %d at %g m, want %d at %g m", seed, lon, lat, n, metres, want, wantM)
			}
		}
	}
}

func TestNearestOddPlaces(t *testing.T) {
	g := random(t, rand.New(rand.NewPCG(1, 0)), 50, 200)
	for _, p := range [][2]float64{{math.NaN(), 0}, {0, math.NaN()}, {181, 0}, {0, 91}, {math.Inf(1), 0}} {
		if _, _, ok := g.Nearest(p[0], p[1]); ok {
			t.Errorf("nearest to %v: got a node, want none", p)
		}
	}
	for _, p := range [][2]float64{{-180, -90}, {180, 90}, {0, 0}} {
		if _, _, ok := g.Nearest(p[0], p[1]); !ok {
			t.Errorf("nearest to %v: got none, want the nearest of the far city", p)
		}
	}
	empty, err := new(Builder).Graph()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := empty.Nearest(0, 0); ok {
		t.Error("an empty graph has no nearest node")
	}
}

func TestEdges(t *testing.T) {
	var b Builder
	u, v := b.Node(At(51.40, 35.70)), b.Node(At(51.41, 35.70))
	bend := At(51.405, 35.701)
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	must(b.Add(Segment{From: u, To: v, Between: []LngLat{bend}, Forward: 60, Backward: 70, Class: Primary, Flags: Bridge,
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
	if want := Metres(At(51.40, 35.70), bend) + Metres(bend, At(51.41, 35.70)); math.Abs(out[0].Metres-want) > 0.01 {
		t.Errorf("length: got %g m, want %g", out[0].Metres, want)
	}
	back := []Edge{}
	for e := range g.Out(v) {
		back = append(back, e)
	}
	if len(back) != 2 || back[0].Seconds != 70 || !back[1].OneWay {
		t.Fatalf("edges out of v: got %+v", back)
	}
	if got, want := g.Shape(out[0].ID), []LngLat{At(51.40, 35.70), bend, At(51.41, 35.70)}; !reflect.DeepEqual(got, want) {
		t.Errorf("shape: got %v, want %v", got, want)
	}
	if got, want := g.Shape(back[0].ID), []LngLat{At(51.41, 35.70), bend, At(51.40, 35.70)}; !reflect.DeepEqual(got, want) {
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
	if _, seconds, ok := g.Route(v, u); !ok || seconds != 50 {
		t.Errorf("route back: got %g s, want the 50 s of the one-way", seconds)
	}
	if edges, seconds, ok := g.Route(u, u); !ok || len(edges) != 0 || seconds != 0 {
		t.Errorf("route to where one is: got %v, %g, %v", edges, seconds, ok)
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
		b.Node(LngLat{})
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
	newer[8] = 2
	if _, err := parse(newer); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("a newer version: got %v, want an error that names the version, not damage", err)
	}
}

// A later version may add sections: this one passes over them.
func TestUnknownSection(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, random(t, rand.New(rand.NewPCG(5, 0)), 20, 40)); err != nil {
		t.Fatal(err)
	}
	body := b.Bytes()[:b.Len()-32]
	n := int(body[12])
	grown := append([]byte{}, body[:headBytes+n*tableBytes]...)
	grown[12]++
	for i := range n { // everything moves by a row of the table
		at := grown[headBytes+i*tableBytes+8:]
		v := uint64(at[0]) | uint64(at[1])<<8 | uint64(at[2])<<16
		v += tableBytes
		at[0], at[1], at[2] = byte(v), byte(v>>8), byte(v>>16)
	}
	row := make([]byte, tableBytes)
	copy(row, "HIER")
	grown = append(append(grown, row...), body[headBytes+n*tableBytes:]...)
	if _, err := decode(grown); err != nil {
		t.Errorf("a file with one more section: %v", err)
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
			lon, lat := p.Degrees()
			g.Nearest(lon, lat)
			g.Route(0, n)
		}
	})
}

func BenchmarkRoute(b *testing.B) {
	// A grid of 200 by 200 blocks, driven corner to corner and back.
	var build Builder
	const n = 200
	for i := range n * n {
		build.Node(At(51+0.001*float64(i%n), 35+0.001*float64(i/n)))
	}
	for i := range n * n {
		for _, to := range []struct {
			at int
			ok bool
		}{{i + 1, i%n < n-1}, {i + n, i/n < n-1}} {
			if to.ok {
				if err := build.Add(Segment{From: NodeID(i), To: NodeID(to.at), Forward: 10, Backward: 10, Class: Residential}); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	g, err := build.Graph()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, ok := g.Route(0, n*n-1); !ok {
			b.Fatal("no route")
		}
	}
}
