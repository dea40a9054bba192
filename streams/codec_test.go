package streams

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"rasad/geo"
)

// cityMoves are n moves among units units of a city of 0.4 by 0.27 degrees:
// half of the devices report whole seconds, half milliseconds.
func cityMoves(r *rand.Rand, n, units int, now geo.Millis) []geo.Move {
	out := make([]geo.Move, 0, n)
	for _, id := range r.Perm(units)[:n] {
		speed := uint16(0)
		if r.IntN(4) > 0 {
			speed = uint16(r.IntN(250)) // up to 25 m/s
		}
		at := now - geo.Millis(r.IntN(1000))
		if id%2 == 0 {
			at -= at % 1000
		}
		out = append(out, geo.Move{ID: geo.ID(id + 1), Fix: geo.Fix{
			At:       geo.LngLat{Lng: -758_000_000 + r.Int32N(4_000_000), Lat: 395_800_000 + r.Int32N(2_700_000)},
			Time:     at,
			Heading:  uint16(r.IntN(360)),
			Speed:    speed,
			Accuracy: uint16(3 + r.IntN(25)),
		}})
	}
	slices.SortFunc(out, func(a, b geo.Move) int { return int(a.ID) - int(b.ID) })
	return out
}

func TestBytesOfAMove(t *testing.T) {
	for _, n := range []int{1, 10, 50, 250, 1000, 5000} {
		var size, rounds int
		for seed := range uint64(20) {
			f := &Frame{Base: 1_000_000, Seq: 1_000_001, Time: 1_795_340_460_123, State: 0x0123456789abcdef,
				Delta: geo.Delta{Move: cityMoves(rand.New(rand.NewPCG(seed, 0)), n, 5000, 1_795_340_460_123)}}
			size += len(f.Encode())
			rounds++
		}
		each := float64(size) / float64(n*rounds)
		t.Logf("%5d of 5000 units: %.2f bytes a move, whole frame", n, each)
		if n == 250 && each > 14 {
			t.Errorf("a move takes %.2f bytes on the wire, want at most 14", each)
		}
	}
}

func BenchmarkEncodeMoves(b *testing.B) {
	for _, n := range []int{250, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := &Frame{Base: 1, Seq: 2, Time: 1_795_340_460_123, Delta: geo.Delta{Move: cityMoves(rand.New(rand.NewPCG(1, 0)), n, max(n, 5000), 1_795_340_460_123)}}
			var buf []byte
			for b.Loop() {
				buf = f.AppendEncode(buf[:0])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/move")
			b.ReportMetric(float64(len(buf))/float64(n), "B/move")
		})
	}
}

func BenchmarkParseMoves(b *testing.B) {
	for _, n := range []int{250, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := &Frame{Base: 1, Seq: 2, Time: 1_795_340_460_123, Delta: geo.Delta{Move: cityMoves(rand.New(rand.NewPCG(1, 0)), n, max(n, 5000), 1_795_340_460_123)}}
			buf := f.Encode()
			for b.Loop() {
				if _, err := ParseFrame(buf); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/move")
		})
	}
}

// anyFrame makes frames of every sort, with odd values among the usual ones.
func anyFrame(r *rand.Rand) *Frame {
	odd := func() uint64 { // mostly small, sometimes all bits
		return r.Uint64() >> r.UintN(64)
	}
	text := func() string {
		return []string{"", "a", "E7", "یگان ۷", "消防", strings.Repeat("x", 200)}[r.IntN(6)]
	}
	fix := func() geo.Fix {
		return geo.Fix{At: geo.LngLat{Lng: int32(r.Uint32()), Lat: int32(odd())}, Time: geo.Millis(odd()), Heading: uint16(r.IntN(361)) % 512,
			Speed: uint16(odd()), Accuracy: uint16(odd()), Flags: geo.FixFlags(odd())}
	}
	f := &Frame{V: 1, World: text(), Epoch: text(), Term: odd(), Base: odd(), Seq: odd(), Live: odd(), Time: geo.Millis(odd()), State: odd(), NextID: geo.ID(odd()), Extra: ""}
	if r.IntN(2) == 0 {
		f.Prev[r.IntN(32)] = 7
	}
	ids := map[geo.ID]bool{}
	for range r.IntN(20) {
		ids[geo.ID(odd())|1] = true
	}
	for id := range ids {
		f.Drop = append(f.Drop, id)
	}
	slices.Sort(f.Drop)
	for range r.IntN(4) {
		p := &geo.Feature{ID: geo.ID(odd()) | 1, Key: text(), Kind: geo.Kind(text()), Rev: odd(), Due: geo.Millis(odd()), Fix: fix()}
		if r.IntN(2) == 0 {
			p.Fix.Heading, p.Fix.Speed = geo.HeadingUnknown, geo.SpeedUnknown
		}
		if r.IntN(2) == 0 {
			p.Props = geo.Props(fmt.Sprintf(`{"a":%d,"b":[%q,null]}`, r.IntN(9), text()))
		}
		if r.IntN(3) == 0 {
			p.Shape = &geo.Shape{Type: geo.ShapeType(1 + r.IntN(5))}
			for i := range 1 + r.IntN(9) {
				p.Shape.Points = append(p.Shape.Points, fix().At)
				p.Shape.Ends = append(p.Shape.Ends, uint32(i+1))
				p.Shape.Parts = append(p.Shape.Parts, uint32(i))
			}
		}
		if r.IntN(3) == 0 {
			p.Sealed = []geo.Sealed{{Name: text(), KeyID: text(), Box: []byte("b")}}
		}
		f.Put = append(f.Put, p)
	}
	if r.IntN(2) == 0 {
		for range f.Put {
			f.Changed = append(f.Changed, odd())
		}
	}
	for id := range ids {
		if len(f.Move) < 1+r.IntN(400) {
			f.Move = append(f.Move, geo.Move{ID: id, Fix: fix()})
		}
	}
	if r.IntN(3) == 0 {
		f.Move = append(f.Move, cityMoves(r, 1+r.IntN(700), 1000, geo.Millis(odd()))...)
	}
	f.Move = movesInOrder(f.Move)
	for range r.IntN(3) {
		f.Acts = append(f.Acts, geo.Act{At: geo.Millis(odd()), Name: text(), By: geo.Principal{Name: text(), Role: text(), From: text(), Session: text()}, Why: text(), Subjects: []string{text(), text()},
			Args: []byte("{}"), Key: text(), Digest: []byte{1}, Answer: []byte("x")})
	}
	for range r.IntN(3) {
		f.Tombs = append(f.Tombs, geo.Tomb{ID: geo.ID(odd()), Key: text(), Seq: odd()})
	}
	if r.IntN(2) == 0 {
		f.Status = &Status{Mode: text(), Exercise: r.IntN(2) == 0, Recording: r.IntN(2) == 0, Build: text(), Tick: geo.Millis(odd()), Audience: text(), Clock: geo.Millis(odd()), Echo: uint32(odd()), Speed: r.Float64(), Simulated: true}
	}
	return f
}

func TestParseGivesWhatWasEncoded(t *testing.T) {
	for seed := range uint64(2000) {
		f := anyFrame(rand.New(rand.NewPCG(seed, 0)))
		b := f.Encode()
		got, err := ParseFrame(b)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(got, f) {
			t.Fatalf("seed %d: got %+v, want %+v", seed, got, f)
		}
		if again := got.Encode(); !bytes.Equal(again, b) {
			t.Fatalf("seed %d: the same frame has two encodings", seed)
		}
		witness(t, fmt.Sprint("seed ", seed), f, b)
		if t.Failed() {
			t.FailNow()
		}
	}
}

func TestEncodePutsMovesAndDropsInOrder(t *testing.T) {
	f := &Frame{Base: 1, Seq: 2, Delta: geo.Delta{
		Drop: []geo.ID{9, 3, 9, 1},
		Move: []geo.Move{{ID: 5, Fix: geo.Fix{Time: 1}}, {ID: 2, Fix: geo.Fix{Time: 2}}, {ID: 5, Fix: geo.Fix{Time: 3}}},
	}}
	got, err := ParseFrame(f.Encode())
	if err != nil {
		t.Fatal(err)
	}
	want := geo.Delta{Drop: []geo.ID{1, 3, 9}, Move: []geo.Move{{ID: 2, Fix: geo.Fix{Time: 2}}, {ID: 5, Fix: geo.Fix{Time: 3}}}}
	if !reflect.DeepEqual(got.Delta, want) {
		t.Errorf("got %+v, want %+v", got.Delta, want)
	}
	if f.Drop[0] != 9 || f.Move[0].ID != 5 {
		t.Error("encoding changed the frame")
	}
}

// Few bytes that claim much: the answer is an error, not gigabytes.
func TestParseTakesBoundedMemory(t *testing.T) {
	bomb := func(field ...byte) []byte { return bytes.Repeat(field, 1<<20/len(field)) }
	tests := map[string][]byte{
		"a billion equal moves":    {0xb2, 0x01, 0x11, 0x08, 0xff, 0xff, 0xff, 0xff, 0x03, 0x12, 0x08, 2, 0, 0, 0, 0, 0, 0, 0},
		"blocks of one move":       bomb(0xb2, 0x01, 0x0c, 0x08, 0x01, 0x12, 0x08, 2, 0, 0, 0, 0, 0, 0, 0),
		"smallest features":        bomb(0xaa, 0x01, 0x02, 0x08, 0x01),
		"empty acts":               bomb(0xf2, 0x01, 0x00),
		"unknown fields":           bomb(0x98, 0x06, 0x01),
		"a long string that ended": {0x12, 0xff, 0xff, 0xff, 0xff, 0x07, 'x'},
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ParseFrame(b)
			runtime.ReadMemStats(&after)
			if err != nil && !errors.Is(err, ErrFormat) {
				t.Errorf("got %v, want nothing or %v", err, ErrFormat)
			}
			// Growing slices allocate in sum some times what they hold at last.
			if got, most := after.TotalAlloc-before.TotalAlloc, uint64(len(b)*400+100_000); got > most {
				t.Errorf("%d bytes took %d bytes of memory, want at most %d", len(b), got, most)
			}
		})
	}
}

func TestPropsAreCheckedAsJSON(t *testing.T) {
	for _, s := range []string{``, `{}`, `{"a":1}`, `{"a":-0.5e+10,"b":[[],{}],"c":"\u00e9\"x"}`, `{"a":[1,2,{"b":null}],"c":true,"d":false}`} {
		if !pbProps(s) {
			t.Errorf("%s is refused", s)
		}
	}
	for _, s := range []string{`{`, `}`, `[]`, `1`, `"x"`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"\n\"}",
		`{"a":tru}`, `{"a":1}}`, `{"a":1} `, ` {}`, `{"a": 1}`, `{"a":[1,]}`, `{"a":[}`, `{"a":"`, `{"a":"\`, strings.Repeat(`{"a":`, 20_000)} {
		if pbProps(s) {
			t.Errorf("%.40s is taken", s)
		}
	}
}

// A feature that the door accepts must be readable from the journal.
func FuzzProps(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e-7,"x",null,true,{"b":{}}]," ":"<>& "}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if props, err := geo.ParseProps(b); err == nil && !pbProps(string(props)) {
			t.Fatalf("%q became properties %q, which the codec refuses", b, props)
		}
		if pbProps(string(b)) && len(b) > 0 && !json.Valid(b) {
			t.Fatalf("%q is taken, but it is no JSON", b)
		}
	})
}

// What is accepted is understood: encoded and parsed again it is the same frame.
func FuzzParseFrame(f *testing.F) {
	bins, err := filepath.Glob(filepath.Join(goldenDir, "v*", "*.bin"))
	if err != nil || len(bins) == 0 {
		f.Fatalf("no golden vectors to start from: %v", err)
	}
	for _, name := range bins {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for seed := range uint64(8) {
		f.Add(anyFrame(rand.New(rand.NewPCG(seed, 1))).Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := ParseFrame(b)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrNewerFormat) {
				t.Fatalf("refused without a reason that a caller knows: %v", err)
			}
			return
		}
		for i := 1; i < len(parsed.Move); i++ {
			if parsed.Move[i-1].ID >= parsed.Move[i].ID {
				t.Fatalf("moves %d and %d do not ascend", i-1, i)
			}
		}
		again, err := ParseFrame(parsed.Encode())
		if err != nil {
			t.Fatalf("refused after encoding: %v", err)
		}
		if !reflect.DeepEqual(again, parsed) {
			t.Fatalf("got %+v, want %+v", again, parsed)
		}
	})
}

func TestMixOfUnknownHeadingsAndSpeeds(t *testing.T) {
	for wire := range uint32(math.MaxUint16 + 2) {
		if h := headingOf(uint64(wire)); wireHeading(h) != wire && wire != uint32(geo.HeadingUnknown)+1 {
			t.Fatalf("heading %d on the wire is %d and then %d", wire, h, wireHeading(h))
		}
	}
	for wire := range uint32(math.MaxUint16 + 1) {
		if s := speedOf(uint64(wire)); wireSpeed(s) != wire {
			t.Fatalf("speed %d on the wire is %d and then %d", wire, s, wireSpeed(s))
		}
	}
}
