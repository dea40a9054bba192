package reach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/coverage"
	"rasad/geo/roads"
	"rasad/server/dispatch"
	"rasad/streams"
)

// town is a world, its rules and a driver that follows it, over a grid of streets
// with a river in the middle and two bridges.
type town struct {
	t      testing.TB
	world  *geo.World
	preset *fixtures.Preset
	router *roads.Router
	driver *Driver
	rules  map[string]geo.Rule
	due    func(*geo.Draft, *geo.Feature) error

	mu   sync.Mutex // the writer
	said []string   // what the driver proposed
}

const (
	side = 12    // crossings in a row
	step = 40000 // 1e-7 degrees between two: some 400 m
	west = 513000000
	base = 356000000
)

// crossing is where two streets of the town meet.
func crossing(x, y int) geo.LngLat {
	return geo.LngLat{Lng: west + int32(x)*step, Lat: base + int32(y)*step}
}

func streets(t testing.TB) *roads.Graph {
	t.Helper()
	var b roads.Builder
	node := map[[2]int]roads.NodeID{}
	for y := range side {
		for x := range side {
			node[[2]int{x, y}] = b.Node(crossing(x, y))
		}
	}
	add := func(x, y, x2, y2 int) {
		s := roads.Segment{From: node[[2]int{x, y}], To: node[[2]int{x2, y2}], Class: roads.Secondary, Way: int64(y*side + x)}
		s.Forward = geo.Distance(crossing(x, y), crossing(x2, y2)) / 12
		s.Backward = s.Forward
		if err := b.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	for y := range side {
		for x := range side {
			if x+1 < side {
				add(x, y, x+1, y)
			}
			if y+1 < side && (y != side/2 || x == 2 || x == side-1) { // the river, and its bridges
				add(x, y, x, y+1)
			}
		}
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// people live at every crossing, more in the south, in two zones.
func people() *coverage.Demand {
	d := &coverage.Demand{Level: coverage.LevelAt(35.6), Basis: coverage.BasisPeople, Source: "a test",
		Zones: []coverage.Zone{{ID: "south", Names: roads.Names{Local: "جنوب", EN: "South"}}, {ID: "north"}}}
	for y := range side {
		for x := range side {
			c := coverage.Cell{At: crossing(x, y), Weight: float64(20 - y)}
			if y > side/2 {
				c.Zone = 1
			}
			d.Cells = append(d.Cells, c)
		}
	}
	d.Sort()
	return d
}

var network = sync.OnceValues(func() (*fixtures.Preset, *roads.Router) {
	p, err := fixtures.Load("us")
	if err != nil {
		panic(err)
	}
	r, err := roads.NewRouter(streets(&testing.B{}), Profiles(p))
	if err != nil {
		panic(err)
	}
	return p, r
})

// The router is made outside of any bubble: it keeps scratch in a channel, which one
// bubble may not share with the next.
func TestMain(m *testing.M) {
	network()
	os.Exit(m.Run())
}

// newTown makes a town inside a synctest bubble. It runs until the test ends.
func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{t: t, world: geo.NewWorld()}
	w.preset, w.router = network()
	policy := dispatch.Policy{
		UnitStatuses: map[string]dispatch.UnitStatus{"available": {Dispatchable: true}, "out_of_service": {}},
		Initial:      "available", HazardTypes: map[string]dispatch.HazardType{},
		VoidAfter: time.Duration(w.preset.Coverage.VoidAfterS) * time.Second,
	}
	w.rules, w.due = dispatch.Rules(policy), dispatch.Due(policy)
	w.driver = New(Options{World: w.world, Preset: w.preset, Router: w.router, Demand: people(), Now: now,
		Propose: func(_ context.Context, name string, args any) error {
			b, err := json.Marshal(args)
			if err != nil {
				return err
			}
			w.mu.Lock()
			w.said = append(w.said, name)
			w.mu.Unlock()
			_, err = w.do(name, string(b))
			return err
		}})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.driver.Run(ctx) })
	running.Go(func() { // the sequencer, when something is due
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				w.fall()
			}
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	return w
}

func now() geo.Millis { return geo.Millis(time.Now().UnixMilli()) }

// do runs a command in a frame of its own and returns its sequence.
func (w *town) do(name, args string) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.world.View()
	d := geo.NewDraft(v, v.Seq()+1, now())
	err := d.Try(func() error {
		_, err := w.rules[name](d, geo.Principal{Name: "test"}, json.RawMessage(args))
		return err
	})
	return w.apply(d), err
}

func (w *town) apply(d *geo.Draft) uint64 {
	seq := d.Seq()
	w.world.Apply(geo.Moment{Seq: seq, Time: now()}, d.Delta())
	w.driver.Frame(&streams.Frame{Base: seq - 1, Seq: seq, Delta: d.Delta()})
	return seq
}

func (w *town) fall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.world.View()
	d := geo.NewDraft(v, v.Seq()+1, now())
	for _, f := range v.Due(now()) {
		if err := w.due(d, f); err != nil {
			w.t.Error(err)
		}
	}
	if !d.Delta().Empty() {
		w.apply(d)
	}
}

func (w *town) must(name, format string, args ...any) uint64 {
	w.t.Helper()
	seq, err := w.do(name, fmt.Sprintf(format, args...))
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return seq
}

// unit puts a unit at a place with a fix of now.
func (w *town) unit(key string, at geo.LngLat, props string) uint64 {
	w.t.Helper()
	return w.must("feature.put", `{"key":%q,"kind":"unit","at":[%d,%d],"props":{%s}}`, key, at.Lng, at.Lat, props)
}

// move is a fix of a unit.
func (w *town) move(key string, at geo.LngLat) uint64 {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.world.View()
	d := geo.NewDraft(v, v.Seq()+1, now())
	f, ok := d.Get(key)
	if !ok {
		w.t.Fatalf("there is no %s", key)
	}
	d.Move(f.ID, geo.Fix{At: at, Time: now(), Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown})
	return w.apply(d)
}

func (w *town) roads(seq uint64) *State {
	w.t.Helper()
	s, err := w.driver.Roads(w.t.Context(), seq)
	if err != nil {
		w.t.Fatal(err)
	}
	if s.Seq() < seq {
		w.t.Fatalf("got the roads of %d, want %d", s.Seq(), seq)
	}
	return s
}

func (w *town) share(seq uint64, capability string) coverage.Share {
	w.t.Helper()
	v, at, err := w.driver.Cover(w.t.Context(), seq)
	if err != nil || at < seq {
		w.t.Fatalf("got the cover of %d, %v, want %d", at, err, seq)
	}
	return v.Share(coverage.Standard{Capability: capability, Seconds: 480})
}

func (w *town) alarms() []string {
	out := []string{}
	for f := range w.world.View().All(geo.Alarm) {
		s := f.Props.Text("type") + " " + f.Props.Text("zone")
		if f.Props.Raw("over_at") != "" {
			s += " over"
		}
		out = append(out, strings.TrimSpace(s))
	}
	slices.Sort(out)
	return out
}

const (
	engine = `"type":"engine","capabilities":["engine"],"status":"available"`
	medic  = `"type":"als_ambulance","capabilities":["als"],"status":"available"`
	// bridge lies over the western bridge, across it.
	bridge = `"shape":{"type":2,"points":[[513070000,356260000],[513090000,356260000]],"ends":[2]}`
)

// Over the western bridge to the first crossing in the north.
func (w *town) north(s *State) (cost roads.Cost) {
	w.t.Helper()
	p, _ := w.router.Profile("engine")
	to, err := s.Router().Stop(p, crossing(2, side/2+1), math.NaN())
	if err != nil {
		w.t.Fatal(err)
	}
	found := s.Fleet().Nearest(s.Router(), p, to, 1, nil)
	if len(found) == 0 {
		return roads.Unreached
	}
	return found[0].Cost
}

func TestAClosedBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		seq := w.unit("E1", crossing(2, side/2-1), engine)
		direct, share := w.north(w.roads(seq)), w.share(seq, "engine").Part()

		seq = w.must("feature.put", `{"key":"H1","kind":"hazard",%s,"props":{"impassable":true}}`, bridge)
		s := w.roads(seq)
		round := w.north(s)
		if round < direct+60_000 {
			t.Errorf("with the bridge closed it takes %v, without %v", round, direct)
		}
		if len(s.Changes()) != 2 || s.Changes()[0].Factor != 0 {
			t.Errorf("closed: %v, want both directions of the bridge", s.Changes())
		}
		if got := w.share(seq, "engine").Part(); got >= share {
			t.Errorf("the share is %v and was %v: it must fall", got, share)
		}

		seq = w.must("feature.patch", `{"key":"H1","kind":"hazard","props":{"impassable":false,"speed_factor":0.1}}`)
		if slow := w.north(w.roads(seq)); slow <= direct || slow > round {
			t.Errorf("over a slow bridge it takes %v; without, %v; closed, %v", slow, direct, round)
		}
		seq = w.must("feature.delete", `{"key":"H1","kind":"hazard"}`)
		if got := w.north(w.roads(seq)); got != direct {
			t.Errorf("opened again it takes %v, want %v", got, direct)
		}
		if got := w.share(seq, "engine").Part(); got != share {
			t.Errorf("the share is %v, want %v again", got, share)
		}
	})
}

func TestAClosureBeginsAndEndsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.unit("E1", crossing(2, side/2-1), engine)
		at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
		w.must("feature.put", `{"key":"H1","kind":"hazard",%s,"props":{"impassable":true,"valid_from":%q,"valid_to":%q}}`, bridge, at(10*time.Second), at(30*time.Second))
		took := func() roads.Cost { return w.north(w.roads(w.world.View().Seq())) }
		before := took()
		time.Sleep(15 * time.Second)
		if during := took(); during <= before {
			t.Errorf("it takes %v while the bridge is closed, %v before", during, before)
		}
		time.Sleep(20 * time.Second)
		if after := took(); after != before {
			t.Errorf("it takes %v after the closure, %v before", after, before)
		}
	})
}

func TestWhereUnitsStand(t *testing.T) {
	far := geo.LngLat{Lng: west - 2_000_000, Lat: base} // 18 km from any road
	tests := map[string]struct {
		do   func(w *town)
		want string
	}{
		"on a road":       {func(w *town) { w.unit("U", crossing(3, 3), engine) }, "road cover"},
		"busy":            {func(w *town) { w.unit("U", crossing(3, 3), `"type":"engine","status":"out_of_service"`) }, "road"},
		"no road is near": {func(w *town) { w.unit("U", far, engine) }, "aside cover"},
		"it flies":        {func(w *town) { w.unit("U", crossing(3, 3), `"type":"helicopter","status":"available"`) }, "aside"},
		"it sails":        {func(w *town) { w.unit("U", crossing(3, 3), `"type":"boat","status":"available"`) }, "aside"},
		"of no kind":      {func(w *town) { w.unit("U", crossing(3, 3), `"status":"available"`) }, "road cover"},
		"it has no place": {func(w *town) { w.must("feature.put", `{"key":"U","kind":"unit","props":{%s}}`, engine) }, "unplaced"},
		"its place was taken away": {func(w *town) {
			w.unit("U", crossing(3, 3), engine)
			w.must("feature.patch", `{"key":"U","kind":"unit","at":null}`)
		}, "unplaced"},
		"it fell silent": {func(w *town) { w.unit("U", crossing(3, 3), engine); time.Sleep(122 * time.Second) }, "stale"},
		"and speaks again": {func(w *town) {
			w.unit("U", crossing(3, 3), engine)
			time.Sleep(130 * time.Second)
			w.move("U", crossing(3, 4))
		}, "road cover"},
		"not yet silent": {func(w *town) { w.unit("U", crossing(3, 3), engine); time.Sleep(118 * time.Second) }, "road cover"},
		"it drove off the map": {func(w *town) {
			w.unit("U", crossing(3, 3), engine)
			w.move("U", far)
		}, "aside cover"},
		"it becomes a helicopter": {func(w *town) {
			w.unit("U", crossing(3, 3), engine)
			w.must("feature.patch", `{"key":"U","kind":"unit","props":{"type":"helicopter"}}`)
		}, "aside"},
		"it was deleted": {func(w *town) {
			w.unit("U", crossing(3, 3), engine)
			w.must("feature.delete", `{"key":"U","kind":"unit"}`)
		}, ""},
		"its crew left": {func(w *town) {
			w.unit("U", crossing(3, 3), engine)
			w.must("unit.status", `{"unit":"U","status":"out_of_service"}`)
		}, "road"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				tt.do(w)
				seq := w.world.View().Seq()
				s := w.roads(seq)
				v, _, err := w.driver.Cover(t.Context(), seq)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				p, _ := w.router.Profile("engine")
				to, _ := s.Router().Stop(p, crossing(0, 0), math.NaN())
				if len(s.Fleet().Nearest(s.Router(), p, to, 1, nil)) > 0 {
					got = append(got, "road")
				}
				for name, list := range map[string][]geo.ID{"aside": s.Aside(), "stale": s.Stale(), "unplaced": s.Unplaced()} {
					if len(list) > 0 {
						got = append(got, name)
					}
				}
				if v.Share(coverage.Standard{Seconds: 480}).Units > 0 {
					got = append(got, "cover")
				}
				if strings.Join(got, " ") != tt.want {
					t.Errorf("got %q, want %q", strings.Join(got, " "), tt.want)
				}
			})
		})
	}
}

// Whatever happens, what readers get is what one would work out from the world alone.
func TestTheDriverAgreesWithTheWorld(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) { agree(t, seed) })
	}
}

func agree(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 3))
	w := newTown(t)
	somewhere := func() geo.LngLat {
		return geo.LngLat{Lng: west + r.Int32N(side*step), Lat: base + r.Int32N(side*step)}
	}
	for range 6 {
		for range 25 {
			key, hazard := fmt.Sprintf("U%d", r.IntN(12)), fmt.Sprintf("H%d", r.IntN(4))
			_, there := w.world.View().Get(key)
			switch r.IntN(10) {
			case 0, 1, 2:
				props := []string{engine, medic, `"type":"helicopter","capabilities":["als"],"status":"available"`}[r.IntN(3)]
				if there {
					props, _, _ = strings.Cut(props, `,"status"`) // it is not written that way later
				}
				w.unit(key, somewhere(), props)
			case 3, 4:
				if there {
					w.move(key, somewhere())
				}
			case 5:
				if there {
					_, _ = w.do("unit.status", fmt.Sprintf(`{"unit":%q,"status":%q}`, key, []string{"available", "out_of_service"}[r.IntN(2)]))
				}
			case 6:
				if there {
					w.must("feature.delete", `{"key":%q,"kind":"unit"}`, key)
				}
			case 7, 8:
				a := somewhere()
				size := r.Int32N(5 * step)
				shape := fmt.Sprintf(`{"type":4,"points":[[%d,%d],[%d,%d],[%d,%d],[%d,%d]],"ends":[4]}`, a.Lng, a.Lat, a.Lng+size+1, a.Lat, a.Lng, a.Lat+size+1, a.Lng, a.Lat)
				if r.IntN(2) == 0 {
					shape = fmt.Sprintf(`{"type":2,"points":[[%d,%d],[%d,%d]],"ends":[2]}`, a.Lng, a.Lat, a.Lng+size, a.Lat+size+1)
				}
				props := []string{`"impassable":true`, `"impassable":true`, `"speed_factor":0.3`, `"speed_factor":0.7`, ``}[r.IntN(5)]
				w.must("feature.put", `{"key":%q,"kind":"hazard","shape":%s,"props":{%s}}`, hazard, shape, props)
			case 9:
				_, _ = w.do("feature.delete", fmt.Sprintf(`{"key":%q,"kind":"hazard"}`, hazard)) // there may be none
			}
			if r.IntN(8) == 0 {
				time.Sleep(time.Duration(r.IntN(40)) * time.Second)
			}
		}
		time.Sleep(10 * time.Second) // who drove on was looked at again
		check(t, w, seed)
	}
}

func check(t *testing.T, w *town, seed uint64) {
	t.Helper()
	seq := w.world.View().Seq()
	s := w.roads(seq)
	view, _, err := w.driver.Cover(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	world := w.world.View()
	least := map[roads.EdgeID]float64{}
	for f := range world.All(geo.Hazard) {
		factor := 1.0
		if v, ok := f.Props.Number("speed_factor"); ok {
			factor = v
		}
		if f.Props.Bool("impassable") {
			factor = 0
		}
		for _, e := range w.router.Graph().Touching(f.Shape) {
			if old, ok := least[e]; factor < 1 && (!ok || factor < old) {
				least[e] = factor
			}
		}
	}
	var changes []roads.Change
	for _, e := range slices.Sorted(maps.Keys(least)) {
		changes = append(changes, roads.Change{Edge: e, Factor: least[e]})
	}
	if !slices.Equal(s.Changes(), changes) {
		t.Fatalf("seed %d: the driver closed %v, the world %v", seed, s.Changes(), changes)
	}
	router := w.router.With(changes)
	fresh := coverage.New(people(), w.router, nil)
	fresh.Reroute(router)
	kinds := Kinds(w.preset, w.router)
	for _, at := range []geo.LngLat{crossing(1, 1), crossing(6, 9), {Lng: west + 123456, Lat: base + 234567}} {
		for _, profile := range []string{"engine", "ambulance"} {
			p, _ := router.Profile(profile)
			to, _ := router.Stop(p, at, math.NaN())
			var want []roads.Reached
			for f := range world.All(geo.Unit) {
				k := kinds(f.Props.Text("type"))
				if k.Way != fixtures.WayRoad || k.Profile != p || !f.Fix.Placed() || now()-f.Fix.Time >= 120_000 {
					continue
				}
				from, _ := router.Stop(p, f.Fix.At, math.NaN())
				if c, ok := router.Time(p, from, to); ok {
					want = append(want, roads.Reached{ID: uint32(f.ID), Cost: c})
				}
			}
			slices.SortFunc(want, func(a, b roads.Reached) int {
				if a.Cost != b.Cost {
					return int(int64(a.Cost) - int64(b.Cost))
				}
				return int(int64(a.ID) - int64(b.ID))
			})
			if got := s.Fleet().Nearest(s.Router(), p, to, 100, nil); !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s from %v: got %v, want %v", seed, profile, at, got, want)
			}
		}
	}
	for f := range world.All(geo.Unit) {
		k := kinds(f.Props.Text("type"))
		if k.Covers && f.Props.Bool("dispatchable") && f.Fix.Placed() && now()-f.Fix.Time < 120_000 {
			fresh.Set(uint32(f.ID), coverage.Unit{At: f.Fix.At, Heading: math.NaN(), Profile: k.Profile, Line: k.Line, Capabilities: f.Props.Texts("capabilities")})
		}
	}
	for _, standard := range []coverage.Standard{{Capability: "engine", Seconds: 480}, {Capability: "als", Seconds: 480}, {Seconds: 120}} {
		if got, want := view.Share(standard), fresh.View().Share(standard); got.Covered != want.Covered || got.Units != want.Units {
			t.Fatalf("seed %d: %+v: covered %v by %d, from nothing %v by %d", seed, standard, got.Covered, got.Units, want.Covered, want.Units)
		}
	}
}

func TestAVoidBecomesAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.unit("M1", crossing(4, 2), medic)
		w.unit("M2", crossing(4, side-2), medic)
		keep := func(d time.Duration, keys ...string) { // alive, and where they are
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Second) {
				for _, k := range keys {
					f, _ := w.world.View().Get(k)
					w.move(k, f.Fix.At)
				}
			}
		}
		keep(30*time.Second, "M1", "M2")
		if got := w.alarms(); len(got) != 0 {
			t.Fatalf("alarms %q while everybody is covered", got)
		}
		// The medic of the north leaves, and both bridges are closed.
		w.must("feature.put", `{"key":"H1","kind":"hazard","shape":{"type":2,"points":[[512990000,356260000],[513500000,356260000]],"ends":[2]},"props":{"impassable":true}}`)
		w.must("unit.status", `{"unit":"M2","status":"out_of_service"}`)
		keep(50*time.Second, "M1", "M2")
		if _, ok := w.world.View().Get("void:als:north"); !ok {
			t.Fatal("the north has nobody, and no void is open")
		}
		if got := w.alarms(); len(got) != 0 {
			t.Fatalf("alarms %q before a minute has passed", got)
		}
		keep(20*time.Second, "M1", "M2")
		if got := w.alarms(); !slices.Equal(got, []string{"void north"}) {
			t.Fatalf("alarms %q, want one for the north", got)
		}
		// Nobody in this town has a ladder, and that is no void.
		if _, ok := w.world.View().Get("void:ladder:north"); ok {
			t.Error("a capability that the town never had is a void")
		}
		w.must("unit.status", `{"unit":"M2","status":"available"}`)
		keep(5*time.Second, "M1", "M2")
		if got := w.alarms(); !slices.Equal(got, []string{"void north over"}) {
			t.Errorf("alarms %q, want it over", got)
		}
	})
}

func TestAFlickeringVoidAlarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.unit("M1", crossing(4, 4), medic)
		for i := range 10 {
			w.must("unit.status", `{"unit":"M1","status":%q}`, []string{"out_of_service", "available"}[i%2])
			w.move("M1", crossing(4, 4))
			time.Sleep(40 * time.Second)
		}
		if got := w.alarms(); len(got) != 0 {
			t.Errorf("got %q", got)
		}
	})
}

// A restart finds the void that stands, and tells nobody again.
func TestARestartDoesNotAlarmAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.unit("M1", crossing(4, 4), medic)
		w.must("unit.status", `{"unit":"M1","status":"out_of_service"}`)
		time.Sleep(70 * time.Second)
		before := w.alarms()
		if !slices.Equal(before, []string{"void north", "void south"}) {
			t.Fatalf("got %q", before)
		}
		for f := range w.world.View().All(geo.Alarm) {
			w.must("alarm.ack", `{"alarm":%q}`, f.Key)
		}
		again := New(w.driver.Options)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { again.Run(ctx) })
		time.Sleep(2 * time.Minute)
		stop()
		running.Wait()
		for f := range w.world.View().All(geo.Alarm) {
			if f.Props.Raw("acked_at") == "" {
				t.Errorf("%s stands unacknowledged again", f.Key)
			}
		}
	})
}

func TestTheShareIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		notes := func() (n int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, s := range w.said {
				if s == "coverage.note" {
					n++
				}
			}
			return n
		}
		w.unit("E1", crossing(4, 4), engine)
		time.Sleep(3 * time.Second)
		if got := notes(); got != 1 {
			t.Fatalf("%d notes at the start, want 1", got)
		}
		time.Sleep(65 * time.Second)
		if got := notes(); got != 2 {
			t.Errorf("%d notes after a quiet minute, want 2", got)
		}
		for range 20 { // half a minute of a share that jumps about
			w.move("E1", crossing(0, 0))
			w.must("unit.status", `{"unit":"E1","status":"out_of_service"}`)
			time.Sleep(750 * time.Millisecond)
			w.must("unit.status", `{"unit":"E1","status":"available"}`)
			time.Sleep(750 * time.Millisecond)
		}
		if got := notes(); got < 3 || got > 6 {
			t.Errorf("%d notes after half a minute of changes, want one each ten seconds", got)
		}
		f, ok := w.world.View().Get("coverage")
		if !ok || f.Kind != geo.Coverage {
			t.Fatal("the world has no coverage")
		}
	})
}

func TestNobodyWaitsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		seq := w.unit("E1", crossing(4, 4), engine)
		w.roads(seq)
		start := time.Now()
		if _, err := w.driver.Roads(t.Context(), seq+99); !errors.Is(err, ErrBehind) {
			t.Errorf("got %v, want ErrBehind", err)
		}
		if took := time.Since(start); took != waitMax {
			t.Errorf("it took %v, want %v", took, waitMax)
		}
		if _, _, err := w.driver.Cover(t.Context(), seq+99); !errors.Is(err, ErrBehind) {
			t.Errorf("got %v, want ErrBehind", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if _, err := w.driver.Roads(ctx, seq+99); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the error of the context", err)
		}
		// Who waits is let in by the frame.
		seq = w.world.View().Seq()
		done := make(chan error)
		go func() {
			_, err := w.driver.Roads(t.Context(), seq+1)
			done <- err
		}()
		time.Sleep(500 * time.Millisecond)
		w.unit("E2", crossing(5, 5), engine)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWithoutDemandThereIsNoCover(t *testing.T) {
	p, r := network()
	d := New(Options{World: geo.NewWorld(), Preset: p, Router: r, Now: now})
	if v, _, err := d.Cover(t.Context(), 99); v != nil || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
}

// The preset's words for roads and turns are all of the roads', and the other way round.
func TestProfiles(t *testing.T) {
	for _, name := range fixtures.Names() {
		p, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		list := Profiles(p)
		if len(list) < 5 {
			t.Errorf("%s: %d road profiles", name, len(list))
		}
		for _, r := range list {
			for c, v := range r.Max {
				if v <= 0 {
					t.Errorf("%s: %s never drives on a %v", name, r.Name, roads.Class(c))
				}
			}
			for c, v := range r.Turn {
				if v <= 0 || v > r.Turn[roads.UTurn] {
					t.Errorf("%s: %s turns %s in %v s", name, r.Name, turns[c], v)
				}
			}
		}
		if _, err := roads.NewRouter(streets(t), list); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := len(fixtures.RoadClasses); got != int(roads.ClassCount) {
		t.Errorf("presets name %d classes of roads, there are %d", got, roads.ClassCount)
	}
	for i, name := range fixtures.RoadClasses {
		if roads.Class(i).String() != name {
			t.Errorf("class %d is %s to the presets and %s to the roads", i, name, roads.Class(i))
		}
	}
	for _, name := range turns {
		if !slices.Contains(fixtures.Turns, name) {
			t.Errorf("presets do not know the turn %s", name)
		}
	}
}

func TestHeading(t *testing.T) {
	for _, tt := range []struct {
		heading, speed uint16
		want           float64
	}{{90, 100, 90}, {90, 20, math.NaN()}, {90, 21, 90}, {90, geo.SpeedUnknown, math.NaN()}, {geo.HeadingUnknown, 100, math.NaN()}, {0, 30, 0}} {
		if got := Heading(geo.Fix{Heading: tt.heading, Speed: tt.speed}); got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
			t.Errorf("heading %d at %d dm/s: got %v, want %v", tt.heading, tt.speed, got, tt.want)
		}
	}
}
