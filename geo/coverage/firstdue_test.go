package coverage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"rasad/geo"
	"rasad/geo/roads"
)

// TestFirstDueIsTheFirst asks of each cell which station is there first, one by one.
func TestFirstDueIsTheFirst(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 11))
		d := people(r, 80, 3)
		ways := router(t, town(t, r, 60))
		var stations []Station
		for i := range 1 + r.IntN(5) {
			stations = append(stations, Station{fmt.Sprint("S", i), roads.Names{Local: fmt.Sprint("Station ", i)}, someUnit(r).At})
		}
		whole := *d
		got := d.FirstDue(ways, 1, stations)
		if !reflect.DeepEqual(*d, whole) {
			t.Fatal("the demand itself was changed")
		}
		if len(got.Zones) != len(stations) || got.Zones[0] != (Zone{"S0", stations[0].Names}) || got.Basis != d.Basis {
			t.Fatalf("seed %d: zones %+v", seed, got.Zones)
		}
		for i, c := range got.Cells {
			want, first := NoZone, math.Inf(1)
			to, _ := ways.Stop(1, c.At, math.NaN())
			for z, s := range stations {
				from, _ := ways.Stop(1, s.At, math.NaN())
				if t, ok := ways.Time(1, from, to); ok && float64(t) < first && t <= 4*MaxSeconds*1000 {
					want, first = int32(z), float64(t)
				}
			}
			if want == NoZone { // no road leads there
				for z, s := range stations {
					if m := geo.Distance(c.At, s.At); m < first {
						want, first = int32(z), m
					}
				}
			}
			if c.Zone != want {
				t.Fatalf("seed %d: cell %d belongs to %d, want %d", seed, i, c.Zone, want)
			}
		}
	}
	if d := people(rand.New(rand.NewPCG(1, 1)), 9, 2).FirstDue(noRoads(t), 0, nil); len(d.Zones) != 0 || d.Cells[3].Zone != NoZone {
		t.Errorf("without stations: %+v", d.Zones)
	}
}
