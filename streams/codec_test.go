package streams

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
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

var (
	_ = json.Valid
	_ = errors.Is
	_ = math.Pi
	_ = reflect.DeepEqual
	_ = strings.Repeat
)
