package geo

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// A city that enrolls frame by frame, without a move, once kept the cells of its
// first minute: each put then shifted a page of thousands.
func TestTheGridStaysFineWhileItGrows(t *testing.T) {
	w := NewWorld()
	r := rand.New(rand.NewPCG(8, 8))
	const n = 30_000
	for i := 0; i < n; {
		seq := w.View().Seq() + 1
		var d Delta
		for ; i < n && len(d.Put) < 500; i++ {
			d.Put = append(d.Put, &Feature{ID: ID(i + 1), Key: strconv.Itoa(i), Kind: Unit, Rev: seq,
				Fix: Fix{At: LngLat{513_000_000 + int32(r.IntN(5_000_000)), 356_000_000 + int32(r.IntN(4_000_000))}, Time: 1}})
		}
		w.Apply(Moment{seq, Millis(seq)}, d)
	}
	g := w.View().grid
	var all []LngLat
	g.points(func(q gridPoint) { all = append(all, q.at) })
	if len(all) != n {
		t.Fatalf("the grid holds %d of %d", len(all), n)
	}
	// Four times as many points as at the last look, and four times too full then.
	if got, most := crowd(all, n)[g.shift], 16.*gridCrowd; got > most {
		t.Errorf("%.0f points share a cell, want at most %.0f", got, most)
	}
}
